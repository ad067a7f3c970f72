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
		if finding.Lookup(f.Code).Mend != finding.PrioChain {
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
	w.saw("prio chain: made anew; the gens of %d buckets are those that the pointers tell, and their clean data are given up", made.Gens.Count)
	w.whole, w.under = made.Plan, w.patches
	w.show()
	return true, nil
}
