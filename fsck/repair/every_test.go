// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"slices"
	"testing"

	"bctl/fsck"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
)

// plantAnywhere plants a damage of the catalogue in an image that it was not made for. Where it does not find what it
// damages, it is no scene.
func plantAnywhere(t *testing.T, name string, d damages.Damage) *damages.Scene {
	t.Helper()
	s := scenes.Open(t, name)
	var x *damages.Scene
	planted := false
	func() {
		defer func() { _ = recover() }() // planters of tests end so
		planted = planter.Try(func(tb planter.TB) {
			x = damages.New(planter.Open(tb, s.Image), s.Back...)
			d.Plant(x)
		}) == nil
	}()
	if !planted {
		return nil
	}
	s.Main, s.Logical, s.Verify = x.Main, x.Logical, x.Verify
	return s
}

// Every damage of the catalogue, in images that it was not made for (BCTL_IMAGES): mended in one run, with the same data
// but for what was said to be given up, and another run writes nothing.
func TestEveryImage(t *testing.T) {
	if !imgtest.Elsewhere() {
		t.Skip("hours of damages: set BCTL_IMAGES to a folder of images")
	}
	for _, name := range imgtest.AllNames(t) {
		t.Run(name, func(t *testing.T) {
			was, err := truthOf(allOf(scenes.Open(t, name)))
			if err != nil {
				t.Fatal(err)
			}
			tally := map[string]int{}
			for _, d := range slices.Concat(damages.Tried, damages.Proved(), damages.Boundaries, damages.Legal) {
				s := plantAnywhere(t, name, d)
				if s == nil || s.Main != s.Image {
					tally["not here"]++
					continue
				}
				r, bad := repairWell(t, was, allOf(s))
				switch {
				case len(bad) == 0:
					tally["well"]++
				case r == nil:
					t.Errorf("%s %v: %v", d.Name, d.Codes, bad)
				case r.Before != nil && slices.ContainsFunc(codes(r.Before), func(c finding.Code) bool { return finding.Lookup(c).Fix == finding.None }):
					tally["not for repair"]++
				default:
					before := []finding.Code(nil)
					if r.Before != nil && r.Before.Result == fsck.Damaged {
						before = codes(r.Before)
					}
					t.Errorf("%s %v: found %v: %v\n   %q", d.Name, d.Codes, before, bad, r.Evidence)
				}
			}
			t.Log(tally)
		})
	}
}
