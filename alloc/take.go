// SPDX-License-Identifier: GPL-2.0-only

package alloc

// A Status is how far an op came.
type Status uint8

// Which of them an op's Run can return.
const (
	Done   Status = iota
	Failed        // and will not be tried again
	Asleep        // in bch_bucket_alloc(), until the allocator has pushed a bucket
)

// An Op is something that may sleep for a bucket. Each call of Run goes on
// where the last one stopped; Cache.Begin makes the first, Cache.Step the
// others.
type Op interface{ Run(c *Cache) Status }

// A Sleeper is an op on the bucket_wait queue.
type Sleeper struct {
	op    Op
	woken bool
}

// take is the part of bch_bucket_alloc() that finds a bucket: the list for
// everyone first, whoever asks, then the asker's own reserve.
func (c *Cache) take(r Reserve) (uint32, bool) {
	from := ReserveNone
	i, ok := c.free[ReserveNone].pop()
	if !ok {
		from = r
		if i, ok = c.free[r].pop(); !ok {
			return 0, false
		}
		if r != ReserveNone {
			c.lacking++
		}
	}
	c.wakeAllocator()
	c.stats.Taken++
	if c.tracer != nil {
		c.trace(Event{Kind: EventTake, Bucket: i, Reserve: from})
	}
	b := &c.buckets[i]
	if b.pin != 1 {
		c.bug("bucket %d: taken with %d pins", i, c.pins(i))
	}
	mark, prio := MarkReclaimable, uint16(initialPrio)
	if r <= ReservePrio {
		mark, prio = MarkMetadata, btreePrio
	}
	b.prio, b.gcMark = prio, uint16(c.cfg.BucketSize&maxSectorsUsed)<<2|uint16(mark)
	if c.cfg.Model.CountsAvail && c.avail > 0 {
		c.avail--
		c.updateInUse()
	}
	return i, true
}

// BucketAlloc is a call of bch_bucket_alloc(). The bucket comes with one pin.
type BucketAlloc struct {
	Reserve Reserve
	Wait    bool
	Bucket  uint32 // once done
	slept   bool
}

// Run is described at Op.
func (a *BucketAlloc) Run(c *Cache) Status {
	if !a.slept && c.ioDisabled {
		return Failed
	}
	b, ok := c.take(a.Reserve)
	if ok {
		a.Bucket = b
		return Done
	}
	if !a.Wait {
		c.stats.TakeFails[a.Reserve]++
		c.trace(Event{Kind: EventTakeFail, Reserve: a.Reserve})
		return Failed
	}
	a.slept = true
	return Asleep
}

// Alloc is bch_bucket_alloc() for a caller that may not wait. The bucket comes
// with one pin.
func (c *Cache) Alloc(r Reserve) (bucket int, ok bool) {
	if !c.ioDisabled {
		if b, ok := c.take(r); ok {
			return int(b), true
		}
	}
	a := BucketAlloc{Reserve: r}
	st := a.Run(c) // fails, and is counted
	return int(a.Bucket), st == Done
}

// Free is __bch_bucket_free(): gc may find bucket i unused from now on. Gen,
// prio and pin stay, nobody is woken, and the bucket goes on no list.
func (c *Cache) Free(i int) { c.bucketFree(uint32(i)) }

func (c *Cache) bucketFree(i uint32) {
	b := &c.buckets[i]
	b.setMark(MarkFree)
	b.setUsed(0)
	c.changed(i)
	if c.cfg.Model.CountsAvail && c.avail < c.cfg.NBuckets {
		c.avail++
		c.updateInUse()
	}
}

// updateInUse is bch_update_bucket_in_use(), the division put off to InUse.
func (c *Cache) updateInUse() { c.availSeen = c.avail }

// InUse is gc_stats.in_use: the percentage of buckets gc could not give back.
func (c *Cache) InUse() int {
	return (c.cfg.NBuckets - c.availSeen) * 100 / c.cfg.NBuckets
}

// InUseAbove is InUse() > percent without the division.
func (c *Cache) InUseAbove(percent int) bool {
	return (c.cfg.NBuckets-c.availSeen)*100 >= (percent+1)*c.cfg.NBuckets
}

// Avail is avail_nbuckets: unpinned buckets that are free or reclaimable.
func (c *Cache) Avail() int { return c.avail }
