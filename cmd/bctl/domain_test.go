// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bctl/internal/disk/mapfile"
	"bctl/internal/lab/imgtest"
)

// What the metadata's domain has is enough to read the cache by, and with the dirty data's and the backing device it is
// enough for the volume, as the kernel read it.
func TestDomain(t *testing.T) {
	img := imgtest.Open(t, "writeback-crash")
	dir := t.TempDir()
	meta, data := filepath.Join(dir, "meta.map"), filepath.Join(dir, "dirty.map")
	copied := filepath.Join(dir, "copy.img")
	if r := bctl("domain", img.Cache, "--metadata", "-o", meta); r.Code != 0 || r.Stdout != "" {
		t.Fatalf("%+v", r)
	}
	copyDomain(t, meta, img.Cache, copied)
	if got, want := say([]string{"fsck"}, copied, copied, false), say([]string{"fsck"}, img.Cache, img.Cache, false); got != want {
		t.Errorf("of a copy of the metadata fsck says\n%s\nof the device\n%s", got, want)
	}
	if r := bctl("domain", copied, "--dirty", "-o", data); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	copyDomain(t, data, img.Cache, copied)
	want := ""
	for _, f := range imgtest.All {
		if f.Name == "writeback-crash" {
			want = f.Volumes[0].SHA256
		}
	}
	// Clean data were not copied; the backing device has the same.
	if r := bctl("domain", img.Cache, "--dirty", "--cached", "-o", filepath.Join(dir, "all.map")); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	copyDomain(t, filepath.Join(dir, "all.map"), img.Cache, copied)
	r := bctl("export", copied, img.Backing[0], "-o", "-")
	if got := fmt.Sprintf("%x", sha256.Sum256([]byte(r.Stdout))); got != want || r.Code != 0 {
		t.Errorf("exit %d, %s, want %s", r.Code, got, want)
	}
}

// copyDomain copies what is finished in a mapfile, as ddrescue would.
func copyDomain(t *testing.T, name, from, to string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := mapfile.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	end, taken := int64(0), int64(0)
	for _, a := range m {
		if a.Off != end {
			t.Fatalf("the map has a gap at %d", end)
		}
		end = a.Off + a.Len
		if a.Status == mapfile.Finished {
			taken += a.Len
			if _, err := out.WriteAt(imgtest.Read(t, from, a.Off, int(a.Len)), a.Off); err != nil {
				t.Fatal(err)
			}
		}
	}
	if end != sizeOf(t, from) || taken == 0 || taken > end/2 {
		t.Errorf("%s ends at %d, and has %d bytes in the domain", name, end, taken)
	}
	if err := out.Truncate(end); err != nil {
		t.Fatal(err)
	}
}

// ddrescue's own program copies the same.
func TestDomainDdrescue(t *testing.T) {
	program, err := exec.LookPath("ddrescue")
	if err != nil {
		t.Skip(err)
	}
	img := imgtest.Open(t, "two-backing-flash")
	dir := t.TempDir()
	domain, ours, theirs := filepath.Join(dir, "d.map"), filepath.Join(dir, "ours"), filepath.Join(dir, "theirs")
	if r := bctl("domain", img.Cache, "--metadata", "--dirty", "-o", domain); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	copyDomain(t, domain, img.Cache, ours)
	out, err := exec.Command(program, "--sparse", "--domain-mapfile="+domain, img.Cache, theirs, filepath.Join(dir, "log.map")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Truncate(theirs, sizeOf(t, ours)); err != nil {
		t.Fatal(err)
	}
	if imgtest.SumFile(t, ours) != imgtest.SumFile(t, theirs) {
		t.Error("ddrescue copied something else")
	}
}

func TestDomainUsage(t *testing.T) {
	img := imgtest.Open(t, "empty-registered")
	for args, code := range map[string]int{"": 16, "CACHE": 16, "CACHE CACHE --dirty": 16, "CACHE.not --dirty": 8} {
		line := strings.Fields(strings.ReplaceAll(args, "CACHE", img.Cache))
		if r := bctl(append([]string{"domain"}, line...)...); r.Code != code || r.Stdout != "" {
			t.Errorf("%q: exit %d, want %d: %s", args, r.Code, code, r.Stderr)
		}
	}
}
