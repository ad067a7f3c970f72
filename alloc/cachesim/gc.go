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

func (s *Sim) setGCSectors() {
	s.sectorsToGC = int64(s.cfg.Alloc.NBuckets) * int64(s.cfg.Alloc.BucketSize) / gcShare
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
