// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"time"

	"bctl/alloc"
)

// maxUsed is MAX_GC_SECTORS_USED.
const maxUsed = 1<<13 - 1

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

// mark is the walk of bch_btree_gc() through the btree: every bucket's mark and live sectors as the extent map has
// them. What is held keeps its mark, and what it had used is added to.
func (s *Sim) mark() {
	cfg := &s.cfg.Alloc
	for i := cfg.FirstBucket; i < cfg.NBuckets; i++ {
		if s.live[i] == 0 && !s.node[i] {
			continue
		}
		b := s.c.Bucket(i)
		switch {
		case s.node[i]:
			b.Mark, b.Used = alloc.MarkMetadata, s.meta.nodeSectors
		case s.dirty[i] > 0:
			b.Mark = alloc.MarkDirty
		case b.Mark == alloc.MarkFree:
			b.Mark = alloc.MarkReclaimable
		}
		if !s.node[i] {
			b.Used = min(b.Used+int(s.live[i]), maxUsed)
		}
		s.c.SetBucket(i, b)
	}
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
