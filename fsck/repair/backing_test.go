// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
	"bctl/superblock"
)

// What is wiped of a backing device's superblock, or written over it.
var wipes = map[string]func(m *planter.Image){
	"the magic":              func(m *planter.Image) { m.Put(ondisk.SuperOffset+24, make([]byte, 16)) },
	"the first 8 KiB":        func(m *planter.Image) { m.Put(0, make([]byte, 8192)) },
	"an ext4 over its start": func(m *planter.Image) { m.Put(0, bytes.Repeat([]byte{0xa5}, 8192)); m.Put(1080, []byte{0x53, 0xef}) },
}

// A wiped backing superblock comes back from the cache's slot: which volume it is of, and where its data start, is
// proven by what both hold.
func TestLostBacking(t *testing.T) {
	for _, name := range []string{"writeback-dirty", "two-backing-flash"} {
		for what, wipe := range wipes {
			s := scenes.Open(t, name)
			s.Give = len(s.Back)
			was := planter.ReadSuper(s.Back[0])
			wipe(s.Back[0])
			devs := devices(s)
			r := planned(t, devs)
			if r.After.Result == fsck.Damaged || r.Plans[1] == nil || r.Plans[0] != nil || len(r.Lost) > 0 {
				t.Errorf("%s: %s: %v, lost %v, %s", name, what, codes(r.After), r.Lost, r.Evidence)
				continue
			}
			raw := make([]byte, ondisk.SuperSize)
			if _, err := after(r, devs)[1].R.ReadAt(raw, ondisk.SuperOffset); err != nil {
				t.Fatal(err)
			}
			is, _ := ondisk.DecodeSuper(raw)
			if is.UUID != was.UUID || is.SetUUID != was.SetUUID || is.Version != was.Version || what != "the magic" && is.State() != ondisk.StateDirty ||
				is.BlockSize < was.BlockSize || is.Csum != is.Checksum() {
				t.Errorf("%s: %s: %+v, want %+v", name, what, is, was)
			}
			if again := planned(t, after(r, devs)); again.Plans[0] != nil || again.Plans[1] != nil {
				t.Errorf("%s: %s: a second run would write", name, what)
			}
		}
	}
}

// A device that no slot fits, or that two may, is left as it is, and what was found is said.
func TestLostBackingOfNothing(t *testing.T) {
	s := scenes.Open(t, "two-backing-flash")
	stranger := planter.NewImage(nil, s.Back[0].Size())
	stranger.Put(8192, bytes.Repeat([]byte{7}, 1<<20))
	devs := devices(s)
	devs = append(devs[:1], fsck.Device{Name: "stranger", R: stranger, Size: stranger.Size(), LogicalBlock: 512})
	r, err := repair.Plan(context.Background(), devs[0], devs[1:], repair.Options{Options: fsck.Options{Now: damages.Now}})
	if err != nil {
		t.Fatal(err)
	}
	if got := codes(r.After); !slices.Equal(got, []finding.Code{finding.BDSuper}) || r.Plans[1] != nil || !strings.Contains(strings.Join(r.Evidence, "\n"), repair.ErrLostSuper.Error()) {
		t.Errorf("%v, %s", got, r.Evidence)
	}
}

// Where nothing tells where a volume's data start, make-bcache's default is taken; never unasked.
func TestLostBackingGuessed(t *testing.T) {
	s := scenes.Open(t, "fifo-full")
	s.Give = 1
	was := planter.ReadSuper(s.Back[0])
	s.Back[0].Put(ondisk.SuperOffset, make([]byte, ondisk.SuperSize))
	devs := devices(s)
	r := planned(t, devs)
	if len(codes(r.After)) > 0 || r.Guess == "" || r.Loses() == "" {
		t.Fatalf("%v, guess %q, %s", codes(r.After), r.Guess, r.Evidence)
	}
	if is, err := superblock.Read(after(r, devs)[1].R); err != nil || is.UUID != was.UUID || superblock.DataOffset(is) != superblock.DataOffset(was) {
		t.Errorf("%v, %v", is, err)
	}
}

// Data whose first cached sector is at a whole MiB start there: by chance it would be one of 256.
func TestLostBackingOffset(t *testing.T) {
	s := scenes.Open(t, "made-small")
	s.AddSet(s.Root(), planter.Dirty(s.Key(0, 2048+64, 64, s.Geo.Start(s.Free(1)[0]), 0)))
	devs := append(devices(s)[:1], fsck.Device{Name: "back", R: planter.NewImage(nil, 8<<20), Size: 8 << 20, LogicalBlock: 512})
	r := planned(t, devs)
	if len(codes(r.After)) > 0 || r.Guess == "" || r.Plans[1] == nil {
		t.Fatalf("%v, guess %q, %s", codes(r.After), r.Guess, r.Evidence)
	}
	if is, err := superblock.Read(after(r, devs)[1].R); err != nil || superblock.DataOffset(is) != 2048 {
		t.Errorf("%v, %v", is, err)
	}
}

// A dirty device that no slot names gets the one that was taken from it, invalidated or named twice: the kernel makes a
// device clean or nobody's before it takes its slot. Nothing is lost, nothing renamed, and all of it is the device's.
func TestSlotOfADirtyDevice(t *testing.T) {
	slot := func(change func(u *ondisk.UUIDEntry)) damages.Damage {
		return damages.Damage{Base: "writeback-dirty", Plant: func(s *damages.Scene) { s.EditSlot(0, change) }}
	}
	for name, d := range map[string]damages.Damage{
		"U37": find(t, "U37"), "U39": find(t, "U39"),
		"nearly the mark":     slot(func(u *ondisk.UUIDEntry) { u.UUID = ondisk.InvalidUUID; u.UUID[5] ^= 4 }),
		"mark without a time": slot(func(u *ondisk.UUIDEntry) { u.UUID = ondisk.InvalidUUID }),
	} {
		s := scenes.Open(t, d.Base)
		was := slotsOf(t, devices(s)[0])
		d.Plant(s)
		s.Give = len(s.Back)
		devs := devices(s)
		r := planned(t, devs)
		if r.After.Result == fsck.Damaged || len(r.Lost) > 0 || r.Renamed || r.Unknown {
			t.Errorf("%s: %v, lost %v, %s", name, codes(r.After), r.Lost, r.Evidence)
		}
		for i, u := range slotsOf(t, after(r, devs)[0]) {
			if u != was[i] {
				t.Errorf("%s: slot %d is %v, it was %v", name, i, u, was[i])
			}
		}
	}
}

// A flash-only volume with dirty data whose uuid became the mark of a destroyed one, without the time that comes with it,
// stays, under another uuid.
func TestSlotOfAFlashVolume(t *testing.T) {
	s := scenes.Open(t, "two-backing-flash")
	want := live(t, devices(s)[0])
	tableOf := func(d fsck.Device) uuids.Table {
		raw, err := superblock.Read(d.R)
		if err != nil {
			t.Fatal(err)
		}
		c, err := inspect.Open(context.Background(), d.R, raw, inspect.Options{Size: d.Size, Sink: func(finding.Finding) {}})
		if err != nil {
			t.Fatal(err)
		}
		return c.UUIDs
	}
	slots := tableOf(devices(s)[0])
	i := slices.IndexFunc(slots, func(u ondisk.UUIDEntry) bool { return u.FlashOnly() })
	was := slots[i]
	s.EditSlot(i, func(u *ondisk.UUIDEntry) { u.UUID = ondisk.InvalidUUID })
	devs := devices(s)
	r := planned(t, devs)
	if r.After.Result == fsck.Damaged || len(r.Lost) > 0 {
		t.Errorf("%v, lost %v, %s", codes(r.After), r.Lost, r.Evidence)
	}
	done := after(r, devs)[0]
	if got := live(t, done); !maps.Equal(got, want) {
		t.Errorf("%d sectors, there were %d", len(got), len(want))
	}
	if u := tableOf(done)[i]; u.Sectors != was.Sectors || u.Label != was.Label || !u.FlashOnly() || u.UUID == ondisk.InvalidUUID {
		t.Errorf("%+v, it was %+v", u, was)
	}
}

// slotsOf are the uuids of a cache's slots.
func slotsOf(t *testing.T, d fsck.Device) (out []ondisk.UUID) {
	t.Helper()
	s, err := superblock.Read(d.R)
	if err != nil {
		t.Fatal(err)
	}
	c, err := inspect.Open(context.Background(), d.R, s, inspect.Options{Size: d.Size, Sink: func(finding.Finding) {}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range c.UUIDs {
		out = append(out, c.UUIDs[i].UUID)
	}
	return out
}
