// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import "bctl/alloc/blktrace"

// request is cached_dev_submit_bio().
func (s *Sim) request(q *blktrace.Request) {
	bypass := s.shouldBypass(q)
	n := uint64(q.Sectors)
	if bypass {
		s.f.Bypassed++
		s.f.BypassedSectors += n
	} else {
		s.c.Rescale(int32(n))
	}
	switch q.Op {
	case blktrace.Read:
		s.read(q, bypass)
	case blktrace.Write:
		s.write(q, bypass)
	case blktrace.Trim:
		s.f.Trims++
		s.drop(q.Volume, q.Sector, n)
	}
}

// crowded is check_should_bypass() on in_use.
func (s *Sim) crowded() bool { return s.c.InUseAbove(cutoffCacheAdd) }

// shouldBypass is check_should_bypass().
func (s *Sim) shouldBypass(q *blktrace.Request) bool {
	switch {
	case s.crowded() || q.Op == blktrace.Trim,
		s.cfg.Mode == NoCache || s.cfg.Mode == Writearound && q.Op == blktrace.Write,
		s.cfg.ReadaheadMeta && q.Flags&(blktrace.Readahead|blktrace.Meta) == blktrace.Readahead:
		return true
	}
	if block := uint64(s.cfg.Alloc.BlockSize); block > 1 && (q.Sector|uint64(q.Sectors))&(block-1) != 0 {
		return true
	}
	cutoff, congested := s.cfg.SequentialCutoff/sectorBytes, s.cfg.CongestedCutoff/sectorBytes
	if s.cfg.SequentialCutoff == 0 && congested == 0 {
		return false
	}
	sectors := s.vol.streams.next(s.task(q), q.Sector, uint64(q.Sectors), s.now) / sectorBytes
	return s.cfg.SequentialCutoff > 0 && sectors >= cutoff || congested > 0 && sectors >= congested
}

// task is who asks, or nil.
func (s *Sim) task(q *blktrace.Request) *taskIO {
	switch {
	case s.cfg.Tasks == TasksOne:
		return s.tasks.get(1)
	case s.cfg.Tasks == TasksVolume:
		return s.tasks.get(q.Volume + 1)
	case q.Task == 0:
		return nil
	}
	return s.tasks.get(q.Task)
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
	if bypass {
		s.f.BypassReads++
	}
	if missing == 0 {
		return
	}
	s.f.ReadMisses++
	s.f.ReadMissSectors += missing
	if bypass {
		s.f.BypassReadMisses++
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
	s.f.WriteSectors += n
	before := s.f.Overwritten
	if bypass {
		s.f.Overwritten += s.drop(q.Volume, q.Sector, n)
	} else {
		back := s.shouldWriteback(q)
		if placed := s.insert(q, q.Sector, n, insertion{dirty: back, wait: back}); placed < n {
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
