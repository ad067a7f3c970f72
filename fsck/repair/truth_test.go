// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"context"
	"slices"
	"testing"

	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/internal/finding"
	"bctl/internal/lab/truth"
)

// A verdict is what is untrue of a repair.
type verdict = truth.Verdict

var truthOf, baselineOf, after = truth.Of, truth.Against, truth.After

// repairWell repairs devices and says what is untrue of it: the truth is that of the undamaged ones.
func repairWell(t testing.TB, was *truth.Truth, devs []fsck.Device) (r *repair.Result, bad verdict) {
	t.Helper()
	return repairBy(t, was, nil, devs)
}

// repairBy is repairWell where the damage may change what base says; nil for nothing.
func repairBy(t testing.TB, was *truth.Truth, base *truth.Baseline, devs []fsck.Device) (r *repair.Result, bad verdict) {
	t.Helper()
	r, err := repair.Plan(context.Background(), devs[0], devs[1:], repair.Options{Options: fsck.Options{Now: now}})
	if err != nil {
		return nil, verdict{"no plan: " + err.Error()}
	}
	if slices.Equal(codes(r.After), []finding.Code{finding.BDSuper}) && was.Unknown(after(r, devs)) {
		return r, nil // the superblock of a device that the cache knows nothing of
	}
	if r.After.Result == fsck.Damaged {
		bad.Add("left: %v", codes(r.After))
		return r, bad
	}
	if r.Before != nil && slices.ContainsFunc(r.Before.Findings, func(f finding.Finding) bool { return f.Code == finding.JRTorn }) && r.Before.Result != fsck.Damaged {
		return r, nil // as after a crash: the kernel, too, shows what was before that entry
	}
	done := after(r, devs)
	bad = truth.Compare(was, base, devs, done, r)
	if r.Before != nil && r.Before.Result != fsck.Damaged {
		for i, p := range r.Plans {
			if p != nil {
				bad.Add("nothing is damaged, and device %d is written to", i)
			}
		}
		return r, bad
	}
	if after, err := truthOf(done); err == nil && truth.Tramples(r, after) {
		bad.Add("live data are written over")
	}
	bad = append(bad, takenBack(t, devs, r)...)
	again, err := repair.Plan(context.Background(), done[0], done[1:], repair.Options{Options: fsck.Options{Now: now}})
	switch {
	case err != nil:
		bad.Add("second run: %v", err)
	case len(codes(again.Before)) > 0:
		bad.Add("a second run finds %v", codes(again.Before))
	default:
		for i, p := range again.Plans {
			if p != nil {
				bad.Add("a second run would write to device %d", i)
			}
		}
	}
	return r, bad
}
