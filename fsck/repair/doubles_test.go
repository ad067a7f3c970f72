// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/internal/disk/plan"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
)

// envDoubles is how many pairs and triples TestDoubles plants, envDoublesSeed the number of the first.
const envDoubles, envDoublesSeed = "BCTL_REPAIR_DOUBLES", "BCTL_REPAIR_DOUBLES_SEED"

// byBase are the catalogue's damages by the image that they are planted in.
func byBase() (bases []string, by map[string][]damages.Damage) {
	by = map[string][]damages.Damage{}
	for _, d := range slices.Concat(damages.Tried, damages.Proved()) {
		if by[d.Base] == nil {
			bases = append(bases, d.Base)
		}
		by[d.Base] = append(by[d.Base], d)
	}
	return slices.DeleteFunc(bases, func(b string) bool { return len(by[b]) < 2 }), by
}

// plantSome plants two or three damages, each in the device that the one before left. What one of them does not find
// any more it does not damage.
func plantSome(t *testing.T, rnd *rand.Rand, base string, of []damages.Damage) (s *damages.Scene, names []string) {
	t.Helper()
	s = scenes.Open(t, base)
	_ = planter.Try(func(tb planter.TB) {
		x := damages.New(planter.Open(tb, s.Image), s.Back...)
		defer func() { x.Cache = s.Cache; *s = *x }()
		for range 2 + rnd.IntN(2) {
			d := of[rnd.IntN(len(of))]
			names = append(names, d.Name)
			d.Plant(x)
		}
	})
	return s, names
}

// runs bounds how often a set is repaired before it must stay as it is.
const runs = 3

// settle repairs devices until a run would write nothing, and says what is wrong with that.
func settle(devs []fsck.Device) (last *repair.Result, bad verdict) {
	ended := false
	for range runs {
		r, err := repair.Plan(context.Background(), devs[0], devs[1:], repair.Options{Options: fsck.Options{Now: now}})
		if err != nil {
			if ended {
				bad.Add("another run: %v", err)
			}
			return last, bad // it says what is lost, and writes nothing
		}
		if last = r; ended {
			if got := codes(r.Before); len(got) > 0 {
				bad.Add("another run finds %v", got)
			}
		}
		before, still := r.Damages()
		if still > 0 && still >= before || !slices.ContainsFunc(r.Plans, func(p *plan.Plan) bool { return p != nil }) {
			return last, bad
		}
		ended = still == 0
		devs = after(r, devs)
	}
	bad.Add("%d runs do not end it: %v, %q", runs, codes(last.Before), last.Evidence)
	return last, bad
}

// Two and three damages at once, of the catalogue or random: no panic, no end that the next run does not agree with.
func TestDoubles(t *testing.T) {
	count, first := envInt(t, envDoubles, 16), envInt(t, envDoublesSeed, 0)
	bases, by := byBase()
	images := imgtest.AllNames(t)
	whole, left := 0, map[finding.Code]int{}
	for i := first; i < first+count; i++ {
		rnd := rand.New(rand.NewPCG(uint64(i), 23))
		base, names := bases[rnd.IntN(len(bases))], []string(nil)
		var s *damages.Scene
		if i%2 == 0 {
			s, names = plantSome(t, rnd, base, by[base])
		} else {
			base = images[rnd.IntN(len(images))]
			s = scenes.Open(t, base)
			all := spots(s)
			for range 2 + rnd.IntN(2) {
				names = append(names, strike(rnd, s, all, kindsOf(all)))
			}
			s.Give = len(s.Back)
		}
		r, bad := settle(devices(s))
		if len(bad) > 0 {
			t.Errorf("%d: %s: %s: %v", i, base, strings.Join(names, " + "), bad)
		}
		switch {
		case r == nil:
			left["none"]++
		case len(codes(r.After)) == 0:
			whole++
		}
		if r != nil {
			for _, c := range codes(r.After) {
				left[c]++
				if finding.Lookup(c).Fix != finding.None {
					t.Logf("%d: %s: %s: left %v, %q", i, base, strings.Join(names, " + "), codes(r.After), r.Evidence)
				}
			}
		}
	}
	t.Logf("%d of %d end whole; left: %v", whole, count, left)
}
