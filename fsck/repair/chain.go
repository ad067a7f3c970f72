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
	made, err := PlanPrios(w.c, rep.Findings, PrioOptions{FromBtree: true, Backing: w.backing, Spool: w.o.Spool})
	switch {
	case errors.Is(err, change.ErrNoSpace), errors.Is(err, change.ErrJournalFull), errors.Is(err, change.ErrNoJournal), errors.Is(err, ErrElsewhere):
		return false, nil // more has to be made anew
	case err != nil:
		return false, err
	}
	w.hide()
	w.saw("prio chain: made anew, with %d gens that the pointers tell", len(made.Gens.Rebuilt))
	if n := len(made.Gens.Unsure); n > 0 {
		w.saw("prio chain: the dirty data of %d buckets are kept, though nothing but their pointers tells their gens", n)
	}
	if n := len(made.Gens.Held); n > 0 {
		w.saw("prio chain: the dirty data of %d buckets stand on the backing devices too, and are left there", n)
	}
	w.whole, w.under = made.Plan, w.patches
	w.show()
	return true, nil
}
