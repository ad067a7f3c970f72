// SPDX-License-Identifier: GPL-2.0-only

package script

import (
	"errors"
	"fmt"

	"bctl/alloc"
)

// An op is how one op of the language is called and run.
type op struct {
	min, max int // arguments
	usage    string
	run      func(s *script, args []string) error
}

var ops = map[string]op{
	"prio":    {2, 2, "prio BB V", fieldOp(1<<16-1, func(b *alloc.Bucket, v int) { b.Prio = uint16(v) })},
	"gen":     {2, 2, "gen BB V", fieldOp(1<<8-1, func(b *alloc.Bucket, v int) { b.Gen = uint8(v) })},
	"last_gc": {2, 2, "last_gc BB V", fieldOp(1<<8-1, func(b *alloc.Bucket, v int) { b.LastGC = uint8(v) })},
	"used":    {2, 2, "used BB SECTORS", fieldOp(1<<31-1, func(b *alloc.Bucket, v int) { b.Used = v })},
	"mark":    {2, 2, "mark BB free|reclaimable|dirty|metadata", markOp},
	"touch":   {1, 1, "touch BB", rangeOp((*alloc.Cache).Touch)},
	"free":    {1, 1, "free BB", rangeOp((*alloc.Cache).Free)},
	"inc_gen": {1, 1, "inc_gen BB", rangeOp((*alloc.Cache).IncGen)},
	"pin":     {1, 1, "pin BB", pinOp((*alloc.Cache).Pin)},
	"unpin":   {1, 1, "unpin BB", pinOp((*alloc.Cache).Put)},
	"put":     {1, 1, "put BB", pinOp((*alloc.Cache).Put)},
	"scatter": {4, 5, "scatter prio|gen|age|mark|used SEED LO HI [BB]", scatterOp},

	"uuid_bucket": {1, 1, "uuid_bucket B", listOp((*alloc.Cache).AddUUIDBucket)},
	"journal":     {1, 1, "journal B", listOp((*alloc.Cache).AddJournalBucket)},
	"prio_slot":   {2, 2, "prio_slot I B", prioSlotOp},
	"uuid":        {2, 2, "uuid INODE flash|cached", uuidOp},

	"start":         {1, 1, "start fresh|existing|bare", startOp},
	"alloc":         {2, 2, "alloc btree|prio|movinggc|none MODE", allocOp},
	"alloc_sectors": {6, 6, "alloc_sectors INODE OFFSET SECTORS WRITE_POINT WRITE_PRIO MODE", allocSectorsOp},
	"write":         {6, 6, "write INODE OFFSET SECTORS WRITE_POINT WRITE_PRIO writeback|writethrough", writeOp},
	"prio_write":    {1, 1, "prio_write wait|nowait", prioWriteOp},
	"rescale":       {1, 1, "rescale SECTORS", rescaleOp},
	"prio_blocked":  {1, 1, "prio_blocked inc|dec", prioBlockedOp},
	"sync":          {1, 1, "sync 0|1", boolOp((*alloc.Cache).SetSync)},
	"discard":       {1, 1, "discard 0|1", boolOp((*alloc.Cache).SetDiscard)},
	"policy":        {1, 1, "policy lru|fifo|random", policyOp},
	"io_disable":    {0, 0, "io_disable", func(s *script, _ []string) error { s.c.DisableIO(); return nil }},
	"run":           {0, 0, "run", func(s *script, _ []string) error { s.c.Run(); return nil }},

	"gc":        {1, 1, "gc keep|clear", gcOp},
	"gc_start":  {0, 0, "gc_start", func(s *script, _ []string) error { s.c.GCStart(); return nil }},
	"gc_finish": {0, 0, "gc_finish", func(s *script, _ []string) error { s.c.GCFinish(); s.printGC("finish"); return nil }},
	"state":     {0, 1, "state [short]", stateOp},
	"hash":      {0, 0, "hash", func(s *script, _ []string) error { s.printf("hash %016x\n", s.c.Hash()); return nil }},
}

// rangeOp does f to every bucket of BB.
func rangeOp(f func(*alloc.Cache, int)) func(*script, []string) error {
	return func(s *script, args []string) error {
		lo, hi, err := s.rangeArg(args[0])
		for i := lo; i < hi; i++ {
			f(s.c, i)
		}
		return err
	}
}

// fieldOp sets one field of every bucket of BB.
func fieldOp(limit int, set func(*alloc.Bucket, int)) func(*script, []string) error {
	return func(s *script, args []string) error {
		lo, hi, err := s.rangeArg(args[0])
		if err != nil {
			return err
		}
		v, err := parseInt(args[1], 0, limit)
		if err != nil {
			return err
		}
		for i := lo; i < hi; i++ {
			b := s.c.Bucket(i)
			set(&b, v)
			s.c.SetBucket(i, b)
		}
		return nil
	}
}

func markOp(s *script, args []string) error {
	lo, hi, err := s.rangeArg(args[0])
	if err != nil {
		return err
	}
	m, err := alloc.ParseGCMark(args[1])
	if err != nil {
		return err
	}
	for i := lo; i < hi; i++ {
		s.c.SetMark(i, m)
	}
	return nil
}

// pinOp does f to every bucket of BB. A bucket that is on a list, or in the
// allocator's hand, has exactly the pin that put it there.
func pinOp(f func(*alloc.Cache, int)) func(*script, []string) error {
	return func(s *script, args []string) error {
		lo, hi, err := s.rangeArg(args[0])
		if err != nil {
			return err
		}
		listed := s.c.Listed()
		for i := lo; i < hi; i++ {
			if where, ok := listed[uint32(i)]; ok {
				return fmt.Errorf("bucket %d is on %s", i, where)
			}
			if f(s.c, i); s.c.Err() != nil {
				return s.c.Err()
			}
		}
		return nil
	}
}

func listOp(f func(*alloc.Cache, int)) func(*script, []string) error {
	return func(s *script, args []string) error {
		i, err := s.bucketArg(args[0])
		if err == nil {
			f(s.c, i)
		}
		return err
	}
}

func boolOp(f func(*alloc.Cache, bool)) func(*script, []string) error {
	return func(s *script, args []string) error {
		on, err := parseBool(args[0])
		if err == nil {
			f(s.c, on)
		}
		return err
	}
}

func prioSlotOp(s *script, args []string) error {
	slot, err := parseInt(args[0], 0, s.c.PrioSlots()-1)
	if err != nil {
		return fmt.Errorf("slot %w", err)
	}
	b, err := s.bucketArg(args[1])
	if err == nil {
		s.c.SetPrioBucket(slot, b)
	}
	return err
}

func uuidOp(s *script, args []string) error {
	inode, err := parseUint(args[0], alloc.MaxInode)
	if err != nil {
		return fmt.Errorf("inode %w", err)
	}
	if args[1] != "flash" && args[1] != "cached" {
		return fmt.Errorf("%q: want flash or cached", args[1])
	}
	s.c.SetFlashOnly(uint32(inode), args[1] == "flash")
	return nil
}

func rescaleOp(s *script, args []string) error {
	n, err := parseUint(args[0], 1<<31-1)
	if err != nil {
		return err
	}
	left := s.c.Rescale(int32(n))
	s.result("left=%d min_prio=%d", left, s.c.MinPrio())
	return nil
}

func prioBlockedOp(s *script, args []string) error {
	switch args[0] {
	case "inc":
		s.c.BlockPrios()
	case "dec":
		if s.c.PrioBlocked() == 0 {
			return errors.New("it is 0")
		}
		s.c.UnblockPrios()
	default:
		return fmt.Errorf("%q: want inc or dec", args[0])
	}
	return nil
}

func policyOp(s *script, args []string) error {
	p, err := alloc.ParsePolicy(args[0])
	if err == nil {
		s.c.SetPolicy(p)
	}
	return err
}

func gcOp(s *script, args []string) error {
	switch args[0] {
	case "keep":
		s.c.GCKeep()
	case "clear":
		s.c.GCStart()
		s.c.GCFinish()
	default:
		return fmt.Errorf("%q: want keep or clear", args[0])
	}
	s.printGC(args[0])
	return nil
}
