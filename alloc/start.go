// SPDX-License-Identifier: GPL-2.0-only

package alloc

import (
	"fmt"

	"bctl/superblock"
)

// StartFresh is how run_cache_set() brings up a device that make-bcache has
// just formatted: journal buckets, first gc, the allocator, then a first set
// of prios. It needs Sync off, as there. If the prios cannot be written at
// once they are by the next Run.
func (c *Cache) StartFresh() error {
	if err := c.PrepareFresh(); err != nil {
		return err
	}
	c.Begin(&PrioWrite{Wait: true})
	return c.err
}

// PrepareFresh is StartFresh but for the first prio write, which the caller
// makes: a PrioWrite that waits.
func (c *Cache) PrepareFresh() error {
	n := superblock.JournalCount(uint64(c.cfg.NBuckets))
	switch {
	case c.state != StateNone:
		return fmt.Errorf("%w: already started", ErrConfig)
	case c.cfg.Sync:
		return fmt.Errorf("%w: a fresh device starts with sync off", ErrConfig)
	case c.cfg.FirstBucket+n > c.cfg.NBuckets:
		return fmt.Errorf("%w: no room for %d journal buckets", ErrConfig, n)
	}
	for i := range n {
		c.AddJournalBucket(c.cfg.FirstBucket + i)
	}
	c.initialGCFinish()
	c.startAllocator()
	return nil
}

// StartExisting is how run_cache_set() brings up a device whose buckets have
// been set from its prios and its btree.
func (c *Cache) StartExisting() error {
	if c.state != StateNone {
		return fmt.Errorf("%w: already started", ErrConfig)
	}
	c.initialGCFinish()
	c.startAllocator()
	return nil
}

// StartBare starts the allocator alone, with empty reserves.
func (c *Cache) StartBare() error {
	if c.state != StateNone {
		return fmt.Errorf("%w: already started", ErrConfig)
	}
	c.gcMarkValid = true
	c.startAllocator()
	return nil
}
