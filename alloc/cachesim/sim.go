// SPDX-License-Identifier: GPL-2.0-only

// Package cachesim is a bcache cache set as requests see it: an extent map in front of the allocator of package alloc.
//
//	request -> bypassed?  trims, and everything while more than 95 of 100 buckets are in use: what was cached of it goes
//	        -> read       hits touch their buckets' prio; the first missing run, up to 1 MiB, is read and allocated
//	        -> write      is allocated; what was cached of it before is garbage until gc
//	        -> rescale    by the sectors of every request that is not bypassed
//	        -> gc         when a sixteenth of the cache has been written since the last, or the allocator asks
//
// Writes leave dirty data as long as these stay below the dirty ratio; above it the bucket that has had them longest
// is written back. There is no sequential cutoff, no congestion, and gc and writeback take no time.
//
// Metadata are bounded from below, because a trace does not tell how keys cluster (see metadata.go). Their buckets
// come out of the same allocator as the data's.
package cachesim

import (
	"fmt"
	"math/bits"

	"bctl/alloc"
	"bctl/alloc/blktrace"
)

// What bcache decides by in request.c.
const (
	cutoffCacheAdd      = 95   // percent in use above which nothing is added
	cutoffWritebackSync = 70   // percent in use above which writes are not left dirty
	maxFill             = 2048 // sectors that a read miss may add: BIO_MAX_VECS pages
	gcShare             = 16   // gc every cache size / 16 sectors written
	maxCacheSectors     = 1 << sectorBits
)

// Config is what a Sim models.
type Config struct {
	Alloc      alloc.Config // Sync, Prios and Trace are the Sim's own
	DirtyRatio float64      // share of the cache that may be dirty; 0 is writethrough
}

// A Sim is a cache in use. One goroutine at a time may call it.
type Sim struct {
	cfg   Config
	c     *alloc.Cache
	m     extents
	shift uint // of sectors to buckets

	era     []uint16 // how often each bucket was invalidated
	live    []uint32 // sectors that pieces lead to
	dirty   []uint32 // of these, not written back
	filled  []uint32 // where the bucket's data end
	cleaned []uint32 // dirty data below this sector of the bucket are not any more
	node    []bool   // holds a btree node

	liveSectors  uint64
	dirtySectors uint64
	dirtyLimit   uint64
	dirtyQueue   queue // buckets with dirty data, the first to have had them first

	sectorsToGC int64
	fetched     uint64 // so that fetch is not optimized away
	meta        metadata
	timer       *Histogram // of single allocations; nil: not timed
	f           Figures
}

// New returns a cache that has just been formatted and registered. Errors: alloc.ErrConfig.
func New(cfg Config) (*Sim, error) {
	s, err := build(cfg, false)
	if err != nil {
		return nil, err
	}
	if err := s.c.StartFresh(); err != nil {
		return nil, err
	}
	s.c.Run()
	s.c.SetSync(true)
	if uuid, ok := s.c.Alloc(alloc.ReserveBtree); ok {
		s.c.AddUUIDBucket(uuid)
		s.c.Put(uuid)
	}
	s.addNode()
	s.c.Run()
	return s, s.c.Err()
}

// build makes a Sim whose allocator is not started.
func build(cfg Config, sync bool) (*Sim, error) {
	size := uint64(cfg.Alloc.NBuckets) * uint64(cfg.Alloc.BucketSize)
	switch {
	case cfg.DirtyRatio < 0 || cfg.DirtyRatio > 1 || cfg.DirtyRatio != cfg.DirtyRatio:
		return nil, fmt.Errorf("%w: dirty ratio %v", alloc.ErrConfig, cfg.DirtyRatio)
	case size > maxCacheSectors:
		return nil, fmt.Errorf("%w: a cache of %d sectors, at most %d can be modelled", alloc.ErrConfig, size, uint64(maxCacheSectors))
	}
	n := cfg.Alloc.NBuckets
	s := &Sim{
		cfg: cfg, m: newExtents(), shift: uint(bits.TrailingZeros(uint(cfg.Alloc.BucketSize))),
		dirtyLimit: uint64(cfg.DirtyRatio * float64(size)), sectorsToGC: int64(size / gcShare),
	}
	cfg.Alloc.Sync, cfg.Alloc.Prios, cfg.Alloc.Trace = sync, nil, s
	var err error
	if s.c, err = alloc.New(cfg.Alloc); err != nil {
		return nil, err
	}
	s.era, s.live, s.dirty = make([]uint16, n), make([]uint32, n), make([]uint32, n)
	s.filled, s.cleaned, s.node = make([]uint32, n), make([]uint32, n), make([]bool, n)
	s.meta.size(s.c.Geometry())
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
	s.dirtySectors -= uint64(s.dirty[b]) // none: dirty buckets are not invalidated
	s.live[b], s.dirty[b], s.filled[b], s.cleaned[b] = 0, 0, 0, 0
	if s.era[b]++; s.era[b] == 0 {
		s.sweep() // or pieces as old as the count is long would be live again
	}
}

// Do replays requests.
func (s *Sim) Do(requests []blktrace.Request) error {
	for i := range requests {
		if i%ahead == 0 {
			s.fetch(requests[i:min(i+ahead, len(requests))])
		}
		q := &requests[i]
		switch q.Op {
		case blktrace.Read:
			s.read(q)
		case blktrace.Write:
			s.write(q)
		case blktrace.Trim:
			s.f.Trims++
			s.bypass(q)
		}
	}
	return s.c.Err()
}

// ahead is how many requests' pages are fetched at a time.
const ahead = 16

// fetch reads from the pages that requests begin and end in. The reads wait for memory together; one by one, as each request
// gets to it, they would wait in turn.
func (s *Sim) fetch(requests []blktrace.Request) {
	for i := range requests {
		q := &requests[i]
		number, end := pageOf(q.Sector)
		s.fetched += s.m.pages[s.m.home(key(q.Volume, number))].key
		if last := q.Sector + uint64(q.Sectors); last > end {
			number, _ = pageOf(last)
			s.fetched += s.m.pages[s.m.home(key(q.Volume, number))].key
		}
	}
}

// bypass is a request that goes past the cache.
func (s *Sim) bypass(q *blktrace.Request) {
	s.f.Bypassed++
	s.drop(q.Volume, q.Sector, uint64(q.Sectors))
}

// crowded is check_should_bypass() on in_use.
func (s *Sim) crowded() bool { return s.c.InUseAbove(cutoffCacheAdd) }

func (s *Sim) read(q *blktrace.Request) {
	n := uint64(q.Sectors)
	s.f.Reads++
	s.f.ReadSectors += n
	crowded := s.crowded()
	if !crowded {
		s.c.Rescale(int32(n))
	}
	missing, first := s.lookup(q.Volume, q.Sector, n)
	if missing == 0 {
		return
	}
	s.f.ReadMisses++
	s.f.ReadMissSectors += missing
	if crowded {
		s.f.Bypassed++
		return
	}
	fill := min(first.to-first.from, maxFill)
	s.f.Filled += s.insert(q, first.from, fill, false)
	s.meta.skipped()
}

func (s *Sim) write(q *blktrace.Request) {
	n := uint64(q.Sectors)
	s.f.Writes++
	s.f.WriteSectors += n
	before := s.f.Overwritten
	if s.crowded() {
		s.f.Overwritten += s.drop(q.Volume, q.Sector, n)
		s.f.Bypassed++
	} else {
		s.c.Rescale(int32(n))
		dirty := s.dirtyLimit > 0 && !s.c.InUseAbove(cutoffWritebackSync)
		s.insert(q, q.Sector, n, dirty)
		s.meta.journalled(q.Time, s)
		for s.dirtySectors > s.dirtyLimit {
			s.writeback()
		}
	}
	if missing := n - (s.f.Overwritten - before); missing > 0 {
		s.f.WriteMisses++
		s.f.WriteMissSectors += missing
	}
}
