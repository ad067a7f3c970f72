// SPDX-License-Identifier: GPL-2.0-only

package alloc

// A State is what the allocator thread is doing between two steps.
type State uint8

// A running allocator sleeps in one of four waits.
const (
	StateNone       State = iota // not started
	StateReady                   // started or woken, not run yet
	StateWaitPush                // holds a bucket and every free list is full
	StateWaitGC                  // found too little to invalidate
	StateWaitPrio                // prio_blocked: btree nodes are being rewritten
	StateWaitBucket              // 4.6: its own prio write waits for a bucket
	StateWaitIO                  // with SlowPrios: its prio write is under way
	StateExited                  // saw CACHE_SET_IO_DISABLE
	stateNR
)

// A place is where in bch_allocator_thread() the thread goes on.
type place uint8

const (
	atPop place = iota
	atPush
	atInvalidate // retry_invalidate
	atPrioBlocked
	atPrioWrite // 4.6, or with SlowPrios: in the middle of bch_prio_write()
)

// State returns what the allocator thread does, and the bucket in its hand, or
// -1. A bucket in hand is on no list.
func (c *Cache) State() (s State, hand int) {
	if c.runnable {
		return StateReady, int(c.hand)
	}
	return c.state, int(c.hand)
}

// startAllocator is bch_cache_allocator_start().
func (c *Cache) startAllocator() {
	c.state = StateReady
	c.at = atPop
	c.runnable = true
}

// wakeAllocator is wake_up_process(ca->alloc_thread). A thread that runs has
// nothing to wake up from; one that has left stays away.
func (c *Cache) wakeAllocator() {
	if !c.running && c.state != StateNone && c.state != StateExited {
		c.runnable = true
	}
}

// sleep is the end of allocator_wait() with a false condition.
func (c *Cache) sleep(s State) {
	if c.ioDisabled && s != StateWaitBucket {
		s = StateExited
	}
	c.state = s
	c.stats.Waits[s]++
	if c.tracer != nil {
		c.trace(Event{Kind: EventWait})
	}
}

// runAllocator is bch_allocator_thread() from where it slept to where it
// sleeps next.
func (c *Cache) runAllocator() {
	c.runnable = false
	c.running = true
	for c.err == nil {
		wait := c.allocatorStep()
		if wait != StateReady {
			c.sleep(wait)
			break
		}
	}
	c.running = false
}

// allocatorStep goes on from c.at to the next place, or says what it waits for.
func (c *Cache) allocatorStep() State {
	switch c.at {
	case atPop, atPush:
		return c.handOut()

	case atInvalidate:
		if c.mustWaitForGC() {
			return StateWaitGC
		}
		c.invalidateBuckets()
		c.at = atPrioBlocked

	case atPrioBlocked:
		if c.prioBlocked > 0 {
			return StateWaitPrio
		}
		c.at = c.afterInvalidate()

	case atPrioWrite:
		switch st := c.ownWrite.Run(c); {
		case st == Asleep && c.ownWrite.writing:
			return StateWaitIO
		case st == Asleep:
			return StateWaitBucket
		case st == Failed:
			c.prioWriteFailed()
		}
		c.at = atPop
	}
	return StateReady
}

// mustWaitForGC is the condition of the allocator's wait for gc.
func (c *Cache) mustWaitForGC() bool {
	return c.invalidateNeedsGC || !c.gcMarkValid && !c.cfg.Model.GoesOnInGC
}

// handOut moves buckets from free_inc to the free lists, until there are no more or no list takes the one in hand.
func (c *Cache) handOut() State {
	for c.at == atPush || c.popFreeInc() {
		if !c.push(uint32(c.hand)) {
			return StateWaitPush
		}
		c.hand, c.at = -1, atPop
		for _, s := range c.sleepers {
			s.woken = true // wake_up(&bucket_wait)
		}
	}
	c.at = atInvalidate
	return StateReady
}

// popFreeInc takes the next bucket in hand.
func (c *Cache) popFreeInc() bool {
	b, ok := c.freeInc.pop()
	if !ok {
		return false
	}
	c.hand, c.at = int64(b), atPush
	if c.cfg.Discard && !c.cfg.Model.NoDiscard {
		c.stats.Discards++
		c.trace(Event{Kind: EventDiscard, Bucket: b})
	}
	return true
}

// afterInvalidate writes the gens of what was invalidated, if they have to be
// on disk before the buckets may be used, and says where to go on.
func (c *Cache) afterInvalidate() place {
	if !c.cfg.Sync {
		return atPop
	}
	if !c.freeInc.full() {
		return atInvalidate // not worth a prio write: nothing moves
	}
	if c.cfg.SampleOf > 0 && !c.sampleWritesPrios() {
		return atPop
	}
	if c.cfg.Model.PrioWriteWaits || c.cfg.SlowPrios {
		c.ownWrite = PrioWrite{Wait: c.cfg.Model.PrioWriteWaits, slow: c.cfg.SlowPrios}
		return atPrioWrite
	}
	w := PrioWrite{}
	if w.Run(c) == Failed {
		c.prioWriteFailed()
	}
	return atPop
}

// prioWriteFailed asks for gc. The buckets move all the same, their gens
// unwritten.
func (c *Cache) prioWriteFailed() {
	c.invalidateNeedsGC = true
	c.wakeGC()
}

// WritingPrios reports whether a prio write waits for PriosWritten.
func (c *Cache) WritingPrios() bool { return c.state == StateWaitIO && c.ownWrite.writing }

// PriosWritten ends the allocator's prio write, of a device with SlowPrios.
func (c *Cache) PriosWritten() {
	if c.WritingPrios() {
		c.ownWrite.slow, c.ownWrite.writing = false, false
		c.wakeAllocator()
	}
}

// push is bch_allocator_push(): prios and gens first, they are what lets
// buckets become free at all.
func (c *Cache) push(b uint32) bool {
	r := ReserveNone
	if c.lacking > 0 {
		r = c.pushReserve(b)
	} else if !c.free[r].push(b) {
		return false
	}
	if c.tracer != nil {
		c.trace(Event{Kind: EventMove, Bucket: b, Reserve: r})
	}
	return true
}

// pushReserve puts b on the list for prios, btree nodes or moving gc, of which
// one lacks buckets.
func (c *Cache) pushReserve(b uint32) (r Reserve) {
	c.lacking--
	if c.free[ReservePrio].push(b) {
		return ReservePrio
	}
	for r = ReserveBtree; !c.free[r].push(b); r++ {
	}
	return r
}

// wakeGC is wake_up_gc().
func (c *Cache) wakeGC() {
	c.stats.GCWakes++
	c.trace(Event{Kind: EventWakeGC})
}
