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

// MinPrio is min_prio: the lowest prio that the last rescale counted down to.
// It is 0 before the first, and 65535 if that one found nothing to count.
func (c *Cache) MinPrio() int { return int(c.minPrio) }

func (c *Cache) rescalePriorities() {
	c.minPrio = countDown(c.buckets[c.cfg.FirstBucket:])
	c.lru.fresh = false
}

// countDownPlain takes one from each prio but 0 and that of metadata, of buckets that nobody holds. It returns the lowest
// prio that comes of it, 65535 if none was counted down.
func countDownPlain(buckets []bucket) (low uint16) {
	low = 1<<16 - 1
	for i := range buckets {
		b := &buckets[i]
		less := b.prio - 1 // 0, which stays, wraps to above what metadata's becomes
		if less < btreePrio-1 && b.pin == 0 {
			b.prio = less
			low = min(low, less)
		}
	}
	return low
}
