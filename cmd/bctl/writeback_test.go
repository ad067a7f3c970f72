// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/imgtest"
	"bctl/superblock"
)

// backingSum is the sha256 of a backing device's own data, and its state.
func backingSum(t *testing.T, path string) (sum, state string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ondisk.DecodeSuper(b[ondisk.SuperOffset:][:ondisk.SuperSize])
	if err != nil || s.Csum != s.Checksum() {
		t.Fatalf("%s: %v", path, err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b[superblock.DataOffset(s).Bytes():])), s.State().String()
}

// backs are the backing devices of an image that are attached, with what the kernel read of their volumes.
func backs(img *imgtest.Image, facts imgtest.Facts) (paths, sums []string) {
	for _, v := range facts.Volumes {
		if v.Backing != imgtest.NoBacking {
			paths, sums = append(paths, img.Backing[v.Backing]), append(sums, v.SHA256)
		}
	}
	return paths, sums
}

type backTold struct {
	Cleared bool
	Keys    int64                           `json:"cleared_keys"`
	Copied  int64                           `json:"copied_bytes"`
	Files   []struct{ File, Device string } `json:"undo_files"`
	Volumes []struct {
		Inode       uint32
		Device      *string
		Action, Why string
		Unread      int64 `json:"unread_sectors"`
	}
}

func writeBackJSON(t *testing.T, code int, args ...string) (told backTold) {
	t.Helper()
	r := bctl(append([]string{"writeback", "--json"}, args...)...)
	if r.Code != code {
		t.Fatalf("%q: exit %d, want %d: %s", args, r.Code, code, r.Stderr)
	}
	if err := json.Unmarshal([]byte(r.Stdout), &told); err != nil {
		t.Fatalf("%v: %s", err, r.Stdout)
	}
	return told
}

// Every image's backing devices hold what the kernel read of the volumes, once their dirty data are written back; the
// cache is sound, and holds no dirty data of them.
func TestWritebackIsTheKernels(t *testing.T) {
	for _, facts := range imgtest.All {
		t.Run(facts.Name, func(t *testing.T) {
			t.Setenv("BCTL_STATE_DIR", filepath.Join(t.TempDir(), "state"))
			img := imgtest.Open(t, facts.Name)
			paths, sums := backs(img, facts)
			if len(paths) == 0 {
				return
			}
			before := img.Sum()
			dry := writeBackJSON(t, 0, append([]string{img.Cache}, paths...)...)
			if img.Sum() != before || dry.Copied != 0 {
				t.Fatal("a list wrote")
			}
			told := writeBackJSON(t, 0, append([]string{"--yes", "--clear", img.Cache}, paths...)...)
			for i, path := range paths {
				if sum, state := backingSum(t, path); sum != sums[i] || state != "clean" {
					t.Errorf("backing device %d: state %s, sum %s, the kernel's %s", i, state, sum, sums[i])
				}
			}
			if r := bctl(append([]string{"fsck", img.Cache}, paths...)...); r.Code != 0 {
				t.Errorf("fsck: exit %d\n%s", r.Code, r.Stdout)
			}
			want := int64(0)
			for _, v := range facts.Volumes {
				if v.Backing != imgtest.NoBacking {
					want += v.Dirty
				}
			}
			if told.Copied != want*512 || !told.Cleared && want > 0 {
				t.Errorf("copied %d bytes of %d; %+v", told.Copied, want*512, told)
			}
			after := img.Sum()
			if again := writeBackJSON(t, 0, append([]string{"--yes", "--clear", img.Cache}, paths...)...); again.Copied != 0 || img.Sum() != after {
				t.Errorf("a second run wrote: %+v", again)
			}
			for _, v := range told.Volumes {
				if v.Device == nil && (v.Action != "kept" || v.Why == "") {
					t.Errorf("%+v", v)
				}
			}
		})
	}
}

// What is undone is as it was, to the last byte.
func TestWritebackUndone(t *testing.T) {
	img := imgtest.Open(t, "two-backing-flash")
	before := img.Sum()
	file := filepath.Join(img.Dir, "undo")
	told := writeBackJSON(t, 0, "--yes", "--clear", "--undo", file, img.Cache, img.Backing[0], img.Backing[1])
	if len(told.Files) != 3 {
		t.Fatalf("%+v", told.Files)
	}
	slices.Reverse(told.Files)
	for _, f := range told.Files {
		if r := bctl("undo", f.File, f.Device); r.Code != 0 {
			t.Errorf("%+v: %s", f, r.Stderr)
		}
	}
	if img.Sum() != before {
		t.Error("not as before")
	}
}
