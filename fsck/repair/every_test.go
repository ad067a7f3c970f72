// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"os"
	"slices"
	"testing"

	"bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
	"bctl/superblock"
)

// envEvery is the name of the one damage that TestEveryImage plants.
const envEvery = "BCTL_REPAIR_EVERY"

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
// but for what the damage itself changes and what was said to be given up, and of that nothing that the damage does not
// touch; taken back, the devices are as they were; and another run writes nothing.
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
			only := os.Getenv(envEvery)
			for _, d := range slices.Concat(damages.Tried, damages.Proved(), damages.Boundaries, damages.Legal) {
				if only != "" && only != d.Name {
					continue
				}
				s := plantAnywhere(t, name, d)
				if s == nil || s.Main != s.Image || slices.ContainsFunc(s.Back, func(m *planter.Image) bool { return m.Size() < ondisk.SuperOffset+ondisk.SuperSize }) {
					tally["not here"]++
					continue
				}
				base := baselineOf(scenes.Open(t, name), s)
				r, bad := repairBy(t, was, base, allOf(s))
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
					t.Errorf("%s %v: found %v: %v\n   %q, given up %v", d.Name, d.Codes, before, bad, r.Evidence, r.Lost[:min(len(r.Lost), 9)])
				}
			}
			t.Log(tally)
		})
	}
}

// What was found by planting everything everywhere: a bset that its checksum fits and that is damaged all the same is not
// corrected again and again; a slot that is lost is mended too where the metadata are made anew a second time, for
// something else.
func TestOtherImages(t *testing.T) {
	for _, x := range [][2]string{
		{"writeback-crash-mid", "K47"},
		{"writeback-crash-mid", "K48"},
		{"discard-random", "U20"}, // an older prio chain, and clean data that it made current again
		{"discard-random", "U20.2"},
	} {
		image, name := x[0], x[1]
		s := plantAnywhere(t, image, find(t, name))
		was, err := truthOf(allOf(scenes.Open(t, image)))
		if err != nil {
			t.Fatal(err)
		}
		if _, bad := repairWell(t, was, allOf(s)); len(bad) > 0 {
			t.Errorf("%s: %s: %v", image, name, bad)
		}
	}
	s := plantAnywhere(t, "read-misses", find(t, "journalled key of size 0"))
	s.EditSlot(0, func(u *ondisk.UUIDEntry) { u.UUID, u.Invalidated = ondisk.InvalidUUID, u.LastReg+1 })
	planter.EditSuper(s.Back[0], func(sb *ondisk.Super) { sb.SetState(ondisk.StateStale) })
	if r := planned(t, allOf(s)); len(codes(r.Before)) < 2 || len(codes(r.After)) > 0 {
		t.Errorf("%v is %v afterwards, %q", codes(r.Before), codes(r.After), r.Evidence)
	}
}

// A superblock that is whole, and says another size or place than that of what is there, costs nothing: the journal's
// entries tell what is right.
func TestMisled(t *testing.T) {
	for name, change := range map[string]func(*ondisk.Super){
		"behind":       func(sb *ondisk.Super) { sb.BucketSize *= 4 },
		"first bucket": func(sb *ondisk.Super) { planter.SetJournal(sb, 400, int(sb.Keys)) },
		"inside":       func(sb *ondisk.Super) { planter.SetJournal(sb, 9, int(sb.Keys)) },
		"bucket size":  func(sb *ondisk.Super) { sb.BucketSize /= 2 },
		"block size":   func(sb *ondisk.Super) { sb.BlockSize = 1 },
		"ring":         func(sb *ondisk.Super) { planter.SetJournal(sb, 1, 32) },
		"version":      func(sb *ondisk.Super) { sb.Version = ondisk.VersionBacking },
		"late ring":    func(sb *ondisk.Super) { planter.SetJournal(sb, 3, int(sb.Keys)) },
		"later ring":   func(sb *ondisk.Super) { planter.SetJournal(sb, 2, int(sb.Keys)) },
		"few buckets":  func(sb *ondisk.Super) { sb.Nbuckets = 600 },
		"short ring":   func(sb *ondisk.Super) { planter.SetJournal(sb, 1, 3) },
		"set uuid":     func(sb *ondisk.Super) { sb.SetUUID[3] ^= 1 },
	} {
		s := scenes.Open(t, "writeback-dirty")
		was, err := truthOf(allOf(s))
		if err != nil {
			t.Fatal(err)
		}
		s.EditSuper(change)
		if r, bad := repairWell(t, was, allOf(s)); len(bad) > 0 || len(r.Lost) > 0 {
			t.Errorf("%s: %v, lost %v", name, bad, r.Lost)
		}
	}
}

// A device that has grown, and a damaged key that leads behind the last bucket, are no reason to count more buckets.
func TestGrown(t *testing.T) {
	d := find(t, "K60")
	s := scenes.Open(t, d.Base)
	s.Resize(s.Size() + 4<<20)
	d.Plant(s)
	devs := devices(s)
	want := s.Super().Nbuckets
	r := planned(t, devs)
	is, err := superblock.Read(after(r, devs)[0].R)
	if err != nil || is.Nbuckets != want || r.After.Result == fsck.Damaged {
		t.Errorf("%v, %d buckets, %v", err, is.Nbuckets, codes(r.After))
	}
}
