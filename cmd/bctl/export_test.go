// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bctl/internal/lab/imgtest"
)

// What is exported is what the kernel read when the image was made: as a stream, and as a file.
func TestExport(t *testing.T) {
	for _, f := range imgtest.All {
		img := imgtest.Open(t, f.Name)
		before := img.Sum()
		for _, v := range f.Volumes {
			if v.SHA256 == "" {
				continue
			}
			args := []string{"export", img.Cache, "--volume", fmt.Sprint(v.Inode)}
			if v.Backing != imgtest.NoBacking {
				args = []string{"export", img.Cache, img.Backing[v.Backing]}
			}
			r := bctl(append(args, "-o", "-")...)
			if got := fmt.Sprintf("%x", sha256.Sum256([]byte(r.Stdout))); r.Code != 0 || got != v.SHA256 {
				t.Errorf("%s, volume %d: exit %d, %s, want %s; %s", f.Name, v.Inode, r.Code, got, v.SHA256, r.Stderr)
			}
			file := filepath.Join(t.TempDir(), "volume.img")
			if r := bctl(append(args, "-o", file)...); r.Code != 0 {
				t.Errorf("%s: %+v", f.Name, r)
			}
			if got := imgtest.SumFile(t, file); got == "" {
				t.Errorf("%s: no file", f.Name)
			}
			if b, err := os.ReadFile(file); err != nil || fmt.Sprintf("%x", sha256.Sum256(b)) != v.SHA256 {
				t.Errorf("%s, volume %d: the file differs: %v", f.Name, v.Inode, err)
			}
			if r := bctl(append(args, "-o", file)...); r.Code != 8 || !strings.Contains(r.Stderr, "exists") {
				t.Errorf("%s: over a file: %+v", f.Name, r)
			}
		}
		if img.Sum() != before {
			t.Errorf("%s: it wrote", f.Name)
		}
	}
}

// The device-mapper table covers the volume without a gap, and its pieces are the volume's bytes.
func TestExportTable(t *testing.T) {
	img := imgtest.Open(t, "writeback-crash")
	r := bctl("export", img.Cache, img.Backing[0], "--dm")
	want := bctl("export", img.Cache, img.Backing[0], "-o", "-").Stdout
	next, sum := int64(0), sha256.New()
	for line := range strings.Lines(r.Stdout) {
		var start, n, at int64
		var kind, dev string
		if _, err := fmt.Sscan(line, &start, &n, &kind, &dev, &at); err != nil || kind != "linear" || start != next {
			t.Fatalf("%q, want sector %d: %v", line, next, err)
		}
		sum.Write(imgtest.Read(t, dev, at*512, int(n*512)))
		next = start + n
	}
	if got := fmt.Sprintf("%x", sum.Sum(nil)); r.Code != 0 || next*512 != int64(len(want)) || got != fmt.Sprintf("%x", sha256.Sum256([]byte(want))) {
		t.Errorf("exit %d, %d sectors, %s", r.Code, next, got)
	}
}

func TestExportUsage(t *testing.T) {
	img := imgtest.Open(t, "two-backing-flash")
	for args, code := range map[string]int{
		"": 16, "-o -": 16, "--volume 2": 16, "--volume 2 -o - --dm": 16, "--volume 99 -o -": 8, "--volume 0 -o -": 8,
		"--volume none -o -": 8,
	} {
		if r := bctl(append([]string{"export", img.Cache}, strings.Fields(args)...)...); r.Code != code || r.Stdout != "" {
			t.Errorf("%q: exit %d, want %d: %s", args, r.Code, code, r.Stderr)
		}
	}
	for _, bad := range []string{filepath.Join(t.TempDir(), "missing"), t.TempDir(), "/dev/null"} {
		for _, args := range [][]string{{bad, img.Backing[0]}, {img.Cache, bad}} {
			r := bctl(append([]string{"export", "-o", "-"}, args...)...)
			if r.Code != 8 || r.Stdout != "" || strings.Count(r.Stderr, "\n") > 2 {
				t.Errorf("%q: %+v", args, r)
			}
		}
	}
	if r := bctl("export", img.Backing[0], img.Backing[1], "-o", "-"); r.Code != 8 {
		t.Errorf("%+v", r)
	}
}
