// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/planter"
)

// orphan is two-backing-flash as a detach leaves it that comes while data are dirty: slot 0 invalidated, its backing
// device of no set.
func orphan(t *testing.T) *imgtest.Image {
	t.Helper()
	img := imgtest.Open(t, "two-backing-flash")
	editCache(t, img.Cache, func(c *planter.Cache) {
		c.EditSlot(0, func(u *ondisk.UUIDEntry) { u.UUID, u.Invalidated = ondisk.InvalidUUID, u.LastReg+1 })
	})
	editBacking(t, img.Backing[0], func(s *ondisk.Super) { s.SetUUID = ondisk.UUID{}; s.SetState(ondisk.StateNone) })
	return img
}

// again is an orphan whose backing device was attached once more: it has slot 3, clean.
func again(t *testing.T) *imgtest.Image {
	t.Helper()
	img := orphan(t)
	var set, uuid ondisk.UUID
	editBacking(t, img.Backing[0], func(s *ondisk.Super) { uuid = s.UUID })
	editCache(t, img.Cache, func(c *planter.Cache) {
		set = c.Super().SetUUID
		c.EditSlot(3, func(u *ondisk.UUIDEntry) {
			*u = ondisk.UUIDEntry{UUID: uuid, FirstReg: 1700000000, LastReg: 1700000000}
		})
	})
	editBacking(t, img.Backing[0], func(s *ondisk.Super) { s.SetUUID = set; s.SetState(ondisk.StateClean) })
	return img
}

func editCache(t *testing.T, path string, change func(c *planter.Cache)) {
	t.Helper()
	onFile(t, path, func(m *planter.Image) { change(planter.Open(t, m)) })
}

func editBacking(t *testing.T, path string, change func(*ondisk.Super)) {
	t.Helper()
	onFile(t, path, func(m *planter.Image) { planter.EditSuper(m, change) })
}

func onFile(t *testing.T, path string, change func(m *planter.Image)) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	m := planter.NewImage(f, info.Size())
	change(m)
	if err := m.Flush(f); err != nil {
		t.Fatal(err)
	}
}

// wantVolumes fails the test unless the volumes of two-backing-flash read as the kernel read them, but for those left
// out.
func wantVolumes(t *testing.T, what string, img *imgtest.Image, without ...uint32) {
	t.Helper()
	for _, f := range imgtest.All {
		for _, v := range f.Volumes {
			if f.Name != img.Name || slices.Contains(without, v.Inode) {
				continue
			}
			args := []string{"export", img.Cache, "--volume", fmt.Sprint(v.Inode), "-o", "-"}
			if v.Backing != imgtest.NoBacking {
				args = []string{"export", img.Cache, img.Backing[v.Backing], "-o", "-"}
			}
			r := bctl(args...)
			if got := fmt.Sprintf("%x", sha256.Sum256([]byte(r.Stdout))); r.Code != 0 || got != v.SHA256 {
				t.Errorf("%s: volume %d: exit %d, %s, want %s; %s", what, v.Inode, r.Code, got, v.SHA256, r.Stderr)
			}
		}
	}
}

// A detached volume with dirty data is its backing device's again, byte for byte, whether that was attached again since
// or not; and it can be taken back.
func TestUUIDRelink(t *testing.T) {
	for name, test := range map[string]struct {
		make  func(*testing.T) *imgtest.Image
		flags []string
	}{"orphan": {orphan, nil}, "attached again": {again, []string{"--merge"}}} {
		t.Run(name, func(t *testing.T) {
			img := test.make(t)
			before := img.Sum()
			if r := bctl("fsck", img.Cache, img.Backing[0]); r.Code != 4 || !strings.Contains(r.Stdout, "UU04") {
				t.Fatalf("exit %d, %s", r.Code, r.Stdout)
			}
			args := append([]string{"uuid", "relink", img.Cache, img.Backing[0]}, test.flags...)
			if r := bctl(args...); r.Code != 0 || !strings.Contains(r.Stderr, "--yes") || img.Sum() != before {
				t.Fatalf("planned: %+v", r)
			}
			undo := t.TempDir() + "/u"
			if r := bctl(append(args, "--yes", "--undo", undo)...); r.Code != 0 {
				t.Fatalf("%+v", r)
			}
			if r := bctl(append([]string{"fsck"}, img.Paths()...)...); r.Code != 0 {
				t.Errorf("exit %d, %s", r.Code, r.Stdout)
			}
			wantVolumes(t, name, img)
			files, _ := os.ReadDir(undo[:len(undo)-2])
			if len(files) != 2 {
				t.Fatalf("%d undo files", len(files))
			}
			for _, f := range files {
				for _, path := range []string{img.Cache, img.Backing[0]} {
					bctl("undo", undo[:len(undo)-1]+f.Name(), path) // one of the two fits
				}
			}
			if img.Sum() != before {
				t.Error("undone, it is not as before")
			}
		})
	}
}

// Where old and new data of a sector differ, somebody must say which stay: the runs are listed until then.
func TestUUIDConflicts(t *testing.T) {
	img := imgtest.Open(t, "detached-reattached")
	editCache(t, img.Cache, func(c *planter.Cache) { c.EditSlot(1, func(u *ondisk.UUIDEntry) { u.Sectors = 0 }) }) // no longer flash-only
	before := img.Sum()
	args := []string{"uuid", "relink", "--merge", "--inode", "1", "--yes", "--json", img.Cache, img.Backing[0]}
	var told struct {
		Conflicts []struct{ Sectors, Differing int }
	}
	r := bctl(args...)
	if err := json.Unmarshal([]byte(r.Stdout), &told); err != nil || r.Code != 8 || len(told.Conflicts) != 2 || img.Sum() != before {
		t.Errorf("%v, %+v: %+v", err, told, r)
	}
	for _, prefer := range []string{"old", "new"} {
		undo := t.TempDir() + "/u"
		if r := bctl(append(args, "--prefer", prefer, "--undo", undo)...); r.Code != 0 {
			t.Errorf("%+v", r)
		}
		if r := bctl("fsck", img.Cache, img.Backing[0]); r.Code != 0 {
			t.Errorf("%s: %s", prefer, r.Stdout)
		}
		if r := bctl("undo", undo, img.Cache); r.Code != 0 || img.Sum() != before {
			t.Errorf("undone, it is not as before: %+v", r)
		}
	}
}

// A cut between the backing device and the cache leaves what the same command completes.
func TestUUIDRelinkCutBetween(t *testing.T) {
	img := orphan(t)
	var set ondisk.UUID
	editCache(t, img.Cache, func(c *planter.Cache) { set = c.Super().SetUUID })
	editBacking(t, img.Backing[0], func(s *ondisk.Super) { s.SetUUID = set; s.SetState(ondisk.StateDirty) })
	if r := bctl("uuid", "relink", "--yes", "--no-undo", img.Cache, img.Backing[0]); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	wantVolumes(t, "again", img)
}

// A destroyed flash-only volume is no detached device: its data would go over a device that never had them. The slot of
// one keeps its size. Nor do data that begin before those of the device belong to it.
func TestRelinkOfAnother(t *testing.T) {
	img := orphan(t)
	editCache(t, img.Cache, func(c *planter.Cache) {
		c.EditSlot(2, func(u *ondisk.UUIDEntry) { u.UUID, u.Invalidated, u.Flags = ondisk.InvalidUUID, u.LastReg+1, 0 })
	})
	wantVolumes(t, "destroyed", img, 0)
	if r := bctl("uuid", "relink", "--inode", "2", "--yes", img.Cache, img.Backing[0]); r.Code != 8 || !strings.Contains(r.Stderr, "flash-only") {
		t.Errorf("%+v", r)
	}
	if r := bctl("writeback", "--inode", "2", "--to", img.Backing[0], "--yes", img.Cache); r.Code != 8 || !strings.Contains(r.Stderr, "cache alone") {
		t.Errorf("%+v", r)
	}
	editBacking(t, img.Backing[0], func(s *ondisk.Super) { s.Version, s.Nbuckets = ondisk.VersionBackingOffset, 1<<14 })
	if r := bctl("uuid", "relink", "--inode", "0", "--yes", img.Cache, img.Backing[0]); r.Code != 8 || !strings.Contains(r.Stderr, "begin before") {
		t.Errorf("%+v", r)
	}
}

// What does not belong together is refused, and nothing is written.
func TestUUIDRefuses(t *testing.T) {
	img, re := orphan(t), again(t)
	before, reBefore := img.Sum(), re.Sum()
	other := imgtest.Open(t, "writeback-dirty")
	small := t.TempDir() + "/small"
	data := imgtest.Read(t, img.Backing[0], 0, 1<<20)
	if err := os.WriteFile(small, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"relink", img.Cache, img.Backing[1], "--yes"}, 8, "inode 1 now"},
		{[]string{"relink", img.Cache, img.Backing[1], "--yes", "--merge", "--inode", "2"}, 8, "another volume"},
		{[]string{"relink", img.Cache, other.Backing[0], "--yes"}, 8, "another set"},
		{[]string{"relink", img.Cache, small, "--yes"}, 8, "behind the end"},
		{[]string{"relink", img.Cache, img.Cache, "--yes"}, 8, "same"},
		{[]string{"relink", re.Cache, re.Backing[0], "--yes"}, 8, "--merge"},
		{[]string{"relink", img.Cache, img.Backing[0], "--inode", "99999"}, 8, "no such slot"},
		{[]string{"relink", img.Cache, img.Backing[0], "--inode", "5"}, 8, "no dirty data"},
		{[]string{"purge", img.Cache, "--inode", "0", "--yes"}, 8, "37448 dirty sectors"},
		{[]string{"purge", img.Cache, "--inode", "2", "--yes"}, 8, "16472 dirty sectors"},
		{[]string{"purge", img.Cache, "--inode", "9", "--yes"}, 8, "empty"},
		{[]string{"purge", img.Cache, "--leftover", "--yes"}, 8, "no invalid slot"},
		{[]string{"purge", img.Cache}, 16, "--leftover"},
		{[]string{"purge", img.Cache, "--inode", "x"}, 16, "--inode"},
		{[]string{"relink", img.Cache, img.Backing[0], "--prefer", "newest", "--merge"}, 16, "--prefer"},
		{[]string{"relink", img.Cache, img.Backing[0], "--discard-dirty"}, 16, "--discard-dirty"},
		{[]string{"relink", img.Cache}, 16, "backing"},
		{[]string{"frob", img.Cache}, 16, "list"},
		{[]string{"list"}, 16, "no device"},
	} {
		if r := bctl(append([]string{"uuid"}, test.args...)...); r.Code != test.code || !strings.Contains(r.Stderr, test.says) {
			t.Errorf("%q: exit %d, want %d and %q: %s", test.args, r.Code, test.code, test.says, r.Stderr)
		}
	}
	if img.Sum() != before || re.Sum() != reBefore {
		t.Error("something was written")
	}
}

// A slot that was purged is empty, its keys are gone, and the other volumes are untouched.
func TestUUIDPurge(t *testing.T) {
	img := orphan(t)
	r := bctl("uuid", "purge", img.Cache, "--inode", "0", "--discard-dirty", "--yes", "--json")
	var told struct {
		Dirty int `json:"dirty_sectors"`
		Lost  []struct{ Sectors int }
	}
	if err := json.Unmarshal([]byte(r.Stdout), &told); err != nil || r.Code != 0 || told.Dirty != 37448 {
		t.Fatalf("%+v, %v", r, err)
	}
	sum := 0
	for _, l := range told.Lost {
		sum += l.Sectors
	}
	if sum != told.Dirty || !strings.Contains(r.Stderr, "given up") {
		t.Errorf("%d sectors listed, said %q", sum, r.Stderr)
	}
	if r := bctl("fsck", img.Cache, img.Backing[1]); r.Code != 0 || strings.Contains(r.Stdout, "volume   0") {
		t.Errorf("exit %d, %s", r.Code, r.Stdout)
	}
	wantVolumes(t, "purged", img, 0)
	if list := bctl("uuid", "list", img.Cache, "--format", "csv").Stdout; strings.Contains(list, "\n0,") || !strings.Contains(list, "\n1,valid,") {
		t.Error(list)
	}
	left := imgtest.Open(t, "detached-reattached")
	if r := bctl("uuid", "purge", left.Cache, "--leftover", "--yes"); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	wantVolumes(t, "leftover", left, 0, 1)
	if list := bctl("uuid", "list", left.Cache, "--format", "csv").Stdout; strings.Contains(list, "\n0,") || !strings.Contains(list, "\n1,invalid,") {
		t.Error(list)
	}
}

// uuid list counts what fsck counts.
func TestUUIDList(t *testing.T) {
	for _, f := range imgtest.All {
		img := imgtest.Open(t, f.Name)
		var told struct {
			UUIDs []struct {
				Inode uint32 `json:"inode"`
				Live  int64  `json:"live_sectors"`
				Dirty int64  `json:"dirty_sectors"`
			}
		}
		r := bctl("uuid", "list", img.Cache, "--json")
		if err := json.Unmarshal([]byte(r.Stdout), &told); err != nil || r.Code != 0 {
			t.Fatalf("%s: %+v, %v", f.Name, r, err)
		}
		for _, v := range f.Volumes {
			found := false
			for _, u := range told.UUIDs {
				found = found || u.Inode == v.Inode && u.Dirty == v.Dirty && (u.Live == v.Live || f.Name == "fifo-full" && u.Live > v.Live) // see imgtest.Volume
			}
			if !found {
				t.Errorf("%s: no inode %d with %d, %d dirty in %v", f.Name, v.Inode, v.Live, v.Dirty, told.UUIDs)
			}
		}
	}
}
