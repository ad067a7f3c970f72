// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"errors"

	"bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/finding"
	"bctl/prio"
	"bctl/superblock"
)

// mendPrios makes the prio chain anew where nothing else is damaged: tree, uuids and journal stay as they are.
func mendPrios(w *Work, rep *fsck.Report) (bool, error) {
	if rep == nil || w.o.Rewind != 0 || w.whole != nil || w.c == nil || w.c.Journal == nil {
		return false, nil
	}
	some := false
	for _, f := range rep.Findings {
		if f.Severity != finding.Damage {
			continue
		}
		if finding.Lookup(f.Code).Mend != finding.PrioChain && f.Code != finding.GNAhead {
			return false, nil
		}
		some = true
	}
	if !some {
		return false, nil
	}
	made, err := PlanPrios(w.c, rep.Findings, PrioOptions{FromBtree: true, Backing: w.backing, Spool: w.o.Spool, Brief: true})
	switch {
	case errors.Is(err, change.ErrNoSpace), errors.Is(err, change.ErrJournalFull), errors.Is(err, change.ErrNoJournal), errors.Is(err, ErrElsewhere):
		return false, nil // more has to be made anew
	case err != nil:
		return false, err
	}
	w.hide()
	if n := int(made.Gens.Count); n > 0 {
		w.saw("prio chain: made anew; %s the gen that the pointers tell, and clean data there are given up", plural(n, "bucket has", "buckets have"))
	} else {
		w.saw("prio chain: made anew, with the gens that it had")
	}
	w.whole, w.under, w.dubious = made.Plan, w.patches, made.Gens.dubious
	w.show()
	return true, nil
}

// chainSought looks for the newest prio chain where the newest entry's pointer to it cannot be one: no set of it need be
// damaged, so the newest that is whole is current. It stands in header then, and the newest entry's seq is returned, else from.
func (w *Work) chainSought(g *superblock.Geometry, header, newest *ondisk.Jset, from uint64) uint64 {
	first := g.FirstBucket + ondisk.Bucket(g.NJournal)
	if at := ondisk.Bucket(newest.PrioBucket[g.ThisDev]); from == newest.Seq || at >= first && at < g.NBuckets {
		return from
	}
	best, seq := ondisk.Bucket(0), uint64(0)
	for b := first; b < g.NBuckets && w.ctx.Err() == nil; b++ {
		head, err := readAll(w.dev.R, g.Start(b).Bytes(), int(g.BlockSectors.Bytes()))
		if err != nil || !ondisk.PrioSetHasMagic(head, g.SetMagic) {
			continue
		}
		c := prio.Follow(w.dev.R, g, b, func(prio.Link, []ondisk.PrioEntry) {}, quiet)
		if c.Intact && c.Links[0].Seq > seq {
			best, seq = b, c.Links[0].Seq
		}
	}
	if best == 0 {
		return from
	}
	w.saw("prio chain: the newest that is whole begins in bucket %d", best)
	header.PrioBucket[g.ThisDev] = uint64(best)
	return newest.Seq
}
