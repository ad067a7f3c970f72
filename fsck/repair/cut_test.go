// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"context"
	"maps"
	"testing"

	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/powercut"
	"bctl/internal/lab/scenes"
)

// Cut at every write, with unflushed writes lost in any order, a repair that is run again ends as if it had not been
// cut: without damage, with the same data.
func TestCuts(t *testing.T) {
	if testing.Short() {
		t.Skip("repairs a hundred cuts: some ten seconds")
	}
	for _, name := range []string{"U18", "U27", "K69", "K58", "U47.2"} {
		t.Run(name, func(t *testing.T) {
			d := find(t, name)
			s := scenes.Open(t, d.Base)
			d.Plant(s)
			devs := devices(s)
			r := planned(t, devs)
			if r.Plans[0] == nil || r.After.Result == fsck.Damaged {
				t.Fatalf("not repaired: %v", codes(r.After))
			}
			want := live(t, after(r, devs)[0])
			before := powercut.New(devs[0].R, devs[0].Size)
			done := before.Fork()
			if err := r.Plans[0].Run(done); err != nil {
				t.Fatal(err)
			}
			for state, cut := range done.Cuts(before, 4) {
				again := devs[0]
				again.R = cut
				second, err := repair.Plan(context.Background(), again, devs[1:], repair.Options{Options: fsck.Options{Now: damages.Now}})
				if err != nil {
					t.Fatalf("%s: %v", state, err)
				}
				if second.After.Result == fsck.Damaged {
					t.Fatalf("%s: %v is left", state, codes(second.After))
				}
				if second.Plans[0] != nil {
					again.R = second.Plans[0].Overlay(again.R)
				}
				if got := live(t, again); !maps.Equal(got, want) {
					t.Fatalf("%s: %d sectors, want the %d of an uncut repair", state, len(got), len(want))
				}
			}
		})
	}
}

// find is a damage of the catalogue by its name.
func find(t *testing.T, name string) damages.Damage {
	t.Helper()
	for _, list := range [][]damages.Damage{damages.Tried, damages.Proved()} {
		for _, d := range list {
			if d.Name == name {
				return d
			}
		}
	}
	t.Fatalf("no damage %q", name)
	return damages.Damage{}
}
