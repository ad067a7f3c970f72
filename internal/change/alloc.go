// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
)

// usage is what all keys on the device say of the free buckets: those of the newest bset and of the oldest, dead
// ones too, for a key that is dead now comes back to life where a newer bset is lost.
type usage struct {
	pointed bits    // by a key that is not stale
	lag     []uint8 // of the oldest stale one
}

// Allocate takes n free buckets, none of which any key could lead into, and raises their gens by one.
// Errors: ErrNoSpace.
func (t *Tx) Allocate(n int) ([]ondisk.Bucket, error) {
	if t.usage == nil {
		if err := t.scan(); err != nil {
			return nil, err
		}
	}
	var got []ondisk.Bucket
	next := t.next
	for len(got) < n {
		b, ok := t.candidate(&next)
		if !ok {
			return nil, fmt.Errorf("%w: %d to write to, %d are needed", ErrNoSpace, len(got), n)
		}
		got = append(got, b)
	}
	t.next = next
	for _, b := range got {
		t.taken.add(b, t.g.NBuckets)
		t.gens[b] = t.Gen(b) + 1
		t.prios[b] = ondisk.BtreePrio
	}
	return got, nil
}

// A cursor is how far the buckets have been looked at, and the how manieth time.
type cursor struct {
	lap int
	at  ondisk.Bucket
}

// candidate is the next bucket that may be written. While a damaged cache is mended, those that were never used come
// first, and those that only now are given up last: what the others hold may be wanted as evidence.
func (t *Tx) candidate(at *cursor) (ondisk.Bucket, bool) {
	for ; at.lap < 3; at.lap, at.at = at.lap+1, 0 {
		if at.lap != 1 && !t.mends {
			continue
		}
		for at.at = max(at.at, t.g.FirstBucket); at.at < t.g.NBuckets; {
			b := at.at
			at.at++
			if (!t.mends || at.lap == t.lapOf(b)) && t.writable(b) {
				return b, true
			}
		}
	}
	return 0, false
}

// lapOf is when b's turn comes.
func (t *Tx) lapOf(b ondisk.Bucket) int {
	switch {
	case t.spare.has(b):
		return 2
	case t.c.Buckets.DiskGen(b) == 0 && t.c.Buckets.Prio(b) == 0:
		return 0
	}
	return 1
}

func (t *Tx) writable(b ondisk.Bucket) bool {
	free := t.Free(b) || t.spare.has(b) && !t.taken.has(b) && !t.used.has(b)
	return free && !t.usage.pointed.has(b) && !t.avoid.has(b) && t.usage.lag[b] < ondisk.GenLimit
}

// Free reports whether b may be written: it is free, and not taken.
func (t *Tx) Free(b ondisk.Bucket) bool {
	return t.c.Buckets.Mark(b) == inspect.Free && !t.taken.has(b) && !t.used.has(b)
}

// GiveUp lets go of the clean data in b: its gen is one past what it was, so that all pointers to it are stale, and once
// the change is there it is free. It is not written to before: the old state still reads it.
func (t *Tx) GiveUp(b ondisk.Bucket) {
	t.gens[b]++
	t.GivenUp(b)
}

// GivenUp counts b, whose pointers are gone or have become stale by SetGen, among the buckets that are free afterwards.
func (t *Tx) GivenUp(b ondisk.Bucket) {
	if t.c.Buckets.Mark(b) != inspect.Metadata {
		t.given.add(b, t.g.NBuckets)
	}
}

func (t *Tx) scan() error {
	t.usage = &usage{lag: make([]uint8, t.g.NBuckets)}
	for b := range t.g.NBuckets {
		t.known(b)
	}
	for _, l := range t.c.Chain.Links {
		if l.Bucket < t.g.NBuckets {
			t.usage.pointed.add(l.Bucket, t.g.NBuckets)
		}
	}
	return t.c.OtherPointers(func(p ondisk.Ptr) {
		b := t.g.BucketOf(p.Offset())
		if !p.Available() || b >= t.g.NBuckets {
			return
		}
		if stale := ondisk.GenAfter(t.Gen(b), p.Gen()); stale > 0 {
			t.usage.lag[b] = max(t.usage.lag[b], stale)
		} else {
			t.usage.pointed.add(b, t.g.NBuckets)
		}
	})
}

// known takes what the check has seen of pointers to b, whose gen may have been set since.
func (t *Tx) known(b ondisk.Bucket) {
	lag, by := int(t.c.Buckets.Lag(b)), int(t.gens[b]-t.c.Buckets.Gen(b))
	live := t.c.Buckets.Mark(b) != inspect.Free
	switch {
	case by >= 128: // it goes back: what is stale may come back to life
		live, by = live || lag > 0, 0
	case live || lag > 0:
		lag += by
	}
	t.usage.lag[b] = uint8(min(lag, math.MaxUint8))
	if live && by == 0 {
		t.usage.pointed.add(b, t.g.NBuckets)
	}
}

// unmarked counts the buckets that registration will find unmarked, once a new chain stands in the taken ones.
func (t *Tx) unmarked(newChain bool) (n int) {
	for b := t.g.FirstBucket; b < t.g.NBuckets; b++ {
		if t.Free(b) || t.given.has(b) && !t.taken.has(b) {
			n++
		}
	}
	if newChain {
		for _, l := range t.c.Chain.Links { // the new entry no longer leads to the old chain
			if l.Bucket < t.g.NBuckets && t.c.Buckets.Mark(l.Bucket) == inspect.Metadata {
				n++
			}
		}
	}
	return n
}

// reserve checks that the kernel finds enough unmarked buckets to fill its reserves at registration.
func (t *Tx) reserve() error {
	unmarked := t.unmarked(t.entry.PrioBucket[t.g.ThisDev] != t.c.Journal.Newest.PrioBucket[t.g.ThisDev])
	if need := t.least(); unmarked < need {
		return fmt.Errorf("%w: %d would be left, the kernel needs %d to start", ErrNoSpace, unmarked, need)
	}
	return nil
}

// oldest are n clean buckets that can be given up, or all if they are fewer: those with the oldest prios, in their order.
// They are counted first: of a large cache nearly all are clean.
func (t *Tx) oldest(n int) []ondisk.Bucket {
	clean := func(yield func(ondisk.Bucket) bool) {
		for b := t.g.FirstBucket; b < t.g.NBuckets; b++ {
			lag := int(max(t.usage.lag[b], t.c.Buckets.Lag(b)))
			if t.c.Buckets.Mark(b) == inspect.Clean && !t.given.has(b) && !t.taken.has(b) && lag < ondisk.GenLimit && !yield(b) {
				return
			}
		}
	}
	counts := make([]int, 1<<16)
	for b := range clean {
		counts[t.prios[b]]++
	}
	last, before := 0, 0 // the newest prio of which any are taken, and how many have older ones
	for last < len(counts)-1 && before+counts[last] < n {
		before += counts[last]
		last++
	}
	var out []ondisk.Bucket
	rest := n - before // of the newest
	for b := range clean {
		switch prio := int(t.prios[b]); {
		case prio < last:
		case prio == last && rest > 0:
			rest--
		default:
			continue
		}
		out = append(out, b)
	}
	slices.SortStableFunc(out, func(a, b ondisk.Bucket) int { return cmp.Compare(t.prios[a], t.prios[b]) })
	return out
}

// MakeRoom gives up clean buckets, the oldest prio first, until the kernel finds its reserve once a new chain is
// written. It is called before RewritePrios, and returns which it gave up. Where all that is clean is not enough, Commit
// says so. Errors: the context's.
func (t *Tx) MakeRoom() (given []ondisk.Bucket, err error) { return t.MakeRoomFor(0) }

// MakeRoomFor is MakeRoom for a transaction behind this one, which takes so many buckets besides.
func (t *Tx) MakeRoomFor(n int) (given []ondisk.Bucket, err error) {
	short := t.g.LargestReserve() + t.g.PrioBuckets() + n - t.unmarked(true)
	if short <= 0 {
		return nil, nil
	}
	if t.usage == nil {
		if err := t.scan(); err != nil {
			return nil, err
		}
	}
	given = t.oldest(short)
	for _, b := range given {
		t.GiveUp(b)
	}
	return given, nil
}
