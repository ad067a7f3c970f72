// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/lab/imgtest"
)

// onDisk puts a cache onto a disk of its own, start bytes from its beginning, with behind bytes after it.
func onDisk(t *testing.T, img *imgtest.Image, start, behind int64) string {
	t.Helper()
	b, err := os.ReadFile(img.Cache)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "disk.img")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, start); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(start + int64(len(b)) + behind); err != nil {
		t.Fatal(err)
	}
	return path
}

// held is what fsck says that the volumes hold.
func held(t *testing.T, args ...string) string {
	t.Helper()
	r := bctl(append([]string{"fsck", "--json", "-q"}, args...)...)
	var out struct {
		Summary struct {
			Volumes []map[string]any `json:"volumes"`
		} `json:"summary"`
	}
	if err := json.Unmarshal([]byte(r.Stdout), &out); err != nil || r.Code != 0 {
		t.Fatalf("%v: %v, %+v", args, err, r)
	}
	return fmt.Sprint(out.Summary.Volumes)
}

// A cache within a disk whose superblock is lost is found by its root's checksum, and comes back with all its data.
func TestScan(t *testing.T) {
	for _, test := range []struct {
		name          string
		start, behind int64
		lost          int
	}{
		{"version5", 1 << 20, 0, 8192},
		{"read-misses", 63 * 512, 3 << 20, 8192},
		{"detached-reattached", 3 << 20, 1 << 20, 8192},
	} {
		img := imgtest.Open(t, test.name)
		want := held(t, img.Cache)
		disk := onDisk(t, img, test.start, test.behind)
		if got := held(t, "--scan", disk); got != want {
			t.Errorf("%s: with its superblock: %s, want %s", test.name, got, want)
		}
		imgtest.Write(t, disk, test.start, make([]byte, test.lost))
		before := imgtest.SumFile(t, disk)
		if r := bctl("fsck", "-q", "--scan", disk); r.Code != app.ExitDamage || imgtest.SumFile(t, disk) != before {
			t.Errorf("%s: looked for: %+v", test.name, r)
		}
		undo := disk + ".undo"
		if r := bctl("fsck", "-qy", "--scan", "--undo", undo, disk); r.Code != app.ExitRepaired {
			t.Fatalf("%s: %+v", test.name, r)
		}
		if got := held(t, "--scan", disk); got != want {
			t.Errorf("%s: %s, want %s", test.name, got, want)
		}
		if r := bctl("undo", undo, disk); r.Code != 0 || imgtest.SumFile(t, disk) != before {
			t.Errorf("%s: taken back: %+v", test.name, r)
		}
	}
}

// Every guess can be overridden; what cannot be is refused, and nothing is made up.
func TestScanHints(t *testing.T) {
	img := imgtest.Open(t, "version5")
	want := held(t, img.Cache)
	set := look(t, img.Cache).Super.SetUUID.String()
	disk := onDisk(t, img, 1<<20, 1<<20)
	imgtest.Write(t, disk, 1<<20, make([]byte, 8192))
	before := imgtest.SumFile(t, disk)
	for _, wrong := range [][]string{{"--bucket", "256k"}, {"--offset", "2M"}, {"--set-uuid", "00000000-0000-0000-0000-000000000001"}, {"--nbuckets", "3"}} {
		r := bctl(append([]string{"fsck", "-qy", "--scan", "--no-undo", disk}, wrong...)...)
		if r.Code == app.ExitRepaired || imgtest.SumFile(t, disk) != before {
			t.Errorf("%v: %+v", wrong, r)
		}
	}
	r := bctl("fsck", "-qy", "--scan", "--no-undo", "--offset", "1M", "--bucket", "64k", "--block", "4k", "--first-bucket", "1", "--nbuckets", "576", "--set-uuid", set, disk)
	if r.Code != app.ExitRepaired {
		t.Fatalf("%+v", r)
	}
	if got := held(t, "--scan", disk); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	apptest.WantLine(t, "without --scan", bctl("fsck", "--bucket", "64k", disk), app.ExitUsage, "--bucket", "give --scan too")
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	apptest.WantLine(t, "nothing there", bctl("fsck", "-y", "--no-undo", "--scan", empty), app.ExitCannot, "no superblock and no journal")
}
