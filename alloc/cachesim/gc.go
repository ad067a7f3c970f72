// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"time"

	"bctl/alloc"
)

// A course is how a gc goes: how long it takes, and whether it has seen the buckets by the time that it sleeps.
type course struct {
	took   time.Duration
	marked bool
}

// Of a btree with several nodes gc sleeps for 100 ms whenever somebody else wants the processor, which it looks after at each
// node. Who wants it when nobody knows, so the courses that kernels were seen to take come in turn. While nothing can be
// invalidated, gc sleeps once or twice; since 6.11 the scheduler takes the processor away less often, and in half of all gcs
// not at all. Of those that sleep some have marked all buckets before, the others none: more of the first kind here than
// seen, for requests come faster than they did there. Kernels that preempt lazily, as 7.2, tell it nothing before a tick.
const (
	gcSleeps    = 112 * time.Millisecond
	gcWriteback = 70 * time.Millisecond // more, if there are dirty keys to look at
	gcSleepless = 8 * time.Millisecond
	shortGC     = time.Millisecond // of one node: there is nobody to let by on the way
)

var (
	waitedForGC = [...]course{{took: 2 * gcSleeps}, {took: gcSleeps}}
	besideGC    = [...]course{
		{gcSleepless, true}, {gcSleeps, true}, {gcSleepless, true}, {gcSleeps, false}, {gcSleepless, true}, {gcSleeps, true},
	}
)

// course is that of the next gc; of a sample, of one of the whole cache.
func (s *Sim) course() course {
	given, live := s.cfg.GC, s.liveSectors
	if s.sample.share != 0 {
		given, live = s.short.gc, s.sample.share.whole(live)
	}
	n := s.gcs
	s.gcs++
	c, model := course{gcSleepless, true}, &s.cfg.Alloc.Model
	switch {
	case model.GCStaysAwake:
	case model.GoesOnInGC:
		c = besideGC[n%uint64(len(besideGC))]
	default:
		c = waitedForGC[n%uint64(len(waitedForGC))]
		if s.cfg.Mode == Writeback {
			c.took += gcWriteback
		}
	}
	if given >= 0 {
		c = course{given, n%2 == 0}
	}
	if s.meta.leaves(live) < 2 {
		c.took = min(c.took, shortGC)
	}
	return c
}

// startGC is btree_gc_start(), and the end of gc if that takes no time.
func (s *Sim) startGC() {
	s.wantGC = false
	if !s.c.GCMarkValid() {
		return
	}
	s.setGCSectors()
	s.f.GCs++
	s.c.GCStart()
	c := s.course()
	if s.sample.share != 0 {
		s.gcBegins(c.took)
		c.took = 0
	}
	if c.took == 0 {
		s.finishGC()
		return
	}
	if s.marked = c.marked && s.cfg.Alloc.Model.GoesOnInGC; s.marked {
		s.mark()
	}
	s.gcDone = s.now + int64(c.took)
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

// mark is the walk of bch_btree_gc() through the btree: every bucket's mark and live sectors as the extent map has them.
func (s *Sim) mark() {
	s.c.GCMark(&alloc.Found{Live: s.live, Dirty: s.dirty, Node: s.node, Nodes: s.meta.nodeSectors})
}

// finishGC is bch_btree_gc_finish(), and moving gc.
func (s *Sim) finishGC() {
	s.gcDone = never
	if !s.marked {
		s.mark()
	}
	s.marked = false
	s.c.GCFinish()
	s.setGCSectors()
	if s.cfg.MovingGC {
		s.movingGC()
	}
}
