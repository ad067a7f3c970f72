// SPDX-License-Identifier: GPL-2.0-only

package alloc

// A Tracer is told every decision, in order, at the moment it is made.
type Tracer interface{ Trace(Event) }

// An Event is one decision. Which fields are set depends on Kind.
type Event struct {
	Kind    EventKind
	Bucket  uint32
	Reserve Reserve
	Gen     uint8
	Slot    int
	N, M    uint64
}

// An EventKind says what was decided.
type EventKind uint8

// The decisions, with the fields each one uses.
const (
	EventInvalidate EventKind = iota // Bucket was invalidated; Gen is its new gen, N its live sectors
	EventInit                        // Bucket went to Reserve at registration
	EventDiscard                     // Bucket was discarded
	EventMove                        // Bucket moved from free_inc to Reserve
	EventTake                        // Bucket was allocated from Reserve
	EventTakeFail                    // an allocation for Reserve that may not wait found nothing
	EventWakeGC                      // gc was asked for
	EventWait                        // the allocator sleeps, or has left: see Cache.State
	EventPrioFree                    // Bucket held a prio set that is no longer needed
	EventPrioWrite                   // a full set of prios is on disk; N is its seq
	EventPrioNoMem                   // the prios need N buckets, M are there
	EventWarn                        // a gen ran too far: need_gc is N
)

// trace reports e. Callers on the hot path test c.tracer first, to spare
// themselves building e.
func (c *Cache) trace(e Event) {
	if c.tracer != nil {
		c.tracer.Trace(e)
	}
}

// Stats counts what a Cache has done so far.
type Stats struct {
	Invalidated      uint64            // buckets
	LiveSectors      uint64            // sectors in use in the buckets invalidated
	Taken            uint64            // buckets allocated
	TakeFails        [reserveNR]uint64 // by reserve
	Discards         uint64
	PrioWrites       uint64 // full sets
	PrioFailed       uint64 // for want of buckets
	GCs              uint64
	GCWakes          uint64          // gc was asked for
	RandomDraws      uint64          // of the random policy
	SectorsWritten   uint64          // placed by AllocSectors
	Waits            [stateNR]uint64 // the allocator fell asleep, by State
	WorstGenDistance uint8           // highest need_gc ever
}

// Sub is what was counted since before. The worst gen distance is that of all time.
func (s Stats) Sub(before Stats) Stats {
	d := Stats{
		Invalidated: s.Invalidated - before.Invalidated, LiveSectors: s.LiveSectors - before.LiveSectors,
		Taken: s.Taken - before.Taken, Discards: s.Discards - before.Discards,
		PrioWrites: s.PrioWrites - before.PrioWrites, PrioFailed: s.PrioFailed - before.PrioFailed,
		GCs: s.GCs - before.GCs, GCWakes: s.GCWakes - before.GCWakes, RandomDraws: s.RandomDraws - before.RandomDraws,
		SectorsWritten: s.SectorsWritten - before.SectorsWritten, WorstGenDistance: s.WorstGenDistance,
	}
	for r := range s.TakeFails {
		d.TakeFails[r] = s.TakeFails[r] - before.TakeFails[r]
	}
	for w := range s.Waits {
		d.Waits[w] = s.Waits[w] - before.Waits[w]
	}
	return d
}
