// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"slices"
	"testing"

	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/scenes"
)

// Of two extents that claim the same sectors, the newer keeps them, as far as anything tells; the other loses these and
// no more, which are listed if they were dirty.
func TestSharedPart(t *testing.T) {
	const low, high = 64, 264 // where the two end in their volume; low comes first in the cache
	for name, c := range map[string]struct {
		clean, journal ondisk.Sector // the end of the one that is clean, or in the journal; 0: none is
		loser          ondisk.Sector
	}{
		"nothing tells":           {0, 0, high},
		"the journal has the one": {0, high, low},
		"the one is clean":        {low, 0, low},
		"the other is clean":      {high, 0, high},
		"the newer is clean":      {high, high, low},
	} {
		s := scenes.Open(t, "made-small")
		b := s.Free(1)[0]
		at, gen := s.Geo.Start(b), s.Prios()[b].Gen
		keys := []ondisk.Bkey{s.Key(0, low, 64, at, gen), s.Key(0, high, 64, at+56, gen)}
		for i := range keys {
			keys[i].SetDirty(keys[i].Offset() != c.clean)
		}
		s.AddSet(s.Root(), keys...)
		if c.journal > 0 {
			s.AddEntry(func(j *ondisk.Jset) {
				j.Keys = []ondisk.Bkey{keys[slices.IndexFunc(keys, func(k ondisk.Bkey) bool { return k.Offset() == c.journal })]}
			})
		}
		devs := devices(s)
		was := live(t, devs[0])
		r := planned(t, devs)
		now := live(t, after(r, devs)[0])
		gone := ondisk.Sector(low - 8) // of the two, the sectors that may go
		if c.loser == high {
			gone = high - 64
		}
		for at, is := range was {
			_, there := now[at]
			if lost := at.at >= gone && at.at < gone+8; there == lost || there && now[at] != is {
				t.Errorf("%s: sector %d: there %v", name, at.at, there)
			}
		}
		want := []repair.Lost{{Offset: gone, Count: 8, Dirty: c.clean != c.loser, Known: true, Code: finding.EXShared}}
		got := slices.Clone(r.Lost)
		for i := range got {
			got[i].Device, got[i].Label = "", ""
		}
		if r.After.Result == fsck.Damaged || !slices.Equal(got, want) {
			t.Errorf("%s: %v, given up %+v", name, codes(r.After), got)
		}
		if r.Loses() == "" { // of two dirty ones, one; of a dirty and a clean one, it may be the dirty one that is wrong
			t.Errorf("%s: -p does it", name)
		}
	}
}

// Where the journal has the place of what lost its sectors, nothing is lost.
func TestSharedRetold(t *testing.T) {
	d := find(t, "two keys claim the same cache sectors")
	was, err := truthOf(allOf(scenes.Open(t, d.Base)))
	if err != nil {
		t.Fatal(err)
	}
	s := scenes.Open(t, d.Base)
	d.Plant(s)
	if r, bad := repairWell(t, was, allOf(s)); len(bad) > 0 || len(r.Lost) > 0 {
		t.Errorf("%v, given up %v", bad, r.Lost)
	}
}

// A leaf that the journal calls an interior node, because children were led to from it, keeps what it has.
func TestCalledNone(t *testing.T) {
	s := scenes.Open(t, "discard-random")
	was, err := truthOf(allOf(s))
	if err != nil {
		t.Fatal(err)
	}
	free := s.Free(3)
	keys := []ondisk.Bkey{s.PutNode(free[0], 0, 1000, ondisk.Pos{Offset: 1000}), s.PutNode(free[1], 0, 1001, ondisk.MaxKey.Pos())}
	s.AddSet(s.Root(), keys...)
	s.SetRoot(s.Root().Key, 1)
	if r, bad := repairWell(t, was, allOf(s)); len(bad) > 0 {
		t.Errorf("%v, given up %v, %q", bad, r.Lost, r.Evidence)
	}
}
