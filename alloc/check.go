// SPDX-License-Identifier: GPL-2.0-only

package alloc

import (
	"errors"
	"fmt"
)

// ErrInvariant marks what Check finds.
var ErrInvariant = errors.New("allocator invariant broken")

// Listed returns where each bucket is that waits for use, by name.
func (c *Cache) Listed() map[uint32]string {
	on, _ := c.lists()
	return on
}

// lists is Listed, and the first bucket that is in two places.
func (c *Cache) lists() (on map[uint32]string, err error) {
	on = map[uint32]string{}
	put := func(where string, list ...uint32) {
		for _, b := range list {
			if was, ok := on[b]; ok && err == nil {
				err = fmt.Errorf("%w: bucket %d on %s and %s", ErrInvariant, b, was, where)
			}
			on[b] = where
		}
	}
	for r := range c.free {
		put(fmt.Sprintf("free[%s]", Reserve(r)), c.free[r].appendTo(nil)...)
	}
	put("free_inc", c.freeInc.appendTo(nil)...)
	if c.hand >= 0 {
		put("the allocator's hand", uint32(c.hand))
	}
	return on, err
}

// Check looks at every bucket and reports the first rule that is broken: on
// one list at most, and with one pin if on any; gen no farther than 96 from
// the oldest pointer; unpinned unless somebody asked for it. It holds at any
// moment between calls, as long as the caller changed no gens by hand.
func (c *Cache) Check() error {
	if c.err != nil {
		return c.err
	}
	on, err := c.lists()
	if err != nil {
		return err
	}
	for b, where := range on {
		if n := c.pins(b); n != 1 {
			return fmt.Errorf("%w: bucket %d on %s with %d pins", ErrInvariant, b, where, n)
		}
	}
	for i := c.cfg.FirstBucket; i < len(c.buckets); i++ {
		b := &c.buckets[i]
		if b.gcGen() > genLimit {
			return fmt.Errorf("%w: bucket %d: gen %d, oldest pointer %d", ErrInvariant, i, b.gen, b.lastGC)
		}
		if c.lru.fresh && c.lru.key[i] != c.keyOf(uint32(i)) {
			return fmt.Errorf("%w: bucket %d: weight out of step", ErrInvariant, i)
		}
	}
	return nil
}
