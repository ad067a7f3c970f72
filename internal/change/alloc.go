// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"fmt"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
)

// usage is what all keys on the device say of the free buckets: those of the newest bset and of the oldest, dead
// ones too, for a key that is dead now comes back to life where a newer bset is lost.
type usage struct {
	pointed []bool  // by a key that is not stale
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
	for b := t.g.FirstBucket; b < t.g.NBuckets && len(got) < n; b++ {
		if t.free(b) && !t.usage.pointed[b] && t.usage.lag[b] < ondisk.GenLimit {
			got = append(got, b)
		}
	}
	if len(got) < n {
		return nil, fmt.Errorf("%w: %d to write to, %d are needed", ErrNoSpace, len(got), n)
	}
	for _, b := range got {
		t.taken[b] = true
		t.gens[b] = t.Gen(b) + 1
		t.prios[b] = ondisk.BtreePrio
	}
	return got, nil
}

func (t *Tx) free(b ondisk.Bucket) bool {
	return t.c.Buckets.Mark(b) == inspect.Free && !t.taken[b]
}

func (t *Tx) scan() error {
	t.usage = &usage{make([]bool, t.g.NBuckets), make([]uint8, t.g.NBuckets)}
	for _, l := range t.c.Chain.Links {
		t.usage.pointed[l.Bucket] = true
	}
	return t.c.EveryPointer(func(p ondisk.Ptr) {
		b := t.g.BucketOf(p.Offset())
		if !p.Available() || b >= t.g.NBuckets {
			return
		}
		if stale := ondisk.GenAfter(t.Gen(b), p.Gen()); stale > 0 {
			t.usage.lag[b] = max(t.usage.lag[b], stale)
		} else {
			t.usage.pointed[b] = true
		}
	})
}

// reserve checks that the kernel finds enough unmarked buckets to fill its reserves at registration.
func (t *Tx) reserve() error {
	unmarked := 0
	for b := t.g.FirstBucket; b < t.g.NBuckets; b++ {
		if t.free(b) {
			unmarked++
		}
	}
	if t.entry.PrioBucket[t.g.ThisDev] != t.c.Journal.Newest.PrioBucket[t.g.ThisDev] {
		for _, l := range t.c.Chain.Links { // the new entry no longer leads to the old chain
			if t.c.Buckets.Mark(l.Bucket) == inspect.Metadata {
				unmarked++
			}
		}
	}
	if need := t.g.LargestReserve(); unmarked < need {
		return fmt.Errorf("%w: %d would be left, the kernel needs %d to start", ErrNoSpace, unmarked, need)
	}
	return nil
}
