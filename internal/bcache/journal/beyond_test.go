// SPDX-License-Identifier: GPL-2.0-only

package journal

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// lap writes a sound ring of n buckets of several laps.
func lap(rnd *rand.Rand, n int) *ring {
	r := newRing(n)
	r.cur, r.off = -1, r.g.BucketSectors
	for range 1 + rnd.IntN(150) {
		last := max(r.last, 1)
		if rnd.IntN(3) == 0 || r.cur >= 0 && !r.room() {
			last = r.seq + 1
		}
		r.write(last, rnd.IntN(40))
	}
	return r
}

// Of a ring that is read as if it were shorter, what it lacks is found behind it: all that is newer than what is left,
// and all that the newest there needs. Nothing is found behind a ring that was always so short, whatever stands there of
// another life of the set.
func TestBeyond(t *testing.T) {
	rnd := rand.New(rand.NewPCG(34, 5))
	cut, whole := 0, 0
	for range 400 {
		n := 6 + rnd.IntN(6)
		r := lap(rnd, n)
		all, _, err := r.scan(1)
		if err != nil {
			t.Fatal(err)
		}
		short := *r.g
		short.NJournal = 2 + rnd.IntN(n-2)
		l, err := Scan(bytes.NewReader(r.dev), &short, 1, func(finding.Finding) {})
		if err != nil {
			t.Fatal(err)
		}
		top := l.newest()
		want, first, last := 0, uint64(1<<63), uint64(0)
		for _, e := range all.Entries {
			if e.Ring >= short.NJournal && e.Seq >= top.LastSeq && e.Seq != top.Seq {
				want, first, last = want+1, min(first, e.Seq), max(last, e.Seq)
			}
		}
		from, to, got, at := l.Beyond(n)
		if got != want || got > 0 && (from != first || to != last || at == nil) {
			t.Fatalf("%d of %d buckets, newest %d of %d: %d to %d, %d in all, want %d to %d, %d", short.NJournal, n, top.Seq, r.seq, from, to, got, first, last, want)
		}
		if got > 0 {
			cut++
			continue
		}
		whole++
		other := newRing(n) // the set lived before, with a longer ring
		copy(other.dev, r.dev[:r.at(short.NJournal, 0)])
		for b := short.NJournal; b < n; b++ {
			seq := r.seq + 2 + rnd.Uint64N(1000)
			other.put(b, 0, entry(seq, seq-rnd.Uint64N(2), 3))
		}
		l, err = Scan(bytes.NewReader(other.dev), &short, 1, func(finding.Finding) {})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, got, _ := l.Beyond(n); got > 0 {
			t.Fatalf("%d of another life", got)
		}
	}
	if cut < 50 || whole < 50 {
		t.Fatalf("%d cut, %d whole", cut, whole)
	}
}

// Of a ring that is read as if it began later, what stands before it is found; entries of another life are not.
func TestBefore(t *testing.T) {
	rnd := rand.New(rand.NewPCG(34, 6))
	late := 0
	for range 400 {
		n := 6 + rnd.IntN(6)
		r := lap(rnd, n)
		by := 1 + rnd.IntN(n-3)
		lowest := r.g.FirstBucket
		short := *r.g
		short.FirstBucket, short.NJournal = lowest+ondisk.Bucket(by), n-by
		look := func(dev []byte, lowest ondisk.Bucket) int {
			l, err := Scan(bytes.NewReader(dev), &short, 1, func(finding.Finding) {})
			if err != nil {
				return -1
			}
			_, _, n, at := l.Before(lowest)
			if (n > 0) != (at != nil) {
				t.Fatalf("%d entries, at %v", n, at)
			}
			return n
		}
		if r.top[by-1] == 0 || r.top[by] == 0 {
			continue // it never came so far
		}
		if got := look(r.dev, lowest); got <= 0 {
			t.Fatalf("%d found before bucket %d of %d, newest %d in %d", got, by, n, r.seq, r.cur)
		}
		late++
		if got := look(r.dev, short.FirstBucket); got != 0 {
			t.Fatalf("%d found before the lowest", got)
		}
		for b := range by {
			seq := r.seq + 2 + rnd.Uint64N(1000)
			r.put(b, 0, entry(seq, seq-rnd.Uint64N(2), 3))
			clear(r.dev[r.at(b, 8):r.at(b+1, 0)])
		}
		if got := look(r.dev, lowest); got != 0 {
			t.Fatalf("%d of another life", got)
		}
	}
	if late < 100 {
		t.Fatalf("%d tried", late)
	}
}
