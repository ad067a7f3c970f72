// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"cmp"
	"fmt"
	"slices"

	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
)

// findRoom lists the buckets that may be written while the old state must still stand: free, led to by no key that is
// not stale, and no node that keys were taken from. Buckets that were never used come first. It returns what hands
// them out. Errors: change.ErrNoSpace where the kernel would not find its reserve afterwards; the context's.
func (w *Work) findRoom(h *harvest) (func() (ondisk.Bucket, bool), error) {
	c, g := h.c, &h.c.Geo
	used := make([]bool, g.NBuckets)
	for _, l := range c.Chain.Links {
		if l.Bucket < g.NBuckets {
			used[l.Bucket] = true
		}
	}
	for b := range w.node {
		used[b] = true
	}
	note := func(p ondisk.Ptr) {
		if b := g.BucketOf(p.Offset()); p.Available() && b < g.NBuckets && ondisk.GenAfter(h.gens[b], p.Gen()) == 0 {
			used[b] = true
		}
	}
	if err := c.EveryPointer(note); err != nil {
		return nil, err
	}
	count := len(h.found)
	var k ondisk.Bkey
	for _, p := range h.found {
		h.keys.Key(p, &k)
		note(k.Ptr[0])
	}
	var free []ondisk.Bucket
	for b := g.FirstBucket + ondisk.Bucket(g.NJournal); b < g.NBuckets; b++ {
		if !used[b] && c.Buckets.Mark(b) == inspect.Free {
			free = append(free, b)
		}
	}
	rank := func(b ondisk.Bucket) int { return int(c.Buckets.Prio(b))<<8 | int(c.Buckets.Gen(b)) }
	slices.SortStableFunc(free, func(a, b ondisk.Bucket) int { return cmp.Compare(rank(a), rank(b)) })
	per := max(1, int(g.NodeSectors.Bytes())*3/4/24)
	need := g.PrioBuckets() + 1 + count/per + count/per/per + 2
	after := h.makeRoom(int(g.NBuckets-g.FirstBucket) - g.NJournal - need)
	if len(free) < need || after < g.Reserve() {
		return nil, fmt.Errorf("%w: %d to write to, %d are needed; %d would be left, the kernel needs %d to start",
			change.ErrNoSpace, len(free), need, after, g.Reserve())
	}
	next := 0
	return func() (ondisk.Bucket, bool) {
		if next == len(free) {
			return 0, false
		}
		next++
		return free[next-1], true
	}, nil
}

// makeRoom gives up the clean data of the buckets that were longest unused, until the kernel finds its reserve among
// the buckets that are left: of all of them, less those with live data. It returns how many that are.
func (h *harvest) makeRoom(all int) (left int) {
	g, t := &h.c.Geo, h.c.Buckets
	live := map[ondisk.Bucket]bool{} // true: dirty
	var k ondisk.Bkey
	for _, p := range h.found {
		h.keys.Key(p, &k)
		if !h.stale(&k) {
			b := g.BucketOf(k.Ptr[0].Offset())
			live[b] = live[b] || k.Dirty()
		}
	}
	if all-len(live) >= g.Reserve() {
		return all - len(live)
	}
	var clean []ondisk.Bucket
	for b, dirty := range live {
		if !dirty {
			clean = append(clean, b)
		}
	}
	slices.SortFunc(clean, func(a, b ondisk.Bucket) int { return cmp.Or(cmp.Compare(t.Prio(a), t.Prio(b)), cmp.Compare(a, b)) })
	gone := map[ondisk.Bucket]bool{}
	for _, b := range clean[:min(len(clean), g.Reserve()-(all-len(live)))] {
		gone[b] = true
	}
	h.found = slices.DeleteFunc(h.found, func(p btree.Piece) bool {
		h.keys.Key(p, &k)
		return gone[g.BucketOf(k.Ptr[0].Offset())]
	})
	h.w.saw("too few free buckets: the clean data of %d are given up, oldest first", len(gone))
	return all - len(live) + len(gone)
}
