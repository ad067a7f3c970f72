// SPDX-License-Identifier: GPL-2.0-only

package uuids

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/imgtest"
	"bctl/superblock"
)

func geometry(t testing.TB, metaBytes int) *superblock.Geometry {
	t.Helper()
	g, err := superblock.NewGeometry(&ondisk.Super{BlockSize: 1, BucketSize: uint16(metaBytes / ondisk.SectorBytes), Nbuckets: 1000, FirstBucket: 1})
	if err != nil {
		t.Fatal(err)
	}
	return &g
}

// What the kernel wrote is read and written again to the byte.
func TestKernelBuckets(t *testing.T) {
	for _, s := range imgtest.Seeds(t, "uuid") {
		g := geometry(t, len(s.Data))
		table, err := Read(bytes.NewReader(s.Data), g, 0, 1)
		if err != nil || len(table) != g.NrUUIDs() {
			t.Fatalf("%v: %d slots, want %d; %v", s, len(table), g.NrUUIDs(), err)
		}
		b, err := table.Encode(g)
		if err != nil || !bytes.Equal(b, s.Data) {
			t.Errorf("%v: encodes to other bytes; %v", s, err)
		}
		for i := range table {
			u := &table[i]
			if got, ok := table.Find(u.UUID); (StateOf(u) == Valid) != ok || ok && int(got) != i {
				t.Errorf("%v: slot %d, %v: found at %d, %v", s, i, StateOf(u), got, ok)
			}
		}
	}
}

// The volumes of two-backing-flash, as the kernel registered them.
func TestVolumesOfAnImage(t *testing.T) {
	for _, s := range imgtest.Seeds(t, "uuid") {
		if s.Image != "two-backing-flash" {
			continue
		}
		us := Decode(s.Data, 1)
		if len(us) != len(s.Data)/ondisk.UUIDEntryBytes {
			t.Fatalf("%d slots", len(us))
		}
		for i, want := range []struct {
			used, flash bool
			label       string
		}{{true, false, "home"}, {true, false, ""}, {true, true, ""}, {}} {
			u := us[i]
			label, _, _ := strings.Cut(string(u.Label[:]), "\n") // of whoever wrote it into sysfs; the kernel kept more
			label = strings.TrimRight(label, "\x00")
			if u.UUID.IsZero() == want.used || u.FlashOnly() != want.flash || (u.Sectors != 0) != want.flash || label != want.label {
				t.Errorf("slot %d: %v %q, flags %#x, %d sectors", i, u.UUID, label, u.Flags, u.Sectors)
			}
		}
		return
	}
	t.Fatal("no uuid bucket of two-backing-flash")
}

func TestStates(t *testing.T) {
	one, two := ondisk.UUID{1}, ondisk.UUID{2}
	table := Table{{UUID: one}, {UUID: ondisk.InvalidUUID}, {}, {UUID: two}, {UUID: one}}
	for i, want := range []State{Valid, Invalid, Empty, Valid, Valid, Empty, Empty} {
		if got := table.State(uint32(i)); got != want {
			t.Errorf("slot %d: %v, want %v", i, got, want)
		}
	}
	if table.State(1<<32-1) != Empty {
		t.Error("the last inode there can be")
	}
	for u, want := range map[ondisk.UUID]int{one: 0, two: 3, {}: -1, ondisk.InvalidUUID: -1, {9}: -1} {
		if i, ok := table.Find(u); ok != (want >= 0) || ok && int(i) != want {
			t.Errorf("%v: slot %d, %v; want %d", u, i, ok, want)
		}
	}
	if i, ok := table.FirstEmpty(); !ok || i != 2 {
		t.Errorf("first empty slot %d, %v", i, ok)
	}
	if _, ok := table[:2].FirstEmpty(); ok {
		t.Error("an empty slot of none")
	}
	if table.Count(Valid) != 3 || table.Count(Empty) != 1 || table.Count(Invalid) != 1 {
		t.Error("wrong counts")
	}
	if _, err := make(Table, 65).Encode(geometry(t, 8192)); !errors.Is(err, ErrTooMany) {
		t.Errorf("65 volumes in 64 slots: %v", err)
	}
}

// Slots of the old form: half the size, the same count.
func TestOldForm(t *testing.T) {
	b := make([]byte, 8*ondisk.UUIDEntryBytes)
	for i := range 16 {
		b[i*ondisk.UUIDEntryV0Bytes] = byte(i + 1)
		b[i*ondisk.UUIDEntryV0Bytes+60] = 0xff // the pad
	}
	us := Decode(b, 0)
	if len(us) != 8 {
		t.Fatalf("%d slots, want 8", len(us))
	}
	for i, u := range us {
		if u.UUID[0] != byte(i+1) || u.Flags != 0 || u.Sectors != 0 {
			t.Errorf("slot %d: %+v", i, u)
		}
	}
	if us := Decode(b[:ondisk.UUIDEntryBytes-1], 1); len(us) != 0 {
		t.Errorf("%d slots in less than one", len(us))
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range imgtest.Seeds(f, "uuid") {
		f.Add(s.Data[:4096], uint32(1))
		f.Add(s.Data[:1024], uint32(0))
	}
	f.Fuzz(func(t *testing.T, b []byte, version uint32) {
		us := Decode(b, version)
		if len(us) != len(b)/ondisk.UUIDEntryBytes {
			t.Fatalf("%d slots in %d bytes", len(us), len(b))
		}
		for i, u := range us {
			size, known := ondisk.UUIDEntryBytes, ondisk.UUIDEntryBytes
			if version == 0 {
				size, known = ondisk.UUIDEntryV0Bytes, 60
			}
			if !bytes.Equal(u.Append(nil)[:known], b[i*size:][:known]) {
				t.Fatalf("slot %d encodes to other bytes", i)
			}
			if j, ok := us.Find(u.UUID); ok != (us.State(uint32(i)) == Valid) || ok && int(j) > i {
				t.Fatalf("slot %d found at %d, %v", i, j, ok)
			}
		}
	})
}
