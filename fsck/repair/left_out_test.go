// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/scenes"
)

// What is left out stays as it is, or what is lost of it is listed: a repair of a slot passes over no damaged leaf.
func TestLeftOut(t *testing.T) {
	for _, x := range []struct {
		image, left string
		damage      string
		only        finding.Code
		code        finding.Code // of what is left out
	}{
		{"version5", "K53", "K30", finding.BDNoSlot, finding.BTCorrupted},
		{"writeback-crash-mid", "U64", "gen moved past a dirty pointer", finding.EXStaleDirty, finding.EXDirtyNoPtr},
	} {
		s := scenes.Open(t, x.image)
		rnd := rand.New(rand.NewPCG(1, 1))
		for _, name := range []string{x.left, x.damage} {
			if got := plantMore(t, rnd, s, []damages.Damage{find(t, name)}, 1); len(got) == 0 {
				t.Fatalf("%s: %s is not planted", x.image, name)
			}
		}
		devs := allOf(s)
		o := repair.Options{Options: fsck.Options{Now: now}, Only: []finding.Code{x.only}}
		r, err := repair.Plan(context.Background(), devs[0], devs[1:], o)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(codes(r.Before), x.code) || repair.Damage(r.After)[x.only] > 0 {
			t.Errorf("%s: %v, then %v", x.image, codes(r.Before), codes(r.After))
		}
		still := repair.Damage(r.After)[x.code] > 0
		listed := slices.ContainsFunc(r.Lost, func(l repair.Lost) bool { return l.Code == x.code })
		if still == listed {
			t.Errorf("%s: %s is there still: %v, listed: %v", x.image, x.code, still, listed)
		}
	}
}
