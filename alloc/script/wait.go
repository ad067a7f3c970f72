// SPDX-License-Identifier: GPL-2.0-only

package script

import (
	"errors"
	"fmt"

	"bctl/alloc"
)

// startOp: fresh ends with a prio write that waits.
func startOp(s *script, args []string) error {
	switch args[0] {
	case "fresh":
		if err := s.c.PrepareFresh(); err != nil {
			return err
		}
		return s.do(&alloc.PrioWrite{Wait: true}, modeWait)
	case "existing":
		return s.c.StartExisting()
	case "bare":
		return s.c.StartBare()
	}
	return fmt.Errorf("%q: want fresh, existing or bare", args[0])
}

func prioWriteOp(s *script, args []string) error {
	if args[0] != "wait" && args[0] != "nowait" {
		return fmt.Errorf("mode %q: want wait or nowait", args[0])
	}
	wait := args[0] == "wait" || s.cfg.Model.PrioWriteWaits
	return s.do(&alloc.PrioWrite{Wait: wait}, modeWait)
}

func allocOp(s *script, args []string) error {
	r, err := alloc.ParseReserve(args[0])
	if err != nil {
		return err
	}
	m, err := parseMode(args[1])
	if err != nil {
		return err
	}
	o := &scriptAlloc{alloc.BucketAlloc{Reserve: r, Wait: m != modeNowait}, s, s.op}
	return s.do(o, m)
}

func allocSectorsOp(s *script, args []string) error {
	req, err := requestArgs(args)
	if err != nil {
		return err
	}
	m, err := parseMode(args[5])
	if err != nil {
		return err
	}
	if req.Sectors == 0 {
		return errors.New("no sectors")
	}
	o := &scriptSectors{alloc.SectorAlloc{Request: req, Wait: m != modeNowait}, s, s.op}
	return s.do(o, m)
}

func writeOp(s *script, args []string) error {
	req, err := requestArgs(args)
	if err != nil {
		return err
	}
	back := args[5] == "writeback"
	if !back && args[5] != "writethrough" {
		return fmt.Errorf("%q: want writeback or writethrough", args[5])
	}
	o := &scriptWrite{req: req, back: back, s: s, words: s.op}
	err = s.do(o, modeWait)
	for _, b := range o.pieces { // also of an op that got stuck
		s.c.Put(b)
	}
	return err
}

// do runs o; if it sleeps, until it is done, for ever, or not at all.
func (s *script) do(o alloc.Op, m mode) error {
	sl, st := s.c.Begin(o)
	if st != alloc.Asleep {
		return nil
	}
	if m == modePark {
		s.result("parked")
		s.parked = append(s.parked, &parkedOp{s.op, sl})
		return nil
	}
	s.result("blocked")
	gcs, seen := 0, uint64(0)
	for s.c.Sleeping(sl) {
		switch {
		case s.c.Err() != nil:
			return s.c.Err()
		case s.c.Step():
		case s.autogc && s.c.WantsGC() && (gcs == 0 || seen != s.c.Stats().Invalidated):
			if gcs++; gcs > s.cfg.NBuckets {
				// One prio set can take as many buckets as are
				// invalidated for it; the kernel goes round for ever.
				return errors.New("gc after gc gets no further: prio writes take all buckets")
			}
			seen = s.c.Stats().Invalidated
			s.c.GCKeep()
			s.printGC("auto")
		default:
			s.c.GiveUp(sl)
			s.result("stuck: %s", s.stateText())
		}
	}
	return nil
}

// scriptAlloc is bch_bucket_alloc() that prints its outcome, perhaps lines
// later than it began.
type scriptAlloc struct {
	alloc.BucketAlloc
	s     *script
	words string
}

func (o *scriptAlloc) Run(c *alloc.Cache) alloc.Status {
	st := o.BucketAlloc.Run(c)
	switch st {
	case alloc.Done:
		o.s.printf("%s -> %d gen=%d\n", o.words, o.Bucket, c.Bucket(int(o.Bucket)).Gen)
	case alloc.Failed:
		o.s.printf("%s -> fail\n", o.words)
	case alloc.Asleep: // the line comes when it wakes
	}
	return st
}

// scriptSectors is bch_alloc_sectors() that prints its outcome.
type scriptSectors struct {
	alloc.SectorAlloc
	s     *script
	words string
}

func (o *scriptSectors) Run(c *alloc.Cache) alloc.Status {
	st := o.SectorAlloc.Run(c)
	o.s.printPlacement(o.words, st, o.Out)
	return st
}

// scriptWrite places one write, piece by piece, as bch_data_insert does.
// Writing back, it waits for buckets and marks them dirty; writing through, it
// does without the cache for what finds no room at once.
type scriptWrite struct {
	req    alloc.Request
	back   bool
	s      *script
	words  string
	piece  *alloc.SectorAlloc // under way
	pieces []int              // buckets pinned
	total  int
}

func (o *scriptWrite) Run(c *alloc.Cache) alloc.Status {
	for o.req.Sectors > 0 {
		if o.piece == nil {
			o.piece = &alloc.SectorAlloc{Request: o.req, Wait: o.back}
		}
		st := o.piece.Run(c)
		if st == alloc.Asleep {
			return alloc.Asleep
		}
		p := o.piece.Out
		o.s.printPlacement(o.words, st, p)
		if st == alloc.Failed {
			break
		}
		o.piece = nil
		o.req.Sectors -= p.Sectors
		o.req.Key = p.End
		o.total += p.Sectors
		o.pieces = append(o.pieces, p.Bucket)
		if o.back {
			c.SetMark(p.Bucket, alloc.MarkDirty)
		}
	}
	o.s.printf("%s -> done sectors=%d pieces=%d\n", o.words, o.total, len(o.pieces))
	return alloc.Done
}
