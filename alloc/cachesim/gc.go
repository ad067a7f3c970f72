// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"time"

	"bctl/alloc"
)

// startGC is btree_gc_start(), and the end of gc if that takes no time.
func (s *Sim) startGC() {
	s.wantGC = false
	if !s.c.GCMarkValid() {
		return
	}
	s.setGCSectors()
	s.f.GCs++
	s.c.GCStart()
	took := time.Duration(0)
	if s.sample.share == 0 {
		took = s.gcTakes()
	} else {
		s.gcBegins()
	}
	if took == 0 {
		s.finishGC()
		return
	}
	s.gcDone = s.now + int64(took)
	s.nextEvent = min(s.nextEvent, s.gcDone)
}

// setGCSectors is set_gc_sectors(), of a sample that of the whole cache.
func (s *Sim) setGCSectors() {
	n := uint64(s.cfg.Alloc.NBuckets)
	if s.sample.share != 0 {
		n = uint64(s.cfg.Alloc.SampleOf)
	}
	n *= uint64(s.cfg.Alloc.BucketSize)
	if s.sample.share != 0 {
		n = s.sample.share.of(n)
	}
	s.sectorsToGC = int64(n / gcShare)
}

// asked counts sectors that are to be put into the cache, for the next gc. Of a sample, what comes while gc runs does not
// bring it nearer.
func (s *Sim) asked(n uint64) {
	if s.sample.share != 0 {
		s.short.asked(n, s.now, s.meta.nodesOfSector(s.cfg.Alloc.BucketSize))
		if s.now < s.short.gcEnds {
			return
		}
	}
	if s.sectorsToGC -= int64(n); s.sectorsToGC < 0 && s.gcDone == never {
		s.wantGC = true
	}
}

// shortGC is how long a gc of one node takes.
const shortGC = time.Millisecond

// mark is the walk of bch_btree_gc() through the btree: every bucket's mark and live sectors as the extent map has them.
func (s *Sim) mark() {
	s.c.GCMark(func(i int) alloc.Found {
		switch live := s.live[i]; {
		case s.node[i]:
			return alloc.Found{Sectors: uint32(s.meta.nodeSectors), Mark: alloc.MarkMetadata}
		case live == 0:
			return alloc.Found{}
		case s.dirty[i] > 0:
			return alloc.Found{Sectors: live, Mark: alloc.MarkDirty}
		default:
			return alloc.Found{Sectors: live, Mark: alloc.MarkReclaimable}
		}
	})
}

// finishGC is bch_btree_gc_finish(), and moving gc.
func (s *Sim) finishGC() {
	s.gcDone = never
	s.mark()
	s.c.GCFinish()
	s.setGCSectors()
	if s.cfg.MovingGC {
		s.movingGC()
	}
}
