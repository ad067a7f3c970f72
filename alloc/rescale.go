// SPDX-License-Identifier: GPL-2.0-only

package alloc

// Rescale is bch_rescale_priorities(): every nbuckets * bucket_size / 1024
// sectors of traffic, every prio goes down by one. It returns the counter.
//
// It adds to the counter once a call at most, so that after a big request the
// counter stays negative and the next calls rescale too.
func (c *Cache) Rescale(sectors int32) (left int32) {
	c.rescale -= sectors
	if c.rescale < 0 {
		c.rescale += int32(int64(c.cfg.NBuckets) * int64(c.cfg.BucketSize) / 1024)
		c.rescalePriorities()
	}
	return c.rescale
}

// ages is what rescales have left for later. Prios are compared only when
// buckets are chosen, and many rescales come in between: those are counted here,
// and made good in one pass. Until then the prio of a bucket that nobody holds
// is what it was when it last changed, plus the rescales pending then.
type ages struct {
	pending uint16 // rescales
	lost    uint16 // the lowest prio, right after the last of them, of buckets that have changed since
	always  bool   // some prio is above that of a bucket just used: nothing is put off
}

const mostPending = 30000 // with initialPrio they fit 16 bits, and are not btreePrio

// MinPrio is min_prio: the lowest prio that the last rescale counted down to.
// It is 0 before the first, and 65535 if that one found nothing to count.
func (c *Cache) MinPrio() int {
	c.settlePrios()
	return int(c.minPrio)
}

func (c *Cache) rescalePriorities() {
	c.ages.pending++
	c.ages.lost = 1<<16 - 1
	if c.ages.always || c.ages.pending == mostPending {
		c.settlePrios()
	}
	c.lru.fresh = false
}

// settlePrios makes good the rescales that are pending.
func (c *Cache) settlePrios() {
	a := &c.ages
	if a.pending == 0 {
		return
	}
	low := min(countDown(c.buckets[c.cfg.FirstBucket:], a.pending), a.lost)
	if low == initialPrio && !a.always {
		low = 1<<16 - 1 // those have changed since: the last rescale counted none of them
	}
	c.minPrio, a.pending = low, 0
}

// changes notes that the prio of b, which nobody holds, is about to be another.
func (a *ages) changes(b *bucket) {
	if a.pending > 0 && b.prio != btreePrio && b.prio >= a.pending {
		a.lost = min(a.lost, b.prio-a.pending)
	}
}

// freezes is for b, which somebody is about to hold: it is not counted down any more.
func (a *ages) freezes(b *bucket) {
	a.changes(b)
	if b.prio != btreePrio {
		b.prio -= min(b.prio, a.pending)
	}
}

// thaws is for bucket b, which nobody is about to hold any more.
func (c *Cache) thaws(b *bucket) {
	switch b.prio {
	case initialPrio: // mostly
		b.prio += c.ages.pending
	case btreePrio:
	default:
		c.settlePrios()
	}
}

// countDownPlain takes n from each prio but 0 and that of metadata, or as much as there is, of buckets that nobody holds: as
// one would be taken n times. It returns the lowest prio of those that the last time was for, 65535 if there was none.
func countDownPlain(buckets []bucket, n uint16) (low uint16) {
	low = 1<<16 - 1
	for i := range buckets {
		b := &buckets[i]
		switch {
		case b.pin != 0 || b.prio == btreePrio:
		case b.prio < n:
			b.prio = 0
		default:
			b.prio -= n
			low = min(low, b.prio)
		}
	}
	return low
}
