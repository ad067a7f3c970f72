// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"context"
	"slices"
	"testing"

	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
)

// devices are a scene's, as a check gets them.
func devices(s *damages.Scene) (devs []fsck.Device) {
	for i, m := range append([]*planter.Image{s.Main}, s.Back[:s.Give]...) {
		devs = append(devs, fsck.Device{Name: "dev" + string(rune('0'+i)), R: m, Size: m.Size(), LogicalBlock: 512})
	}
	devs[0].LogicalBlock = max(512, s.Logical)
	return devs
}

func codes(r *fsck.Report) (out []finding.Code) {
	for _, f := range r.Findings {
		if f.Severity == finding.Damage {
			out = append(out, f.Code)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestCatalogue(t *testing.T) {
	left := 0
	all := slices.Concat(damages.Tried, damages.Proved())
	for _, d := range all {
		s := scenes.Open(t, d.Base)
		d.Plant(s)
		devs := devices(s)
		r, err := repair.Plan(context.Background(), devs[0], devs[1:], repair.Options{Options: fsck.Options{Now: damages.Now, Verify: s.Verify}})
		if err != nil {
			t.Errorf("%s: %v", d.Name, err)
			left++
			continue
		}
		if r.After.Result == fsck.Damaged {
			left++
			t.Logf("%s: %v, left %v; %s", d.Name, codes(r.Before), codes(r.After), r.Evidence)
		}
	}
	t.Logf("%d of %d left", left, len(all))
}
