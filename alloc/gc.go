// SPDX-License-Identifier: GPL-2.0-only

package alloc

// A window is the buckets that may be invalidated while gc runs, a bit each;
// nil where there is none.
type window []uint64

func (w window) has(i uint32) bool { return w != nil && w[i/64]>>(i%64)&1 != 0 }

func (w window) clear(i uint32) {
	if w != nil {
		w[i/64] &^= 1 << (i % 64)
	}
}

// GCStart is btree_gc_start(): from here to GCFinish the marks mean nothing,
// and nothing is invalidated, or, since 7.2, what could be when it began may go
// once. A bucket that somebody holds keeps its mark. While gc runs it does
// nothing.
func (c *Cache) GCStart() {
	if !c.gcMarkValid {
		return
	}
	if c.cfg.Model.GoesOnInGC {
		c.openWindow()
	}
	for i := c.cfg.FirstBucket; i < len(c.buckets); i++ {
		b := &c.buckets[i]
		b.lastGC = b.gen
		if b.pin == 0 {
			b.gcMark &= gcMove
		}
	}
	c.gcMarkValid = false
	c.lru.fresh = false
}

// openWindow finds what may be invalidated while gc runs.
func (c *Cache) openWindow() {
	if c.window == nil {
		c.window = make(window, (len(c.buckets)+63)/64)
	}
	for i := c.cfg.FirstBucket; i < len(c.buckets); i++ {
		if b := &c.buckets[i]; b.pin == 0 && b.mark() <= MarkReclaimable {
			c.window[i/64] |= 1 << (i % 64)
		}
	}
}

// Found is what gc finds in the buckets, by their numbers.
type Found struct {
	Live  []uint32 // sectors of data
	Dirty []uint32 // of these, not on the backing device
	Node  []bool   // holds a btree node
	Nodes int      // sectors of one
}

// in is what there is in a bucket.
func (f *Found) in(i int) (sectors int, m GCMark) {
	live := f.Live[i]
	switch {
	case f.Node[i]:
		return f.Nodes, MarkMetadata
	case live == 0:
		return 0, MarkFree
	case f.Dirty[i] > 0:
		return int(live), MarkDirty
	}
	return int(live), MarkReclaimable
}

// GCMark marks every bucket, between GCStart and GCFinish, as a walk through the btree does. What somebody holds keeps its
// mark unless it is dirty or metadata, and what it had used is added to.
func (c *Cache) GCMark(f *Found) {
	for i := c.cfg.FirstBucket; i < len(c.buckets); i++ {
		sectors, m := f.in(i)
		if m == MarkFree {
			continue
		}
		b := &c.buckets[i]
		if b.gcMark&^gcMove == 0 { // mostly
			b.gcMark |= uint16(min(sectors, maxSectorsUsed))<<2 | uint16(m)
			continue
		}
		if m > MarkReclaimable || b.mark() == MarkFree {
			b.setMark(m)
		}
		if m != MarkMetadata {
			sectors += b.used()
		}
		b.setUsed(min(sectors, maxSectorsUsed))
	}
	c.lru.fresh = false
}

// GCKeep is a garbage collection that finds everything as it was: every bucket
// keeps its mark and no stale pointer is left.
func (c *Cache) GCKeep() {
	for i := c.cfg.FirstBucket; i < len(c.buckets); i++ {
		c.buckets[i].lastGC = c.buckets[i].gen
	}
	c.GCFinish()
}

// GCFinish is bch_btree_gc_finish() and the end of bch_btree_gc(). Between
// GCStart and this the caller marks what it found with SetBucket.
func (c *Cache) GCFinish() {
	c.gcFinish()
	c.updateInUse()
	c.stats.GCs++
	c.wakeAllocator()
}

func (c *Cache) gcFinish() {
	c.gcMarkValid = true
	c.invalidateNeedsGC = false
	clear(c.window)
	c.lru.fresh = false

	// Slots never written hold 0, and so bucket 0 is marked as well.
	for _, list := range [...][]uint32{c.uuidBuckets, c.journalBuckets, c.prioBuckets, c.prioLast} {
		for _, i := range list {
			c.buckets[i].setMark(MarkMetadata)
		}
	}
	c.needGC, c.avail = 0, 0
	for i := c.cfg.FirstBucket; i < len(c.buckets); i++ {
		b := &c.buckets[i]
		c.needGC = max(c.needGC, b.gcGen())
		if b.pin == 0 && b.mark() <= MarkReclaimable {
			c.avail++
		}
	}
	c.stats.WorstGenDistance = max(c.stats.WorstGenDistance, c.needGC)
}

// initialGCFinish is bch_initial_gc_finish(). The allocator needs buckets to
// write prios and gens, and must write gens to free buckets: so the prio and
// btree reserves are filled with buckets that hold nothing, whose gens no
// pointer can depend on.
func (c *Cache) initialGCFinish() {
	c.gcFinish()
	c.settlePrios()
	prio, btree := &c.free[ReservePrio], &c.free[ReserveBtree]
	for i := c.cfg.FirstBucket; i < len(c.buckets) && !(prio.full() && btree.full()); i++ {
		b := &c.buckets[i]
		if !b.invalidatable() || b.mark() != MarkFree {
			continue
		}
		c.invalidateOne(uint32(i))
		r := c.pushReserve(uint32(i))
		c.trace(Event{Kind: EventInit, Bucket: uint32(i), Reserve: r})
	}
}

// NeedGC is need_gc: how far the farthest gen is from its oldest pointer.
func (c *Cache) NeedGC() int { return int(c.needGC) }

// GCMarkValid reports whether the marks may be relied on: no gc is running.
func (c *Cache) GCMarkValid() bool { return c.gcMarkValid }

// WantsGC reports whether the allocator can do nothing until gc has run.
func (c *Cache) WantsGC() bool {
	return c.state == StateWaitGC && !c.runnable && c.gcMarkValid
}

// AddUUIDBucket has gc mark bucket i as the uuids'.
func (c *Cache) AddUUIDBucket(i int) { c.uuidBuckets = append(c.uuidBuckets, uint32(i)) }

// AddJournalBucket has gc mark bucket i as the journal's.
func (c *Cache) AddJournalBucket(i int) { c.journalBuckets = append(c.journalBuckets, uint32(i)) }
