// SPDX-License-Identifier: GPL-2.0-only

// Package cachesim is a bcache cache set as requests see it: an extent map in front of the allocator of package alloc,
// and around both what the kernel's request.c, writeback.c and movinggc.c do.
//
//	request -> bypassed?  trims, modes, the sequential cutoff, and everything while more than 95 of 100 buckets are in
//	                      use: what was cached of a write or a trim goes, reads are served by what there is
//	        -> read       hits touch their buckets' prio; the first missing run, up to 1 MiB, is read and allocated
//	        -> write      is allocated; what was cached of it before is garbage until gc
//	        -> rescale    by the sectors of every request that is not bypassed
//	        -> gc         when a sixteenth of the cache has been written since the last, or the allocator asks
//	time    -> writeback  of dirty data in order of their sectors, at the rate of the kernel's controller
//	        -> prios      are on disk, and the buckets they waited for can be had
//
// The allocator, gc and writeback do their work between requests, not while one is served: an insertion that may not
// wait finds what lies ready, and no more.
//
// Metadata are bounded from below, because a trace does not tell how keys cluster (see metadata.go). Their buckets
// come out of the same allocator as the data's.
package cachesim

import (
	"math"
	"math/bits"

	"bctl/alloc"
	"bctl/alloc/blktrace"
)

// What bcache decides by in request.c.
const (
	cutoffCacheAdd      = 95   // percent in use above which nothing is added
	cutoffWriteback     = 40   // percent in use above which only synchronous writes and metadata are left dirty
	cutoffWritebackSync = 70   // and these
	maxFill             = 2048 // sectors that a read miss may add: BIO_MAX_VECS pages
	gcShare             = 16   // gc every cache size / 16 sectors written
	maxCacheSectors     = 1 << sectorBits
)

// A Sim is a cache in use. One goroutine at a time may call it.
type Sim struct {
	cfg   Config
	c     *alloc.Cache
	m     extents // of chunks
	units unitTable
	words []piece // of numbered blocks, see blocks.go
	shift uint    // of sectors to buckets

	era   []uint16 // how often each bucket was invalidated
	live  []uint32 // sectors that pieces lead to
	dirty []uint32 // of these, not written back
	node  []bool   // holds a btree node

	liveSectors  uint64
	dirtySectors uint64

	volumes []*volume
	vol     *volume // of the request at hand
	tasks   tasks

	requests  uint64
	sectors   uint64 // of these
	now       int64  // ns since the trace began
	stamp     stamp
	nextEvent int64 // when there is something to do besides requests
	lag       int64 // ns that requests have waited
	priosDone int64 // when the prio write under way ends
	gcDone    int64 // when gc ends
	gcs       uint64
	marked    bool // the gc under way has seen all buckets
	events    events
	idle      int  // update_writeback_rate()s since the last request
	maxRate   bool // at_max_writeback_rate

	ages        bool // prios matter: fifo and random look at none
	sectorsToGC int64
	wantGC      bool
	weight      uint64   // of the request at hand, where it is a piece of one
	blocks      []uint32 // of it, by number; nil: they have none
	firstBlock  uint64
	meta        metadata
	timer       *Histogram // of single allocations; nil: not timed
	sample      sampled
	short       shortage
	f           Figures
}

const (
	never       = math.MaxInt64
	initialPrio = 32768 // of a bucket that is used
)

// New returns a cache that has just been formatted and registered. Errors: alloc.ErrConfig.
func New(cfg Config) (*Sim, error) {
	s, err := build(cfg, false)
	if err != nil {
		return nil, err
	}
	s.past()
	if err := s.c.StartFresh(); err != nil {
		return nil, err
	}
	s.settle()
	s.c.SetSync(true)
	if uuid, ok := s.c.Alloc(alloc.ReserveBtree); ok {
		s.c.AddUUIDBucket(uuid)
		s.c.Put(uuid)
	}
	s.addNode()
	s.begin()
	return s, s.c.Err()
}

// pastRescales is how often prios were counted down before the trace began: by a hundredth of the cache's size.
const pastRescales = 10

// past gives one bucket data that were cached before the trace began, by whatever mounted the volume. An lru cache weighs
// buckets by their distance from the lowest prio, and until that is eight below the highest the lowest weigh nothing: as
// little as those that nothing was ever in. So of a cache that has served nothing yet the kernel throws away some buckets
// that were just filled, while most are empty (docs/alloc.md). Traces begin later.
func (s *Sim) past() {
	cfg := &s.cfg.Alloc
	if cfg.Policy != alloc.LRU || !s.cfg.Used {
		return
	}
	last := cfg.NBuckets - 1
	s.live[last] = uint32(cfg.BucketSize)
	s.liveSectors += uint64(cfg.BucketSize)
	s.c.SetBucket(last, alloc.Bucket{Prio: initialPrio - pastRescales, Mark: alloc.MarkReclaimable, Used: cfg.BucketSize})
}

// begin lets the allocator do all that it does before the first request comes.
func (s *Sim) begin() {
	for s.settle(); s.c.WritingPrios(); {
		s.finish(s.priosDone)
	}
	if s.gcDone != never {
		s.finish(s.gcDone)
	}
	s.nextEvent = never
}

// build makes a Sim whose allocator is not started.
func build(cfg Config, sync bool) (*Sim, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	n := cfg.Alloc.NBuckets
	s := &Sim{
		cfg: cfg, m: newExtents(), units: newUnitTable(), shift: uint(bits.TrailingZeros(uint(cfg.Alloc.BucketSize))),
		nextEvent: never, priosDone: never, gcDone: never,
		sample: sampled{share: cfg.share}, short: cfg.short,
		ages: cfg.Alloc.Policy != alloc.FIFO && cfg.Alloc.Policy != alloc.Random,
	}
	cfg.Alloc.Sync, cfg.Alloc.SlowPrios, cfg.Alloc.Prios, cfg.Alloc.Trace = sync, cfg.PrioWrite > 0, nil, s
	var err error
	if s.c, err = alloc.New(cfg.Alloc); err != nil {
		return nil, err
	}
	s.era, s.live, s.dirty, s.node = make([]uint16, n), make([]uint32, n), make([]uint32, n), make([]bool, n)
	s.m.eras, s.units.eras = eras{s.era, s.shift}, eras{s.era, s.shift}
	s.units.most = n * cfg.Alloc.BucketSize >> pairShift / 5 * 16
	s.meta.size(s.c.Geometry())
	s.setGCSectors()
	return s, nil
}

// Cache is the allocator.
func (s *Sim) Cache() *alloc.Cache { return s.c }

// Trace makes a Sim the alloc.Tracer of its allocator: an invalidated bucket's pieces are stale from here on.
func (s *Sim) Trace(e alloc.Event) {
	if e.Kind != alloc.EventInvalidate {
		return
	}
	b := e.Bucket
	s.f.ThrownAway += uint64(s.live[b])
	s.liveSectors -= uint64(s.live[b])
	s.live[b] = 0 // and nothing is dirty: dirty buckets are not invalidated
	if s.era[b]++; s.era[b] == 0 {
		s.sweep() // or pieces as old as the count is long would be live again
	}
}

// Do replays requests.
func (s *Sim) Do(requests []blktrace.Request) error {
	s.fetch(requests[:min(fetchAhead, len(requests))])
	for i := range requests {
		if i%fetchTogether == 0 {
			s.fetch(requests[min(i+fetchAhead, len(requests)):min(i+fetchAhead+fetchTogether, len(requests))])
		}
		q := &requests[i]
		if q.Op == blktrace.Flush {
			continue
		}
		if s.tick(q); s.now >= s.nextEvent {
			s.advance()
		}
		s.request(q, s.crowded() || s.cfg.bypasses(&s.vol.streams, &s.tasks, q, s.now))
	}
	return s.c.Err()
}

// tick sets the clock to a request's time, and makes its volume the one at hand.
func (s *Sim) tick(q *blktrace.Request) {
	s.setClock(q)
	if s.idle > 0 {
		s.busy()
	}
	s.setVolume(q)
}

// setVolume makes a request's volume the one at hand.
func (s *Sim) setVolume(q *blktrace.Request) {
	s.vol = s.volume(q.Volume)
	s.vol.end = max(s.vol.end, q.Sector+uint64(q.Sectors))
}

// setClock sets the clock to a request's time.
func (s *Sim) setClock(q *blktrace.Request) {
	if s.cfg.Rate > 0 {
		s.now = int64(s.requests*1e9/s.cfg.Rate) + s.lag
		if s.cfg.BySize {
			s.now = int64((s.requests*4*usualSize+s.sectors)*(1e9/(5*usualSize))/s.cfg.Rate) + s.lag
			s.sectors += uint64(q.Sectors)
			if q.Op == blktrace.Write && s.cfg.Mode != Writeback {
				s.sectors += usualSize + uint64(q.Sectors)/4
			}
		}
	} else {
		s.now = max(s.now, s.stamp.next(int64(q.Time)*1000))
	}
	s.requests++
}

// usualSize is the sectors of a request that takes as long as Rate says. Four fifths of that are taken by any, and the rest
// is in proportion, and a quarter more by writes that wait for the backing device: as kernels were seen to, one request at a
// time.
const usualSize = 32

// A stamp is the time of the last request. Many traces count seconds: requests of the same time are spread over as long
// as those before them took.
type stamp struct {
	at, span int64 // ns
	n        int64 // requests of this time
	gap      int64 // between two
}

func (t *stamp) next(at int64) int64 {
	if at > t.at {
		t.span = at - t.at
		t.gap = t.span / max(t.n, 1)
		t.at, t.n = at, 0
	}
	now := t.at + min(t.n*t.gap, t.span)
	t.n++
	return now
}

// Pages are fetched for a few requests at a time, as many as a processor waits for together, while those before them are
// served.
const (
	fetchTogether = 4
	fetchAhead    = 16
)

// fetch has the pages fetched that requests begin and end in.
func (s *Sim) fetch(requests []blktrace.Request) {
	var units, chunks [2 * fetchAhead]uint32
	nu, nc := 0, 0
	for i := range requests {
		q := &requests[i]
		last := q.Sector + uint64(q.Sectors) - 1
		if s.units.used > 0 {
			pair, end := q.Sector>>pairShift, last>>pairShift
			units[nu] = uint32(s.units.home(unitKey(q.Volume, pair)))
			if nu++; pair != end {
				units[nu] = uint32(s.units.home(unitKey(q.Volume, end)))
				nu++
			}
		}
		if s.m.used > 0 {
			number, end := q.Sector/pageSize, last/pageSize
			chunks[nc] = uint32(s.m.home(key(q.Volume, number)))
			if nc++; number != end {
				chunks[nc] = uint32(s.m.home(key(q.Volume, end)))
				nc++
			}
		}
	}
	prefetch(s.units.slots, units[:nu])
	prefetch(s.m.pages, chunks[:nc])
}
