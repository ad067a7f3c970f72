// SPDX-License-Identifier: GPL-2.0-only

package alloc

import (
	"fmt"

	"bctl/internal/bcache/ondisk"
)

const (
	initialPrio = ondisk.InitialPrio // of a bucket just taken for data, or hit
	btreePrio   = ondisk.BtreePrio   // of a bucket taken for metadata, never rescaled

	// A gen has 8 bits, and a pointer counts as stale while the bucket's gen is
	// up to 128 ahead of it: a bucket this far from the oldest pointer into it
	// must wait for gc.
	genLimit = ondisk.GenLimit

	maxSectorsUsed = 1<<13 - 1 // MAX_GC_SECTORS_USED: GC_SECTORS_USED has 13 bits
	maxPin         = 1<<16 - 1 // what fits a bucket; more goes to Cache.morePins
)

// A GCMark is GC_MARK: what the last garbage collection found in a bucket.
type GCMark uint8

// Only the first two may be invalidated.
const (
	MarkFree        GCMark = iota // no mark: nothing points into the bucket
	MarkReclaimable               // GC_MARK_RECLAIMABLE: clean cached data
	MarkDirty                     // GC_MARK_DIRTY: data the backing device lacks
	MarkMetadata                  // GC_MARK_METADATA: btree, prios, uuids, journal
)

var markNames = [...]string{"free", "reclaimable", "dirty", "metadata"}

func (m GCMark) String() string { return markNames[m&3] }

// ParseGCMark finds a mark by name.
func ParseGCMark(name string) (GCMark, error) {
	for m, n := range markNames {
		if n == name {
			return GCMark(m), nil
		}
	}
	return 0, fmt.Errorf("mark %q: want free, reclaimable, dirty or metadata", name)
}

// A Bucket is struct bucket with its bitfields taken apart.
type Bucket struct {
	Prio   uint16 // recency: set to 32768 on use, counted down by rescaling
	Gen    uint8  // counted up to invalidate every pointer into the bucket
	LastGC uint8  // gen of the oldest pointer into it, as of the last gc
	Mark   GCMark
	Used   int // GC_SECTORS_USED: live sectors, as of the last gc
	Pin    int // users that hold it against invalidation
}

// bucket is struct bucket in eight bytes.
type bucket struct {
	prio   uint16
	gcMark uint16 // GC_MARK in bits 0-1, GC_SECTORS_USED in 2-14, GC_MOVE in 15
	gen    uint8
	lastGC uint8
	pin    uint16
}

// gcMove is GC_MOVE in gcMark.
const gcMove = 1 << 15

func (b *bucket) mark() GCMark     { return GCMark(b.gcMark & 3) }
func (b *bucket) setMark(m GCMark) { b.gcMark = b.gcMark&^3 | uint16(m) }
func (b *bucket) used() int        { return int(b.gcMark >> 2 & maxSectorsUsed) }

// setUsed is SET_GC_SECTORS_USED. It keeps 13 bits: a bucket of 8192 sectors
// counts as empty the moment it is taken.
func (b *bucket) setUsed(n int) {
	b.gcMark = b.gcMark&^(maxSectorsUsed<<2) | uint16(n&maxSectorsUsed)<<2
}

// gcGen is bucket_gc_gen(): how far the gen has run from the oldest pointer.
func (b *bucket) gcGen() uint8 { return b.gen - b.lastGC }

// invalidatable is bch_can_invalidate_bucket() without its BUG_ON.
func (b *bucket) invalidatable() bool {
	return b.mark() <= MarkReclaimable && b.pin == 0 && b.gcGen() < genLimit
}

// invalidatable is bch_can_invalidate_bucket(), of bucket i. While gc runs,
// models that go on meanwhile have the buckets that it found reclaimable.
func (c *Cache) invalidatable(i uint32) bool {
	return c.buckets[i].invalidatable() && (c.gcMarkValid || c.window.has(i))
}

// incGen is bch_inc_gen().
func (c *Cache) incGen(i uint32) {
	b := &c.buckets[i]
	b.gen++
	if b.gcGen() <= c.needGC && c.needGC <= genLimit {
		return
	}
	c.needGC = max(c.needGC, b.gcGen())
	c.stats.WorstGenDistance = max(c.stats.WorstGenDistance, c.needGC)
	if c.needGC > genLimit && !c.warned {
		c.warned = true // WARN_ON_ONCE
		c.trace(Event{Kind: EventWarn, N: uint64(c.needGC)})
	}
}

// invalidateOne is __bch_invalidate_one_bucket(): from here on no pointer into
// the bucket counts, and the pin keeps it from being chosen again. Mark and
// sectors stay until somebody takes it. No rescale is pending.
func (c *Cache) invalidateOne(i uint32) {
	b := &c.buckets[i]
	if m := b.mark(); m > MarkReclaimable {
		c.bug("bucket %d: invalidated while marked %s", i, m)
	}
	c.stats.Invalidated++
	c.stats.LiveSectors += uint64(b.used())
	c.incGen(i)
	b.prio = initialPrio
	b.pin++ // from 0
	c.window.clear(i)
	c.changed(i)
	if c.tracer != nil {
		c.trace(Event{Kind: EventInvalidate, Bucket: i, Gen: b.gen, N: uint64(b.used())})
	}
}

// pin is atomic_inc(&b->pin).
func (c *Cache) pin(i uint32) {
	b := &c.buckets[i]
	if b.pin == maxPin {
		c.morePins[i]++
		return
	}
	if b.pin == 0 {
		c.ages.freezes(b)
	}
	b.pin++
	c.changed(i)
}

// unpin is atomic_dec_bug(&b->pin).
func (c *Cache) unpin(i uint32) {
	b := &c.buckets[i]
	switch {
	case b.pin == 0:
		c.bug("bucket %d: unpinned below zero", i)
		return
	case b.pin == maxPin && c.morePins[i] > 0:
		c.morePins[i]--
		return
	}
	if b.pin == 1 && c.ages.pending > 0 {
		c.thaws(b)
	}
	b.pin--
	c.changed(i)
}

// pins is atomic_read(&b->pin).
func (c *Cache) pins(i uint32) int {
	if p := c.buckets[i].pin; p < maxPin {
		return int(p)
	}
	return maxPin + c.morePins[i]
}
