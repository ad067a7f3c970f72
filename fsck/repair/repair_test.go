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

func plan(t testing.TB, devs []fsck.Device) *repair.Result {
	t.Helper()
	r, err := repair.Plan(context.Background(), devs[0], devs[1:], repair.Options{Options: fsck.Options{Now: damages.Now}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// after are the devices as they are once r is carried out.
func after(r *repair.Result, devs []fsck.Device) []fsck.Device {
	devs = slices.Clone(devs)
	for i, p := range r.Plans {
		if p != nil {
			devs[i].R = p.Overlay(devs[i].R)
		}
	}
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

// stays are the codes of damage that no repair takes away, each for the reason in its row, or because what would tell
// is not on the devices of the test.
var stays = []finding.Code{
	finding.SBBlockLogical, finding.SBFeatures, finding.SBByteOrder, finding.SPReserve, finding.BDBlock, finding.BDDuplicate,
	finding.BDStripes, // no filesystem stands behind any offset
	finding.JRNone,    // of the other byte order
	finding.BDSuper,   // blocks below the medium's
	finding.BDState,   // attached, without the cache that says to which set
	finding.SBVersion, // a backing device alone, which looks like neither kind
	finding.SBNoGeometry,
}

// Every damage of the catalogue is gone after a repair, a second run finds none, and a third would write nothing.
func TestCatalogue(t *testing.T) {
	left := 0
	all := slices.Concat(damages.Tried, damages.Proved())
	for _, d := range all {
		s := scenes.Open(t, d.Base)
		d.Plant(s)
		devs := devices(s)
		sums := []string{}
		for _, m := range append([]*planter.Image{s.Main}, s.Back[:s.Give]...) {
			sums = append(sums, m.Sum())
		}
		r := plan(t, devs)
		for i, m := range append([]*planter.Image{s.Main}, s.Back[:s.Give]...) {
			if m.Sum() != sums[i] {
				t.Fatalf("%s: a plan wrote", d.Name)
			}
		}
		if r.After.Result == fsck.Damaged {
			left++
			for _, c := range codes(r.After) {
				if !slices.Contains(stays, c) {
					t.Errorf("%s: %v, left %v; %s", d.Name, codes(r.Before), codes(r.After), r.Evidence)
					break
				}
			}
			continue
		}
		again := plan(t, after(r, devs))
		if got := codes(again.Before); len(got) > 0 {
			t.Errorf("%s: %v, then a second run finds %v", d.Name, codes(r.Before), got)
		}
		for i, p := range again.Plans {
			if p != nil {
				t.Errorf("%s: a second run would write to device %d", d.Name, i)
			}
		}
	}
	if left > 16 {
		t.Errorf("%d of %d damages stay", left, len(all))
	}
}

// Where no mender finds anything to start from, there is an error and no plan.
func TestNothingThere(t *testing.T) {
	devs := []fsck.Device{{Name: "dev0", R: planter.NewImage(nil, 1<<20), Size: 1 << 20}}
	r, err := repair.Plan(context.Background(), devs[0], nil, repair.Options{})
	if err == nil {
		t.Errorf("%+v", r)
	}
}
