// SPDX-License-Identifier: GPL-2.0-only

package alloc

// invalidateBuckets is invalidate_buckets(): fill free_inc with buckets whose
// gens have been counted up, or ask for gc.
func (c *Cache) invalidateBuckets() {
	if c.mustWaitForGC() {
		c.bug("invalidating without valid gc marks")
	}
	c.settlePrios()
	switch c.cfg.Policy {
	case LRU:
		c.invalidateLRU()
	case FIFO:
		c.invalidateFIFO()
	case Random:
		c.invalidateRandom()
	case Clock:
		c.invalidateClock()
	}
}

// needsGC stops the allocator from invalidating until gc has run.
func (c *Cache) needsGC() {
	c.invalidateNeedsGC = true
	c.wakeGC()
}

// invalidateFIFO is invalidate_buckets_fifo(). It gives up by count, and on
// the last bucket it may look at even if that one has filled the list.
func (c *Cache) invalidateFIFO() {
	first, n := uint32(c.cfg.FirstBucket), uint32(c.cfg.NBuckets)
	for checked := uint32(0); !c.freeInc.full(); {
		if c.fifoLast < first || c.fifoLast >= n {
			c.fifoLast = first
		}
		i := c.fifoLast
		c.fifoLast++
		if c.invalidatable(i) {
			c.invalidateOne(i)
			c.freeInc.push(i)
		}
		if checked++; checked >= n {
			c.needsGC()
			return
		}
	}
}

// invalidateRandom is invalidate_buckets_random(). See invalidateFIFO for how
// it gives up.
func (c *Cache) invalidateRandom() {
	n := uint64(c.cfg.NBuckets)
	var drawn [32]uint32
	for checked := uint64(0); !c.freeInc.full(); {
		// Each draw fills at most one place, so these will all be made. A
		// processor fetches many buckets at a time if it is told of them.
		some := drawn[:min(uint64(len(drawn)), uint64(c.freeInc.size-c.freeInc.used()), n/2-checked)]
		c.draw(some)
		for _, i := range some {
			if c.invalidatable(i) {
				c.invalidateOne(i)
				c.freeInc.push(i)
			}
		}
		if checked += uint64(len(some)); checked >= n/2 {
			c.needsGC()
			return
		}
	}
}

// invalidateClock is fifo with a second chance, after the proposal's
// description: a bucket that was used since the hand came by last is spared
// once, its prio taken away. Twice round, and every one has had its chance.
func (c *Cache) invalidateClock() {
	first, n := uint32(c.cfg.FirstBucket), uint32(c.cfg.NBuckets)
	for checked := uint32(0); !c.freeInc.full(); {
		if c.fifoLast < first || c.fifoLast >= n {
			c.fifoLast = first
		}
		i := c.fifoLast
		c.fifoLast++
		if b := &c.buckets[i]; c.invalidatable(i) {
			if b.prio != 0 && b.used() != 0 {
				b.prio = 0
			} else {
				c.invalidateOne(i)
				c.freeInc.push(i)
			}
		}
		if checked++; checked >= 2*n {
			c.needsGC()
			return
		}
	}
}

// draw draws buckets, and has them fetched.
func (c *Cache) draw(drawn []uint32) {
	c.stats.RandomDraws += uint64(len(drawn))
	first, n := uint64(c.cfg.FirstBucket), uint64(c.cfg.NBuckets)
	gens := uint8(0)
	for j := range drawn {
		i := uint32(c.rng.Next()%(n-first) + first)
		drawn[j] = i
		gens |= c.buckets[i].gen
	}
	c.fetched = gens // or the compiler would fetch nothing
}

// invalidateLRU is invalidate_buckets_lru(): the eight times unit lightest
// buckets on a heap, the lightest of those on free_inc. They leave the heap
// first and are invalidated then: the one does not depend on the other, and a
// processor fetches many buckets at a time.
func (c *Cache) invalidateLRU() {
	c.collectLightest()
	c.heap.makeMin()
	from := c.freeInc.back
	for !c.freeInc.full() && c.heap.n > 0 {
		c.freeInc.push(c.heap.popMin())
	}
	for at := from; at != c.freeInc.back; {
		some := min(c.freeInc.back-at, 32)
		gens := uint8(0)
		for i := range some {
			gens |= c.buckets[*c.freeInc.at(at + i)].gen
		}
		c.fetched = gens
		for i := range some {
			c.invalidateOne(*c.freeInc.at(at + i))
		}
		at += some
	}
	if !c.freeInc.full() {
		c.needsGC()
	}
}

// SplitMix64 is the generator that stands for get_random_bytes().
type SplitMix64 uint64

// Next returns the next output.
func (s *SplitMix64) Next() uint64 {
	*s += 0x9e3779b97f4a7c15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
