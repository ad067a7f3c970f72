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
)

// devices are a scene's, as a check gets them.
func devices(s *damages.Scene) (devs []fsck.Device) {
	for i, m := range append([]*planter.Image{s.Main}, s.Back[:s.Give]...) {
		devs = append(devs, fsck.Device{Name: "dev" + string(rune('0'+i)), R: m, Size: m.Size(), LogicalBlock: 512})
	}
	devs[0].LogicalBlock = max(512, s.Logical)
	return devs
}

func planned(t testing.TB, devs []fsck.Device) *repair.Result {
	t.Helper()
	r, err := repair.Plan(context.Background(), devs[0], devs[1:], repair.Options{Options: fsck.Options{Now: damages.Now}})
	if err != nil {
		t.Fatal(err)
	}
	return r
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

// Where no mender finds anything to start from, there is an error and no plan.
func TestNothingThere(t *testing.T) {
	devs := []fsck.Device{{Name: "dev0", R: planter.NewImage(nil, 1<<20), Size: 1 << 20}}
	r, err := repair.Plan(context.Background(), devs[0], nil, repair.Options{})
	if err == nil {
		t.Errorf("%+v", r)
	}
}
