// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"time"

	"bctl/alloc"
	"bctl/alloc/blktrace"
)

// An insertion says how data are put into the cache.
type insertion struct {
	dirty bool
	wait  bool // for buckets
	write bool // of a request
	move  bool // for moving gc
}

// insert is bch_data_insert_start(): it allocates n sectors of q's volume and maps them. It returns how many there was
// room for.
func (s *Sim) insert(q *blktrace.Request, sector, n uint64, how insertion) (placed uint64) {
	if s.sample.share == 0 || !how.write {
		s.asked(n)
	}
	point := s.writePoint(q)
	prio := uint32(0)
	if how.move {
		prio = 1
	}
	if s.sample.share != 0 && !how.wait && s.short.none(s.now) {
		s.f.NoRoom++
		return 0
	}
	r := alloc.Request{Key: alloc.Key{Inode: q.Volume, Offset: sector + dataOffset}, Sectors: int(n), WritePoint: point, WritePrio: prio}
	for n > 0 {
		var p alloc.Placement
		if !s.place(&r, &p, how.wait) {
			s.f.NoRoom++
			break
		}
		length := uint64(p.Sectors)
		b := p.Bucket
		if how.dirty {
			s.c.SetMark(b, alloc.MarkDirty)
		}
		s.f.Overwritten += s.put(q.Volume, sector, length, p.Sector, how.dirty)
		s.live[b] += uint32(length)
		s.liveSectors += length
		if how.dirty {
			s.dirty[b] += uint32(length)
			s.dirtySectors += length
			s.vol.dirtySectors += int64(length)
		}
		s.c.Put(b)
		s.meta.keyAdded(s, length)
		placed += length
		sector += length
		n -= length
		r.Key.Offset, r.Sectors = sector+dataOffset, int(n)
	}
	s.f.DataSectors += placed
	return placed
}

// dataOffset is where a backing device's data begin, mostly: keys count from the device's. So the first sector's is not 0, the
// key of open buckets that were never used, each of which would look as if it were being gone on with.
const dataOffset = 16

// place is one bch_alloc_sectors().
func (s *Sim) place(r *alloc.Request, p *alloc.Placement, wait bool) (ok bool) {
	if s.timer == nil {
		return s.c.PlaceSectors(r, p) || wait && s.placeLater(r, p)
	}
	taken := s.c.Stats().Taken
	start := time.Now()
	ok = s.c.PlaceSectors(r, p) || wait && s.placeLater(r, p)
	if d := time.Since(start); s.c.Stats().Taken != taken {
		s.timer.Add(d)
	}
	return ok
}

// placeLater is for who may wait: until the allocator, or gc, has got further, and the clock with them.
func (s *Sim) placeLater(r *alloc.Request, p *alloc.Placement) (ok bool) {
	for try := 0; !ok && try < mostWaits && s.c.Err() == nil; try++ {
		s.settle()
		if at := min(s.priosDone, s.gcDone); at != never {
			s.wait(at)
		} else if try > 0 {
			s.startGC()
		}
		ok = s.c.PlaceSectors(r, p)
	}
	return ok
}

// mostWaits is how often a request waits for a bucket before it is given up: the kernel's would wait for ever, for
// every bucket is dirty, metadata or held.
const mostWaits = 8

// wait lets the clock go on to a time at which the allocator's prios are written, or gc is over.
func (s *Sim) wait(at int64) {
	if at > s.now {
		s.lag += at - s.now
		s.now = at
	}
	s.finish(at)
}

// finish ends the prio write or the gc that is over at a time.
func (s *Sim) finish(at int64) {
	if at == s.priosDone {
		s.priosDone = never
		s.c.PriosWritten()
	}
	if at == s.gcDone {
		s.finishGC()
	}
	s.settle()
}

// after is what happens when a request has been served: the allocator goes on, and gc if it is wanted.
func (s *Sim) after() {
	if s.wantGC {
		s.startGC()
	}
	s.settle()
}

// settle lets the allocator run until it waits for a bucket to be taken, for prios to be on disk, or for gc, which then
// begins.
func (s *Sim) settle() {
	s.c.Run()
	if s.c.WantsGC() {
		s.startGC()
		s.c.Run()
	}
	if s.c.WritingPrios() && s.priosDone == never {
		s.priosDone = s.now + int64(s.cfg.PrioWrite)
		s.nextEvent = min(s.nextEvent, s.priosDone)
	}
}
