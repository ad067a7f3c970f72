// SPDX-License-Identifier: GPL-2.0-only

package journal

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// An entry that is played through is found, or hides others, as if it had been written: at any place of any ring, with
// any seq, whole or torn.
func TestWith(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 9))
	found, hidden := 0, 0
	for round := range 400 {
		r := newRing(3 + rnd.IntN(6))
		r.g.BlockSectors = []ondisk.Sector{1, 2}[rnd.IntN(2)]
		for range 1 + rnd.IntN(60) {
			if !r.room() {
				r.last = r.seq
			}
			r.write(max(r.last, 1), rnd.IntN(30))
		}
		for range rnd.IntN(4) { // and damage
			r.dev[r.at(rnd.IntN(r.g.NJournal), ondisk.Sector(rnd.IntN(int(r.g.BucketSectors))))+40] ^= 1
		}
		l, _, err := r.scan(1)
		if err != nil {
			continue
		}
		j := entry(r.seq+rnd.Uint64N(4)-1, r.seq-rnd.Uint64N(min(r.seq, 5)), rnd.IntN(40))
		if rnd.IntN(2) == 0 {
			j.LastSeq = l.Newest.LastSeq
		}
		j.LastSeq = min(j.LastSeq, j.Seq)
		j.Seal(testMagic)
		b := j.Append(nil)
		e := Entry{Seq: j.Seq, LastSeq: j.LastSeq, Csum: j.Csum, Ring: rnd.IntN(r.g.NJournal), Bytes: int64(len(b))}
		blocks := (r.g.BucketSectors - r.g.Blocks(e.Bytes)) / r.g.BlockSectors
		e.Offset = ondisk.Sector(rnd.IntN(int(blocks)+1)) * r.g.BlockSectors
		if n := l.Live[len(l.Live)-1]; rnd.IntN(2) == 0 && n.Offset+r.g.Blocks(n.Bytes)+r.g.Blocks(e.Bytes) <= r.g.BucketSectors {
			e.Ring, e.Offset = n.Ring, n.Offset+r.g.Blocks(n.Bytes)
		}
		b = append(b, make([]byte, r.g.Blocks(e.Bytes).Bytes()-int64(len(b)))...)
		for whole, play := range map[bool]func(Entry) []Entry{true: l.With, false: l.Torn} {
			dev := slices.Clone(r.dev)
			at := r.at(e.Ring, e.Offset)
			clear(dev[at:][:len(b)])
			if whole {
				copy(dev[at:], b)
			}
			real, _ := Scan(bytes.NewReader(dev), r.g, 1, func(finding.Finding) {})
			got := play(e)
			if !slices.EqualFunc(got, real.Live, func(a, b Entry) bool {
				return a.Seq == b.Seq && a.Ring == b.Ring && a.Offset == b.Offset && a.Csum == b.Csum
			}) {
				t.Fatalf("round %d, whole %v: entry %d at %d, %d: %v, want %v", round, whole, e.Seq, e.Ring, e.Offset, seqs(got), seqs(real.Live))
			}
			if whole && slices.Contains(seqs(got), e.Seq) {
				found++
			} else if whole {
				hidden++
			}
		}
	}
	if found < 50 || hidden < 50 {
		t.Errorf("%d found, %d hidden", found, hidden)
	}
}
