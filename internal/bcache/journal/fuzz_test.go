// SPDX-License-Identifier: GPL-2.0-only

package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/imgtest"
)

const fuzzBuckets = 5

// mendRing carries the fuzzer past magic, size and checksum: every block of the ring whose first byte is odd becomes
// a valid entry. Where it ends is not skipped: the next one may lie across it, as after a torn write.
func mendRing(r *ring) {
	var sealed ondisk.Jset
	sealed.Seal(testMagic)
	le := binary.LittleEndian
	for b := range r.g.NJournal {
		for off := r.g.BucketSectors; off > 0; off-- { // backwards: the first of two that overlap is whole
			at := r.dev[r.at(b, off-1):r.at(b+1, 0)]
			if at[0]&1 == 0 {
				continue
			}
			le.PutUint64(at[8:], sealed.Magic)
			if words, most := le.Uint32(at[28:]), uint32(len(at)-ondisk.JsetBytes)/8; words > most {
				le.PutUint32(at[28:], words%(most+1))
			}
			if j := ondisk.JsetNumbers(at); j.Seq > 64 { // small, so that they meet
				le.PutUint64(at[16:], j.Seq%64)
				le.PutUint64(at[32:], j.LastSeq%64)
			}
			le.PutUint64(at, ondisk.Crc64(at[8:ondisk.JsetSize(at)]))
		}
	}
}

// A ring of anything: Scan never panics, finds what the kernel would, and what it calls an entry can be read.
func FuzzScan(f *testing.F) {
	all := imgtest.Seeds(f, "jset")
	whole := newRing(fuzzBuckets)
	base := whole.at(0, 0)
	for i, seed := range all { // each alone, and all of them one after the other as they fit
		s := seed.Data
		f.Add(append([]byte{s[0] | 1}, s[1:]...), false)
		if b := i % fuzzBuckets; whole.at(b, 3*ondisk.Sector(i/fuzzBuckets))+int64(len(s)) < whole.at(b+1, 0) {
			copy(whole.dev[whole.at(b, 3*ondisk.Sector(i/fuzzBuckets)):], append([]byte{s[0] | 1}, s[1:]...))
		}
	}
	f.Add(bytes.Clone(whole.dev[base:whole.at(fuzzBuckets, 0)]), true)
	for _, c := range ringCases() {
		if r := newRing(fuzzBuckets); c.n <= fuzzBuckets {
			c.build(r)
			f.Add(bytes.Clone(r.dev[base:min(len(r.dev), int(r.at(fuzzBuckets, 0)))]), false)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, discard bool) {
		r := newRing(fuzzBuckets)
		r.g.Discard = discard
		copy(r.dev[base:r.at(fuzzBuckets, 0)], b)
		checkScan(t, r)
		mendRing(r)
		checkScan(t, r)
	})
}

func checkScan(t *testing.T, r *ring) {
	c := new(finding.Collector)
	l, err := Scan(bytes.NewReader(r.dev), r.g, 1, c.Add)
	if err != nil {
		if !errors.Is(err, ErrNone) || l.Newest != nil || len(l.Live) != 0 || !c.Damaged() {
			t.Fatalf("%v, newest %v, live %v", err, l.Newest, l.Live)
		}
		return
	}
	chains := make([][]Entry, r.g.NJournal)
	for _, e := range l.Entries {
		if !e.Behind {
			chains[e.Ring] = append(chains[e.Ring], e)
		}
		j, err := l.Read(e)
		if j == nil || j.Seq != e.Seq || err != nil && !errors.Is(err, ondisk.ErrKey) {
			t.Fatalf("entry %+v: %v, %v", e, j, err)
		}
		raw := r.dev[l.Sector(e).Bytes():][:e.Bytes]
		if out := j.Append(nil); err == nil && !bytes.Equal(out, raw) {
			t.Fatalf("entry %+v encodes to something else", e)
		}
	}
	if want := slowRead(chains); !slices.Equal(l.Live, want) {
		t.Fatalf("live %v, want %v", l.Live, want)
	}
	for i := 1; i < len(l.Live); i++ {
		if l.Live[i-1].Seq >= l.Live[i].Seq {
			t.Fatalf("live %v", l.Live)
		}
	}
	if n := l.Live[len(l.Live)-1]; l.Newest == nil || l.Newest.Seq != n.Seq {
		t.Fatalf("newest %v, live %v", l.Newest, l.Live)
	}
}
