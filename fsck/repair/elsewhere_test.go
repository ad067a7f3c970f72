// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/powercut"
	"bctl/internal/lab/scenes"
)

// envCuts are the names of the damages whose repair TestCutsElsewhere cuts, with commas.
const envCuts = "BCTL_REPAIR_CUTS"

// plantMore plants some more damages where they find what they damage.
func plantMore(t *testing.T, rnd *rand.Rand, s *damages.Scene, of []damages.Damage, n int) (names []string) {
	t.Helper()
	for range n {
		d := of[rnd.IntN(len(of))]
		img := s.Main.Copy()
		var back []*planter.Image
		for _, b := range s.Back {
			back = append(back, b.Copy())
		}
		ok := false
		func() {
			defer func() { _ = recover() }() // planters of tests end so
			_ = planter.Try(func(tb planter.TB) {
				x := damages.New(planter.Open(tb, img), back...)
				d.Plant(x)
				ok = x.Main == img
			})
		}()
		if ok {
			s.Main, s.Back = img, back
			names = append(names, d.Name)
		}
	}
	return names
}

// Two and three damages of the catalogue at once, in images that it was not made for (BCTL_IMAGES): another run agrees, and
// what is gone was said to be.
func TestDoublesElsewhere(t *testing.T) {
	if !imgtest.Elsewhere() {
		t.Skip("many damages: set BCTL_IMAGES to a folder of images")
	}
	count, first := envInt(t, envDoubles, 16), envInt(t, envDoublesSeed, 0)
	list := slices.Concat(damages.Tried, damages.Proved())
	for _, name := range imgtest.AllNames(t) {
		if only := os.Getenv(envFlipImage); only != "" && only != name {
			continue
		}
		whole := scenes.Open(t, name)
		was, err := truthOf(allOf(whole))
		if err != nil {
			t.Fatal(err)
		}
		tally := map[string]int{}
		for i := first; i < first+count; i++ {
			rnd := rand.New(rand.NewPCG(uint64(i), 31))
			s := &damages.Scene{Cache: whole.Cache, Back: whole.Back, Main: whole.Image}
			names := strings.Join(plantMore(t, rnd, s, list, 2+i%2), " + ")
			r, bad := settle(allOf(s))
			if len(bad) > 0 {
				t.Errorf("%s %d: %s: %v", name, i, names, bad)
			}
			if r == nil || len(codes(r.After)) > 0 {
				tally["left"]++
				if r != nil && !slices.ContainsFunc(codes(r.After), func(c finding.Code) bool { return finding.Lookup(c).Fix == finding.None }) {
					t.Logf("%s %d: %s: left %v, %q", name, i, names, codes(r.After), r.Evidence)
				}
				continue
			}
			if _, bad := repairBy(t, was, baselineOf(whole, s), allOf(s)); len(bad) > 0 {
				t.Errorf("%s %d: %s: %v, %q", name, i, names, bad, r.Evidence)
				tally["bad"]++
			}
		}
		t.Logf("%s: of %d %v", name, count, tally)
	}
}

// Cut at every write, with unflushed writes lost in any order, a repair of an image of BCTL_IMAGES that is run again ends
// without damage. Where its content is another than an uncut repair's it is logged: clean data may be given up twice.
func TestCutsElsewhere(t *testing.T) {
	if os.Getenv(envCuts) == "" {
		t.Skip("name damages in BCTL_REPAIR_CUTS")
	}
	for _, image := range imgtest.AllNames(t) {
		if only := os.Getenv(envFlipImage); only != "" && only != image {
			continue
		}
		for name := range strings.SplitSeq(os.Getenv(envCuts), ",") {
			s := plantAnywhere(t, image, find(t, name))
			if s == nil {
				t.Logf("%s: %s: not here", image, name)
				continue
			}
			devs := allOf(s)
			r := planned(t, devs)
			if r.Plans[0] == nil || r.After.Result == fsck.Damaged {
				t.Logf("%s: %s: nothing is written: %v", image, name, codes(r.After))
				continue
			}
			want := live(t, after(r, devs)[0])
			before := powercut.New(devs[0].R, devs[0].Size)
			done := before.Fork()
			if err := r.Plans[0].Run(done); err != nil {
				t.Fatal(err)
			}
			states, others := 0, 0
			for state, cut := range done.Cuts(before, 3) {
				states++
				again := slices.Clone(devs)
				again[0].R = cut
				second, err := repair.Plan(context.Background(), again[0], again[1:], repair.Options{Options: fsck.Options{Now: now}})
				if err != nil || second.After.Result == fsck.Damaged {
					t.Errorf("%s: %s: %s: %v, %v", image, name, state, err, second)
					continue
				}
				got := live(t, after(second, again)[0])
				for at, is := range want {
					if got[at] != is {
						others++
						if others == 1 {
							t.Logf("%s: %s: %s: volume %d sector %d: %v, then %v", image, name, state, at.inode, at.at, is, got[at])
						}
						break
					}
				}
			}
			t.Logf("%s: %s: %d states, in %d another content", image, name, states, others)
		}
	}
}
