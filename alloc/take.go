// SPDX-License-Identifier: GPL-2.0-only

package alloc

// status is how far an op came.
type status uint8

const (
	done   status = iota
	failed        // and will not be tried again
	asleep        // in bch_bucket_alloc(), until the allocator has pushed a bucket
)

// A sleeper is an op on the bucket_wait queue.
type sleeper struct {
	op    op
	woken bool
}

// An op is something that may sleep for a bucket. Each call of run goes on
// where the last one stopped.
type op interface{ run(c *Cache) status }

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
	b.setUsed(c.cfg.BucketSize)
	if r <= ReservePrio {
		b.setMark(MarkMetadata)
		b.prio = btreePrio
	} else {
		b.setMark(MarkReclaimable)
		b.prio = initialPrio
	}
	if c.cfg.Model.CountsAvail && c.avail > 0 {
		c.avail--
		c.updateInUse()
	}
	return i, true
}

// bucketAlloc is a call of bch_bucket_alloc().
type bucketAlloc struct {
	reserve Reserve
	wait    bool
	slept   bool
	bucket  uint32 // once done
}

func (a *bucketAlloc) run(c *Cache) status {
	if !a.slept && c.ioDisabled {
		return failed
	}
	b, ok := c.take(a.reserve)
	if ok {
		a.bucket = b
		return done
	}
	if !a.wait {
		c.stats.TakeFails[a.reserve]++
		c.trace(Event{Kind: EventTakeFail, Reserve: a.reserve})
		return failed
	}
	a.slept = true
	return asleep
}

// Alloc is bch_bucket_alloc() for a caller that may not wait. The bucket comes
// with one pin.
func (c *Cache) Alloc(r Reserve) (bucket int, ok bool) {
	a := bucketAlloc{reserve: r}
	st := a.run(c)
	return int(a.bucket), st == done
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
