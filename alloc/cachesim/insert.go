// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"time"

	"bctl/alloc"
	"bctl/alloc/blktrace"
)

// insert is bch_data_insert_start(): it allocates n sectors of q's volume and maps them. It returns how many there was
// room for.
func (s *Sim) insert(q *blktrace.Request, sector, n uint64, dirty bool) (placed uint64) {
	if s.sectorsToGC -= int64(n); s.sectorsToGC < 0 {
		s.gc()
		s.c.Run()
	}
	for n > 0 {
		p, ok := s.place(alloc.Request{
			Key: alloc.Key{Inode: q.Volume, Offset: sector}, Sectors: int(n), WritePoint: q.Volume + 1,
		})
		if !ok {
			s.f.NoRoom++
			s.f.Overwritten += s.drop(q.Volume, sector, n) // the old data are not what is there now
			return placed
		}
		length := uint64(p.Sectors)
		b := p.Bucket
		if dirty && s.dirty[b] == 0 {
			s.c.SetMark(b, alloc.MarkDirty)
			s.dirtyQueue.push(queued{uint32(b), s.era[b]})
		}
		s.f.Overwritten += s.put(q.Volume, sector, length, p.Sector, dirty)
		s.filled[b] = uint32(p.Sector&(1<<s.shift-1) + length)
		s.live[b] += uint32(length)
		s.liveSectors += length
		if dirty {
			s.dirty[b] += uint32(length)
			s.dirtySectors += length
		}
		s.c.Put(b)
		s.meta.keyAdded(s, length)
		placed += length
		sector += length
		n -= length
	}
	s.f.DataSectors += placed
	return placed
}

// place is one bch_alloc_sectors(). When it has opened a bucket the allocator goes on at once, and so does gc if it
// is wanted: the requests of a trace leave them all the time they need.
func (s *Sim) place(r alloc.Request) (p alloc.Placement, ok bool) {
	if s.timer == nil {
		return s.placeNow(r)
	}
	taken := s.c.Stats().Taken
	start := time.Now()
	p, ok = s.placeNow(r)
	if d := time.Since(start); s.c.Stats().Taken != taken {
		s.timer.Add(d)
	}
	return p, ok
}

func (s *Sim) placeNow(r alloc.Request) (p alloc.Placement, ok bool) {
	p, ok = s.c.AllocSectors(r)
	opened := p.Sector&(1<<s.shift-1) == 0
	if ok && !opened {
		return p, true
	}
	s.settle()
	for try := 0; !ok && try < 2 && s.c.Err() == nil; try++ {
		if p, ok = s.c.AllocSectors(r); !ok {
			s.gc()
		}
		s.settle()
	}
	return p, ok
}

// settle lets the allocator run, and gc when it waits for that.
func (s *Sim) settle() {
	s.c.Run()
	if s.c.WantsGC() {
		s.gc()
		s.c.Run()
	}
}

// A queue holds buckets in the order they came.
type queue struct {
	data []queued
	head int
}

// queued is a bucket as it was when it came: with another era it is another one.
type queued struct {
	bucket uint32
	era    uint16
}

func (q *queue) push(x queued) {
	if q.head > 1024 && q.head > len(q.data)/2 {
		q.data = q.data[:copy(q.data, q.data[q.head:])]
		q.head = 0
	}
	q.data = append(q.data, x)
}

func (q *queue) pop() (x queued, ok bool) {
	if q.head == len(q.data) {
		return x, false
	}
	x = q.data[q.head]
	q.head++
	return x, true
}

// writeback cleans the bucket that has had dirty data longest. Its mark stays until gc, as in the kernel.
func (s *Sim) writeback() {
	x, ok := s.dirtyQueue.pop()
	if !ok {
		s.dirtyLimit = s.dirtySectors // what the device came with; nothing here can clean it
		return
	}
	if b := x.bucket; s.era[b] == x.era {
		s.f.WrittenBack += uint64(s.dirty[b])
		s.dirtySectors -= uint64(s.dirty[b])
		s.dirty[b] = 0
		s.cleaned[b] = s.filled[b] // it may be open still, and take more
	}
}
