// SPDX-License-Identifier: GPL-2.0-only

package script

import (
	"fmt"
	"strings"

	"bctl/alloc"
)

// Trace prints a decision.
func (s *script) Trace(e alloc.Event) {
	switch e.Kind {
	case alloc.EventInvalidate:
		s.printf("invalidate %d gen=%d->%d used=%d\n", e.Bucket, e.Gen-1, e.Gen, e.N)
	case alloc.EventInit:
		s.printf("init free[%s] %d\n", e.Reserve, e.Bucket)
	case alloc.EventDiscard:
		s.printf("discard %d sector=%d nr=%d\n", e.Bucket,
			uint64(e.Bucket)*uint64(s.cfg.BucketSize), s.cfg.BucketSize)
	case alloc.EventMove:
		s.printf("move free_inc->free[%s] %d\n", e.Reserve, e.Bucket)
	case alloc.EventTake:
		s.printf("take %d from=%s\n", e.Bucket, e.Reserve)
	case alloc.EventTakeFail:
		s.printf("take fail for=%s\n", e.Reserve)
	case alloc.EventWakeGC:
		s.printf("wake_gc\n")
	case alloc.EventWait:
		if text := s.stateText(); text != s.lastWait {
			s.printf("%s\n", text)
			s.lastWait = text
		}
	case alloc.EventPrioFree:
		s.printf("prio_free %d\n", e.Bucket)
	case alloc.EventPrioWrite:
		s.printf("prio_write ok seq=%d\n", e.N)
	case alloc.EventPrioNoMem:
		s.printf("prio_write nomem need=%d avail=%d\n", e.N, e.M)
	case alloc.EventWarn:
		s.printf("warn need_gc=%d\n", e.N)
	}
}

// stateText is what the allocator thread does.
func (s *script) stateText() string {
	state, hand := s.c.State()
	switch state {
	case alloc.StateReady:
		return "ready"
	case alloc.StateWaitPush:
		return fmt.Sprintf("wait push %d", hand)
	case alloc.StateWaitGC:
		return "wait gc"
	case alloc.StateWaitPrio:
		return "wait prio_blocked"
	case alloc.StateWaitBucket:
		return "wait bucket"
	case alloc.StateExited:
		return "exit"
	default:
		return "none"
	}
}

func (s *script) printPlacement(words string, st alloc.Status, p alloc.Placement) {
	switch st {
	case alloc.Done:
		s.printf("%s -> bucket=%d gen=%d sector=%d sectors=%d key=%d:%d left=%d\n", words,
			p.Bucket, p.Gen, p.Sector, p.Sectors, p.End.Inode, p.End.Offset, p.Left)
	case alloc.Failed:
		s.printf("%s -> fail\n", words)
	case alloc.Asleep: // the line comes when it wakes
	}
}

func (s *script) printGC(what string) {
	s.printf("gc %s avail=%d need_gc=%d in_use=%d\n", what, s.c.Avail(), s.c.NeedGC(), s.c.InUse())
}

// stateOp prints everything there is to know.
func stateOp(s *script, args []string) error {
	short := len(args) == 1
	if short && args[0] != "short" {
		return fmt.Errorf("%q: want short, or nothing", args[0])
	}
	s.printf("state\n")
	for i := s.cfg.FirstBucket; i < s.cfg.NBuckets && !short; i++ {
		if b := s.c.Bucket(i); b != (alloc.Bucket{}) {
			s.printf("bucket %d gen=%d last_gc=%d prio=%d mark=%s used=%d pin=%d\n",
				i, b.Gen, b.LastGC, b.Prio, b.Mark, b.Used, b.Pin)
		}
	}
	c, snap := s.c, s.c.Snapshot()
	for r, l := range snap.Free {
		s.printList(fmt.Sprintf("free[%s]", alloc.Reserve(r)), l)
	}
	s.printList("free_inc", snap.FreeInc)
	_, hand := c.State()
	s.printf("allocator %s hand=%d\n", s.stateText(), hand)
	s.printf("set need_gc=%d avail=%d in_use=%d min_prio=%d gc_mark_valid=%d"+
		" invalidate_needs_gc=%d prio_blocked=%d rescale=%d fifo_last=%d\n",
		c.NeedGC(), c.Avail(), c.InUse(), c.MinPrio(), digit(snap.GCMarkValid),
		digit(snap.InvalidateNeedsGC), snap.PrioBlocked, snap.Rescale, snap.FIFOLast)
	s.printf("prio_buckets%s last%s\n", numbers(snap.Prios), numbers(snap.PrioLast))
	for _, b := range snap.Open {
		s.printf("open %d free=%d write_point=%d key=%d:%d sector=%d gen=%d\n",
			b.Pos, b.Free, b.WritePoint, b.Key.Inode, b.Key.Offset, b.Sector, b.Gen)
	}
	for _, p := range s.parked {
		if c.Sleeping(p.sleeper) {
			s.printf("parked %s\n", p.words)
		}
	}
	st := c.Stats()
	s.printf("stats invalidated=%d taken=%d discards=%d prio_writes=%d prio_failed=%d"+
		" gcs=%d random=%d sectors_written=%d\nend\n",
		st.Invalidated, st.Taken, st.Discards, st.PrioWrites, st.PrioFailed,
		st.GCs, st.RandomDraws, st.SectorsWritten)
	return nil
}

func (s *script) printList(name string, l alloc.List) {
	s.printf("%s size=%d used=%d:%s\n", name, l.Size, len(l.Buckets), numbers(l.Buckets))
}

// numbers writes each of list behind a space.
func numbers(list []uint32) string {
	var b strings.Builder
	for _, n := range list {
		fmt.Fprintf(&b, " %d", n)
	}
	return b.String()
}

func digit(b bool) int {
	if b {
		return 1
	}
	return 0
}
