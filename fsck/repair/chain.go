// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"errors"

	"bctl/fsck"
	"bctl/internal/change"
	"bctl/internal/finding"
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
