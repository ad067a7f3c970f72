// SPDX-License-Identifier: GPL-2.0-only

package alloc

import (
	"errors"
	"fmt"
)

// startOp: fresh ends with a prio write that waits.
func startOp(s *script, args []string) error {
	switch args[0] {
	case "fresh":
		if err := s.c.prepareFresh(); err != nil {
			return err
		}
		return s.do(&prioWrite{wait: true}, modeWait)
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
	return s.do(&prioWrite{wait: wait}, modeWait)
}

func allocOp(s *script, args []string) error {
	r, err := ParseReserve(args[0])
	if err != nil {
		return err
	}
	m, err := parseMode(args[1])
	if err != nil {
		return err
	}
	o := &scriptAlloc{bucketAlloc{reserve: r, wait: m != modeNowait}, s, s.op}
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
	o := &scriptSectors{allocSectors{req: req, wait: m != modeNowait}, s, s.op}
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
func (s *script) do(o op, m mode) error {
	sl, st := s.c.begin(o)
	if st != asleep {
		return nil
	}
	if m == modePark {
		s.result("parked")
		s.parked = append(s.parked, &parkedOp{s.op, sl})
		return nil
	}
	s.result("blocked")
	gcs, seen := 0, uint64(0)
	for s.c.sleeping(sl) {
		switch {
		case s.c.Err() != nil:
			return s.c.Err()
		case s.c.Step():
		case s.autogc && s.c.WantsGC() && (gcs == 0 || seen != s.c.stats.Invalidated):
			if gcs++; gcs > s.cfg.NBuckets {
				// One prio set can take as many buckets as are
				// invalidated for it; the kernel goes round for ever.
				return errors.New("gc after gc gets no further: prio writes take all buckets")
			}
			seen = s.c.stats.Invalidated
			s.c.GCKeep()
			s.printGC("auto")
		default:
			s.c.giveUp(sl)
			s.result("stuck: %s", s.stateText())
		}
	}
	return nil
}

// scriptAlloc is bch_bucket_alloc() that prints its outcome, perhaps lines
// later than it began.
type scriptAlloc struct {
	bucketAlloc
	s     *script
	words string
}

func (o *scriptAlloc) run(c *Cache) status {
	st := o.bucketAlloc.run(c)
	switch st {
	case done:
		o.s.printf("%s -> %d gen=%d\n", o.words, o.bucket, c.buckets[o.bucket].gen)
	case failed:
		o.s.printf("%s -> fail\n", o.words)
	case asleep: // the line comes when it wakes
	}
	return st
}

// scriptSectors is bch_alloc_sectors() that prints its outcome.
type scriptSectors struct {
	allocSectors
	s     *script
	words string
}

func (o *scriptSectors) run(c *Cache) status {
	st := o.allocSectors.run(c)
	o.s.printPlacement(o.words, st, o.out)
	return st
}

// scriptWrite places one write, piece by piece, as bch_data_insert does.
// Writing back, it waits for buckets and marks them dirty; writing through, it
// does without the cache for what finds no room at once.
type scriptWrite struct {
	req    Request
	back   bool
	s      *script
	words  string
	piece  *allocSectors // under way
	pieces []int         // buckets pinned
	total  int
}

func (o *scriptWrite) run(c *Cache) status {
	for o.req.Sectors > 0 {
		if o.piece == nil {
			o.piece = &allocSectors{req: o.req, wait: o.back}
		}
		st := o.piece.run(c)
		if st == asleep {
			return asleep
		}
		p := o.piece.out
		o.s.printPlacement(o.words, st, p)
		if st == failed {
			break
		}
		o.piece = nil
		o.req.Sectors -= p.Sectors
		o.req.Key = p.End
		o.total += p.Sectors
		o.pieces = append(o.pieces, p.Bucket)
		if o.back {
			c.SetMark(p.Bucket, MarkDirty)
		}
	}
	o.s.printf("%s -> done sectors=%d pieces=%d\n", o.words, o.total, len(o.pieces))
	return done
}
