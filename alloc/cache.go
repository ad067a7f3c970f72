// SPDX-License-Identifier: GPL-2.0-only

package alloc

import (
	"errors"
	"fmt"

	"bctl/superblock"
)

// ErrBug marks a state that makes the kernel stop with BUG_ON. It takes a
// caller that breaks the rules, such as dropping a pin it does not hold.
var ErrBug = errors.New("kernel BUG")

// A Cache is struct cache and the parts of its struct cache_set that the
// allocator uses. It runs no goroutines: one caller makes requests, and steps
// the allocator with Run or Step.
type Cache struct {
	cfg    Config
	geo    superblock.Geometry
	tracer Tracer

	buckets  []bucket
	morePins map[uint32]int // what a bucket's 16 bits of pin cannot hold

	free    [reserveNR]fifo
	lacking int  // how many the lists but ReserveNone's could still take
	freeInc fifo // invalidated, gens perhaps not yet on disk

	// The allocator thread.
	state    State
	at       place
	hand     int64 // popped from free_inc, not pushed yet; -1 when empty
	runnable bool
	running  bool
	ownWrite PrioWrite // 4.6: the prio write the thread sleeps in

	sleepers []*Sleeper // ops in bch_bucket_alloc(), longest asleep first

	gcMarkValid       bool
	invalidateNeedsGC bool
	window            window
	needGC            uint8 // how far the farthest gen is from its oldest pointer
	warned            bool
	avail             int // avail_nbuckets
	availSeen         int // avail when gc_stats.in_use was last computed
	ioDisabled        bool
	prioBlocked       int

	minPrio  uint16
	rescale  int32
	ages     ages
	lru      weights
	heap     lruHeap
	fifoLast uint32 // fifo_last_bucket
	rng      SplitMix64
	fetched  uint8 // means nothing

	uuidBuckets    []uint32
	journalBuckets []uint32
	prioBuckets    []uint32 // of the newest set; 0 where none was written
	prioLast       []uint32 // of the set before: given back once the new one is journalled
	prioSeq        uint64
	prioDue        int                                  // of a sample: how near its next set is
	prioEntry      func(i int) (prio uint16, gen uint8) // made once, for Pack

	open  openBuckets
	flash flashVolumes

	stats Stats
	err   error
}

// New returns a cache device with nothing in it. One of the Start methods
// brings its allocator up.
func New(cfg Config) (*Cache, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	geo := cfg.geometry()
	unit, slots := cfg.unit(), geo.PrioBuckets()
	c := &Cache{
		cfg:         cfg,
		geo:         geo,
		tracer:      cfg.Trace,
		buckets:     make([]bucket, cfg.NBuckets),
		morePins:    map[uint32]int{},
		freeInc:     newFifo(unit << 2),
		heap:        newLRUHeap(unit << 3),
		hand:        -1,
		availSeen:   cfg.NBuckets,
		rng:         SplitMix64(cfg.Seed),
		prioBuckets: make([]uint32, slots),
		prioLast:    make([]uint32, slots),
		open:        newOpenBuckets(cfg.Model.OpenBuckets),
	}
	c.prioEntry = func(i int) (uint16, uint8) {
		c.settlePrios()
		return c.buckets[i].prio, c.buckets[i].gen
	}
	c.free = [reserveNR]fifo{
		ReserveBtree:    newFifo(cfg.btreeReserve()),
		ReservePrio:     newFifoExact(slots),
		ReserveMovingGC: newFifo(unit),
		ReserveNone:     newFifo(unit),
	}
	for r := range ReserveNone {
		c.lacking += int(c.free[r].size)
	}
	return c, nil
}

// Config returns the configuration as it is now.
func (c *Cache) Config() Config { return c.cfg }

// Geometry returns the device's sizes.
func (c *Cache) Geometry() superblock.Geometry { return c.geo }

// Stats returns what has been counted so far.
func (c *Cache) Stats() Stats { return c.stats }

// Err returns the first thing that would have stopped the kernel: a BUG_ON
// (ErrBug) or an error of the PrioWriter. What the cache does after it means
// nothing.
func (c *Cache) Err() error { return c.err }

func (c *Cache) bug(format string, a ...any) {
	c.fail(fmt.Errorf("%w: %s", ErrBug, fmt.Sprintf(format, a...)))
}

func (c *Cache) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// Bucket returns bucket i.
func (c *Cache) Bucket(i int) Bucket {
	c.settlePrios()
	b := c.buckets[i]
	return Bucket{b.prio, b.gen, b.lastGC, b.mark(), b.used(), c.pins(uint32(i))}
}

// SetBucket gives bucket i its prio, gens, mark and sectors, as read from a
// device or a script. More sectors than 13 bits hold count as 8191, as gc
// does; the pin is left alone.
func (c *Cache) SetBucket(i int, to Bucket) {
	b := &c.buckets[i]
	c.SetPrio(i, to.Prio)
	b.gen, b.lastGC = to.Gen, to.LastGC
	b.setMark(to.Mark)
	b.setUsed(min(to.Used, maxSectorsUsed))
	c.changed(uint32(i))
}

// SetPrio sets bucket i's prio.
func (c *Cache) SetPrio(i int, prio uint16) {
	c.settlePrios()
	if prio > initialPrio && prio != btreePrio {
		c.ages.always = true
	}
	c.buckets[i].prio = prio
	c.changed(uint32(i))
}

// Touch is what a cache hit does to bucket i.
func (c *Cache) Touch(i int) {
	b, prio := &c.buckets[i], uint16(initialPrio)
	if b.pin == 0 {
		prio += c.ages.pending
	}
	if b.prio != prio { // mostly it has been touched since the last rescale
		c.touch(b, prio)
		c.changed(uint32(i))
	}
}

func (c *Cache) touch(b *bucket, prio uint16) {
	if b.pin == 0 {
		c.ages.changes(b)
	}
	b.prio = prio
}

// SetMark sets bucket i's gc mark.
func (c *Cache) SetMark(i int, m GCMark) {
	c.buckets[i].setMark(m)
	c.changed(uint32(i))
}

// IncGen is bch_inc_gen: every pointer into bucket i becomes stale.
func (c *Cache) IncGen(i int) {
	c.incGen(uint32(i))
	c.changed(uint32(i))
}

// Pin holds bucket i against invalidation.
func (c *Cache) Pin(i int) { c.pin(uint32(i)) }

// Put drops a pin: the one an allocation took, or one of Pin.
func (c *Cache) Put(i int) { c.unpin(uint32(i)) }

// SetPolicy changes the replacement policy.
func (c *Cache) SetPolicy(p Policy) {
	if p.valid() {
		c.cfg.Policy = p
		c.lru.fresh = false
	}
}

// SetDiscard switches discards on or off.
func (c *Cache) SetDiscard(on bool) { c.cfg.Discard = on }

// SetSync sets CACHE_SYNC.
func (c *Cache) SetSync(on bool) { c.cfg.Sync = on }

// DisableIO sets CACHE_SET_IO_DISABLE, which 4.6 does not have.
func (c *Cache) DisableIO() { c.ioDisabled = c.cfg.Model.StopsOnIODisable }

// BlockPrios and UnblockPrios count prio_blocked: while it is above zero,
// btree nodes are being rewritten and prios may not go to disk.
func (c *Cache) BlockPrios() { c.prioBlocked++ }

// UnblockPrios is described at BlockPrios.
func (c *Cache) UnblockPrios() {
	if c.prioBlocked == 0 {
		c.bug("prio_blocked below zero")
		return
	}
	if c.prioBlocked--; c.prioBlocked == 0 {
		c.wakeAllocator()
	}
}
