// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import "bctl/alloc/blktrace"

// request is cached_dev_submit_bio().
func (s *Sim) request(q *blktrace.Request, bypass bool) {
	n := uint64(q.Sectors)
	if bypass {
		s.f.Bypassed++
		s.f.BypassedSectors += n
	} else if s.sample.share == 0 && s.ages {
		s.c.Rescale(int32(n))
	}
	switch q.Op {
	case blktrace.Read:
		s.read(q, bypass)
	case blktrace.Write:
		s.write(q, bypass)
	case blktrace.Trim:
		s.f.Trims++
		s.trim(q.Volume, q.Sector, n)
	}
}

// crowded is check_should_bypass() on in_use.
func (s *Sim) crowded() bool { return s.c.InUseAbove(cutoffCacheAdd) }

// bypasses is the part of check_should_bypass() that no cache has a say in.
func (c *Config) bypasses(streams *streams, tasks *tasks, q *blktrace.Request, now int64) bool {
	switch {
	case q.Op == blktrace.Trim,
		c.Mode == NoCache || c.Mode == Writearound && q.Op == blktrace.Write,
		c.ReadaheadMeta && q.Flags&(blktrace.Readahead|blktrace.Meta) == blktrace.Readahead:
		return true
	}
	if block := uint64(c.Alloc.BlockSize); block > 1 && (q.Sector|uint64(q.Sectors))&(block-1) != 0 {
		return true
	}
	cutoff, congested := c.SequentialCutoff/sectorBytes, c.CongestedCutoff/sectorBytes
	if c.SequentialCutoff == 0 && congested == 0 {
		return false
	}
	sectors := streams.next(c.task(tasks, q), q.Sector, uint64(q.Sectors), now) / sectorBytes
	return c.SequentialCutoff > 0 && sectors >= cutoff || congested > 0 && sectors >= congested
}

// follows reports whether streams are followed of all requests but trims.
func (c *Config) follows() bool {
	cutoff := c.SequentialCutoff >= sectorBytes || c.CongestedCutoff >= sectorBytes
	return cutoff && c.Mode <= Writeback && !c.ReadaheadMeta && c.Alloc.BlockSize <= 1
}

// task is who asks, or nil.
func (c *Config) task(t *tasks, q *blktrace.Request) *taskIO {
	switch {
	case c.Tasks == TasksOne:
		return t.get(1)
	case c.Tasks == TasksVolume:
		return t.get(q.Volume + 1)
	case q.Task == 0:
		return nil
	}
	return t.get(q.Task)
}

// writePoint is write_point: who asks, as a number.
func (s *Sim) writePoint(q *blktrace.Request) uint32 {
	switch {
	case s.cfg.Tasks == TasksOne:
		return 1
	case s.cfg.Tasks == TasksVolume || q.Task == 0:
		return q.Volume + 1
	}
	return q.Task
}

// read is cached_dev_read(). A bypassed read is served from the cache where that can, and adds nothing to it.
func (s *Sim) read(q *blktrace.Request, bypass bool) {
	n := uint64(q.Sectors)
	s.f.Reads++
	s.f.ReadSectors += n
	missing, first := s.lookup(q.Volume, q.Sector, n)
	s.f.Weights.Reads += s.weight
	if bypass {
		s.f.BypassReads++
		s.f.Weights.BypassReads += s.weight
	}
	if missing == 0 {
		return
	}
	s.f.ReadMisses++
	s.f.ReadMissSectors += missing
	s.f.Weights.ReadMisses += s.weight
	if bypass {
		s.f.BypassReadMisses++
		s.f.Weights.BypassReadMisses += s.weight
		return
	}
	fill := min(first.to-first.from, maxFill)
	s.f.Filled += s.insert(q, first.from, fill, insertion{})
	s.meta.skipped()
	s.after()
}

// write is cached_dev_write().
func (s *Sim) write(q *blktrace.Request, bypass bool) {
	n := uint64(q.Sectors)
	s.f.Writes++
	s.f.Weights.Writes += s.weight
	s.f.WriteSectors += n
	before := s.f.Overwritten
	switch {
	case bypass:
		s.f.BypassWrites++
		s.f.Weights.BypassWrites += s.weight
		s.f.Overwritten += s.drop(q.Volume, q.Sector, n)
	case s.inPlace(q):
		return
	default:
		s.sample.written += n
		back := s.shouldWriteback(q)
		if placed := s.insert(q, q.Sector, n, insertion{dirty: back, wait: back, write: true}); placed < n {
			// What the cache had of the rest is not what is there now.
			s.f.Overwritten += s.drop(q.Volume, q.Sector+placed, n-placed)
		}
		s.meta.journalled(uint64(s.now/1000), s)
		if back {
			s.writebackAdd()
		}
	}
	if missing := n - (s.f.Overwritten - before); missing > 0 {
		s.f.WriteMisses++
		s.f.Weights.WriteMisses += s.weight
		if bypass {
			s.f.Weights.BypassWriteMisses += s.weight
		}
		s.f.WriteMissSectors += missing
	}
	s.after()
}

// shouldWriteback is should_writeback() of a request that is not bypassed.
func (s *Sim) shouldWriteback(q *blktrace.Request) bool {
	if s.cfg.Mode != Writeback || s.c.InUseAbove(cutoffWritebackSync) {
		return false
	}
	sync := s.cfg.SyncWrites || q.Flags&(blktrace.Sync|blktrace.FUA|blktrace.Preflush|blktrace.Meta) != 0
	return sync || !s.c.InUseAbove(cutoffWriteback)
}
