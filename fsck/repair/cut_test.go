// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"context"
	"errors"
	"maps"
	"testing"

	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/powercut"
	"bctl/internal/lab/scenes"
	"bctl/superblock"
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

// lostAll takes superblock and journal from a cache with dirty data.
func lostAll(s *damages.Scene) {
	s.Put(ondisk.SuperOffset, make([]byte, ondisk.SuperSize))
	for i := range s.Geo.NJournal {
		s.Put(s.Geo.Start(s.Geo.FirstBucket+ondisk.Bucket(i)).Bytes(), make([]byte, s.Geo.BucketSectors.Bytes()))
	}
}

// scanned is a repair of what may have lost superblock and journal, as fsck -y --scan plans it.
func scanned(t *testing.T, dev fsck.Device) *repair.Result {
	t.Helper()
	o := repair.Options{Options: fsck.Options{Now: damages.Now}}
	r, err := repair.Plan(context.Background(), dev, nil, o)
	if errors.Is(err, superblock.ErrNotBcache) {
		if o.Hints.Marks, err = superblock.FindMarks(context.Background(), dev.R, dev.Size, nil); err == nil {
			r, err = repair.Plan(context.Background(), dev, nil, o)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Cut at every write, a cache that is made anew from its btree nodes is made anew by the next run; one that is taken back
// to an older entry is as it was before, or taken back.
func TestCutsOfMore(t *testing.T) {
	if testing.Short() {
		t.Skip("repairs a hundred cuts: some ten seconds")
	}
	t.Run("scan", func(t *testing.T) {
		s := scenes.Open(t, "hostile")
		lostAll(s)
		devs := devices(s)
		r := scanned(t, devs[0])
		want := live(t, after(r, devs)[0])
		if len(want) == 0 || r.After.Result == fsck.Damaged {
			t.Fatalf("%d sectors, %v", len(want), codes(r.After))
		}
		eachCut(t, devs[0], r, func(state string, cut fsck.Device) {
			second := scanned(t, cut)
			if second.Plans[0] != nil {
				cut.R = second.Plans[0].Overlay(cut.R)
			}
			if got := live(t, cut); second.After.Result == fsck.Damaged || !maps.Equal(got, want) {
				t.Errorf("%s: %d sectors, want %d; %v", state, len(got), len(want), codes(second.After))
			}
		})
	})
	t.Run("rewind", func(t *testing.T) {
		s := rewindable(t)["a dirty key"]
		devs := devices(s)
		was := live(t, devs[0])
		o := repair.Options{Options: fsck.Options{Now: damages.Now}, Rewind: s.Newest().Seq - 1}
		r, err := repair.Plan(context.Background(), devs[0], nil, o)
		if err != nil {
			t.Fatal(err)
		}
		want := live(t, after(r, devs)[0])
		if maps.Equal(was, want) {
			t.Fatal("nothing is rewound")
		}
		states := map[bool]int{}
		eachCut(t, devs[0], r, func(state string, cut fsck.Device) {
			second := planned(t, []fsck.Device{cut})
			if second.Plans[0] != nil {
				cut.R = second.Plans[0].Overlay(cut.R)
			}
			got := live(t, cut)
			if second.After.Result == fsck.Damaged || !maps.Equal(got, want) && !maps.Equal(got, was) {
				t.Errorf("%s: %d sectors, before %d, rewound %d; %v", state, len(got), len(was), len(want), codes(second.After))
			}
			states[maps.Equal(got, want)]++
		})
		if states[true] == 0 || states[false] == 0 {
			t.Errorf("%v", states)
		}
	})
}

// eachCut is every state of a device that a plan which was cut short leaves.
func eachCut(t *testing.T, dev fsck.Device, r *repair.Result, look func(state string, cut fsck.Device)) {
	t.Helper()
	before := powercut.New(dev.R, dev.Size)
	done := before.Fork()
	if err := r.Plans[0].Run(done); err != nil {
		t.Fatal(err)
	}
	n := 0
	for state, cut := range done.Cuts(before, 3) {
		again := dev
		again.R = cut
		look(state, again)
		n++
	}
	t.Logf("%d states", n)
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
