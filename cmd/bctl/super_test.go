// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/imgtest"
)

// What was backed up comes back byte for byte onto its own device, and onto no other unless somebody insists.
func TestSuperBackup(t *testing.T) {
	img := imgtest.Open(t, "two-backing-flash")
	file := filepath.Join(t.TempDir(), "supers.json")
	sums := map[string]string{}
	for _, path := range img.Paths() {
		sums[path] = imgtest.SumFile(t, path)
	}
	if r := bctl(append([]string{"super", "backup", "--file", file}, img.Paths()...)...); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	if r := bctl("super", "backup", "--file", file, img.Cache); r.Code != app.ExitCannot {
		t.Errorf("an old backup was written over: %+v", r)
	}
	imgtest.Write(t, img.Cache, 0, make([]byte, 8192))
	imgtest.Flip(t, img.Backing[0], ondisk.SuperOffset+112, 3)
	damaged := imgtest.SumFile(t, img.Cache)
	undo := filepath.Join(t.TempDir(), "undo")
	if r := bctl("super", "restore", "--file", file, img.Cache); r.Code != 0 || imgtest.SumFile(t, img.Cache) != damaged {
		t.Errorf("without --yes: %+v", r)
	}
	if r := bctl("super", "restore", "--file", file, "--yes", "--undo", undo, img.Cache, img.Backing[0], img.Backing[1]); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	for _, path := range img.Paths() {
		if imgtest.SumFile(t, path) != sums[path] {
			t.Errorf("%s is not as it was", path)
		}
	}
	if r := bctl("undo", undo, img.Cache); r.Code != 0 || imgtest.SumFile(t, img.Cache) != damaged {
		t.Errorf("taken back: %+v", r)
	}
	other := imgtest.Open(t, "writeback-dirty")
	before := other.Sum()
	apptest.WantLine(t, "another device", bctl("super", "restore", "--yes", "--no-undo", "--file", file, other.Backing[0]), app.ExitCannot, "0 of the 3 superblocks")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, bytes.Replace(text, []byte(`"cache"`), []byte(`"cachE"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	apptest.WantLine(t, "an edited backup", bctl("super", "restore", "--yes", "--no-undo", "--file", file, img.Cache), app.ExitCannot, "its checksum is wrong")
	if other.Sum() != before {
		t.Error("another device was written to")
	}
}

// A superblock of before the data is not put back: the kernel would drop them.
func TestSuperRestoreOlder(t *testing.T) {
	img := imgtest.Open(t, "writeback-dirty")
	file := filepath.Join(t.TempDir(), "supers.json")
	now := img.Read(ondisk.SuperOffset, ondisk.SuperSize)
	s, _ := ondisk.DecodeSuper(now)
	s.SetSync(false)
	s.Csum = s.Checksum()
	img.Write(ondisk.SuperOffset, s.Append(nil))
	if r := bctl("super", "backup", "--file", file, img.Cache); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	img.Write(ondisk.SuperOffset, now)
	before := img.Sum()
	apptest.WantLine(t, "older", bctl("super", "restore", "--yes", "--no-undo", "--file", file, img.Cache), app.ExitCannot, "the kernel would drop what is there")
	if img.Sum() != before {
		t.Error("it was written")
	}
	if r := bctl("super", "restore", "--yes", "--force", "--no-undo", "--file", file, img.Cache); r.Code != 0 || img.Sum() == before {
		t.Errorf("forced: %+v", r)
	}
}

// Sixteen bytes come back where the rest is proven, and nothing else does.
func TestSuperUnwipe(t *testing.T) {
	img := imgtest.Open(t, "empty-registered")
	before := img.Sum()
	for _, path := range img.Paths() {
		imgtest.Write(t, path, ondisk.SuperOffset+24, make([]byte, 16))
	}
	if r := bctl(append([]string{"super", "unwipe", "--yes", "--no-undo"}, img.Paths()...)...); r.Code != 0 || img.Sum() != before {
		t.Errorf("%+v", r)
	}
	if r := bctl("super", "unwipe", "--yes", "--no-undo", img.Cache); r.Code != 0 || !strings.Contains(r.Stdout, "none") || img.Sum() != before {
		t.Errorf("nothing to do: %+v", r)
	}
	img.Write(ondisk.SuperOffset+24, make([]byte, 16))
	img.Flip(ondisk.SuperOffset+50, 1)
	apptest.WantLine(t, "more is wrong", bctl("super", "unwipe", "--yes", "--no-undo", img.Cache), app.ExitCannot, "not a bcache device")
}

// find lists what stands on a disk, whole or lost, with where it is.
func TestSuperFind(t *testing.T) {
	img := imgtest.Open(t, "read-misses")
	disk := onDisk(t, img, 1<<20, 1<<20)
	set := look(t, img.Cache).Super.SetUUID.String()
	for _, lost := range []string{"whole", "lost"} {
		if lost == "lost" {
			imgtest.Write(t, disk, 1<<20, make([]byte, 8192))
		}
		var out struct {
			Found []struct {
				Offset     int64  `json:"offset_bytes"`
				Superblock string `json:"superblock"`
				Set        string `json:"set_uuid"`
				Losetup    string `json:"losetup"`
			} `json:"found"`
		}
		r := bctl("super", "find", "--json", disk)
		if err := json.Unmarshal([]byte(r.Stdout), &out); err != nil || r.Code != 0 || len(out.Found) != 1 {
			t.Fatalf("%v: %+v", err, r)
		}
		f := out.Found[0]
		if f.Offset != 1<<20 || f.Superblock != lost || !strings.HasPrefix(set, f.Set) || len(f.Set) < 18 || !strings.Contains(f.Losetup, "--offset 1048576 ") {
			t.Errorf("%s: %+v", lost, f)
		}
	}
}
