// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"cmp"
	"fmt"
	"sort"
	"sync"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
)

// A Risk is data that a changed gen would lose, or bring back.
type Risk struct {
	Bucket        ondisk.Bucket
	Why           string
	Inode         uint32
	Offset, Count ondisk.Sector

	idle bool // nothing is lost: it would have no effect
}

// Risks looks for what the gens set with SetGen would do: stale pointers that come back to life or fall behind
// further than the kernel bears, live dirty extents and metadata that become stale, and gens behind a pointer, which
// registration would raise again. It is called before Allocate. Errors: the context's.
func Risks(tx *change.Tx) (risks []Risk, err error) {
	c := tx.Cache()
	var mu sync.Mutex
	add := func(r Risk) {
		mu.Lock()
		defer mu.Unlock()
		risks = append(risks, r)
	}
	for b := range c.Geo.NBuckets {
		if tx.Gen(b) != c.Buckets.Gen(b) && c.Buckets.Mark(b) == inspect.Metadata {
			add(Risk{Bucket: b, Why: "the bucket holds metadata: " + c.Buckets.Owner(b)})
		}
	}
	err = c.Walk(func(_ int, e *inspect.Extent) {
		for _, p := range e.Ptr[:e.Ptrs()] {
			b := c.Geo.BucketOf(p.Offset())
			if !p.Available() || b >= c.Geo.NBuckets || tx.Gen(b) == c.Buckets.Gen(b) {
				continue
			}
			lag := ondisk.GenAfter(tx.Gen(b), p.Gen())
			stale := lag > 0
			r := Risk{Bucket: b, Inode: e.Inode(), Offset: e.Start(), Count: e.Size()}
			switch {
			case e.Stale > 0 && !stale:
				r.Why = "a stale pointer would come back to life"
				add(r)
			case e.Live && e.Dirty() && stale:
				r.Why = "live dirty data would be lost"
				add(r)
			case lag > ondisk.GenLimit:
				r.Why = "a pointer would be too far behind, and the kernel would complain of it"
				add(r)
			case !stale && tx.Gen(b) != p.Gen():
				r.Why, r.idle = fmt.Sprintf("gen %d is behind a pointer, which has %d: registration would take that", tx.Gen(b), p.Gen()), true
				add(r)
			}
		}
	})
	last := map[bool]int{true: 1}
	sort.Slice(risks, func(i, j int) bool {
		a, b := &risks[i], &risks[j]
		return 0 > cmp.Or(cmp.Compare(a.Bucket, b.Bucket), last[a.idle]-last[b.idle], cmp.Compare(a.Inode, b.Inode), cmp.Compare(a.Offset, b.Offset))
	})
	return risks, err
}
