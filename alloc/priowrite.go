// SPDX-License-Identifier: GPL-2.0-only

package alloc

// A PrioWriter puts prio sets on disk. One set takes as many slots as there
// are prio_sets for all buckets, one bucket each; a set counts once the
// journal points to it.
//
// Slots are written from the last to the first, because each one carries the
// number of the next one's bucket. The methods speak of nothing that package
// alloc defines, so that what knows the disk need not know the allocator.
type PrioWriter interface {
	// Pack takes the image of a slot: entry(i) of each bucket lo <= i < hi, as
	// it is now. The bucket the slot goes to is taken only after this, and the
	// image shows it as it was before. next is the bucket of the slot behind,
	// or, for the last slot, the first bucket of the set before; 0 for none.
	Pack(seq uint64, slot, lo, hi int, entry func(i int) (prio uint16, gen uint8), next int)
	// Write writes what was packed last.
	Write(slot, bucket int) error
	// Journal writes the journal entry that makes the set current: it names
	// buckets[0]. The old set's buckets are given back after it returns.
	Journal(seq uint64, buckets []uint32) error
}

// PrioCounter is a PrioWriter that stores nothing.
type PrioCounter struct{ Sets, Slots uint64 }

// Pack does nothing.
func (*PrioCounter) Pack(uint64, int, int, int, func(int) (uint16, uint8), int) {}

// Write counts a slot.
func (p *PrioCounter) Write(int, int) error { p.Slots++; return nil }

// Journal counts a set.
func (p *PrioCounter) Journal(uint64, []uint32) error { p.Sets++; return nil }

// PrioWrite is a call of bch_prio_write().
type PrioWrite struct {
	Wait    bool
	slow    bool // ends only when somebody says so
	writing bool // all is taken, and slow
	begun   bool
	packed  bool // slot's image is taken
	slot    int
	alloc   BucketAlloc
}

// Run is described at Op.
func (p *PrioWrite) Run(c *Cache) Status {
	if !p.begun {
		if !p.Wait && !c.enoughForPrios() {
			return Failed
		}
		p.begun = true
		c.prioSeq++
		p.slot = len(c.prioBuckets) - 1
	}
	for p.slot >= 0 {
		if st := p.writeSlot(c); st != Done {
			return st
		}
		p.slot--
	}
	if p.slow {
		p.writing = true
		return Asleep
	}
	c.finishPrioWrite()
	return Done
}

// enoughForPrios is the precheck of a prio write that may not wait: better to
// fail before the first bucket is taken.
func (c *Cache) enoughForPrios() bool {
	need := uint32(len(c.prioBuckets))
	avail := c.free[ReservePrio].used() + c.free[ReserveNone].used()
	if need <= avail {
		return true
	}
	c.stats.PrioFailed++
	c.trace(Event{Kind: EventPrioNoMem, N: uint64(need), M: uint64(avail)})
	return false
}

func (p *PrioWrite) writeSlot(c *Cache) Status {
	if !p.packed {
		if w := c.cfg.Prios; w != nil {
			first, n := c.geo.PrioSpan(p.slot)
			w.Pack(c.prioSeq, p.slot, int(first), int(first)+n, c.prioEntry, c.prioNext(p.slot))
		}
		p.packed = true
		p.alloc = BucketAlloc{Reserve: ReservePrio, Wait: p.Wait}
	}
	switch p.alloc.Run(c) {
	case Asleep:
		return Asleep
	case Failed: // the precheck counted them; only IO_DISABLE gets here
		c.bug("no bucket for prio slot %d", p.slot)
		return Failed
	case Done:
	}
	b := p.alloc.Bucket
	if w := c.cfg.Prios; w != nil {
		if err := w.Write(p.slot, int(b)); err != nil {
			c.fail(err)
			return Failed
		}
	}
	c.prioBuckets[p.slot] = b
	c.unpin(b) // the gc mark protects it from now on
	p.packed = false
	return Done
}

// prioNext is next_bucket of a slot: prio_last_buckets lies behind
// prio_buckets in one array, and the kernel reads one past the end.
func (c *Cache) prioNext(slot int) int {
	if slot+1 < len(c.prioBuckets) {
		return int(c.prioBuckets[slot+1])
	}
	return int(c.prioLast[0])
}

// finishPrioWrite journals the set, and only then lets go of the old one: until
// then a crash goes back to it.
func (c *Cache) finishPrioWrite() {
	if w := c.cfg.Prios; w != nil {
		if err := w.Journal(c.prioSeq, c.prioBuckets); err != nil {
			c.fail(err)
			return
		}
	}
	for i, old := range c.prioLast {
		if old != 0 {
			c.trace(Event{Kind: EventPrioFree, Bucket: old})
			c.bucketFree(old)
		}
		c.prioLast[i] = c.prioBuckets[i]
	}
	c.stats.PrioWrites++
	c.trace(Event{Kind: EventPrioWrite, N: c.prioSeq})
}

// SetPrioBucket records that slot's prios are in bucket b, as prio_read() does
// at registration.
func (c *Cache) SetPrioBucket(slot, b int) {
	c.prioBuckets[slot] = uint32(b)
	c.prioLast[slot] = uint32(b)
}

// SetPrioSeq sets the seq of the newest prio set on disk.
func (c *Cache) SetPrioSeq(seq uint64) { c.prioSeq = seq }

// PrioSlots is prio_buckets(): how many buckets one set of prios takes.
func (c *Cache) PrioSlots() int { return len(c.prioBuckets) }
