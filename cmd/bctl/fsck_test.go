// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/scenes"
)

// planted saves a scene's devices as files: the cache, then its backing devices.
func planted(t *testing.T, base string, plant func(s *damages.Scene)) (paths []string) {
	t.Helper()
	s := scenes.Open(t, base)
	plant(s)
	dir := t.TempDir()
	save := func(name string, m interface{ Save(path string) error }) {
		paths = append(paths, filepath.Join(dir, name))
		if err := m.Save(paths[len(paths)-1]); err != nil {
			t.Fatal(err)
		}
	}
	save("cache.img", s.Main)
	for i, b := range s.Back {
		save(fmt.Sprintf("back%d.img", i), b)
	}
	return paths
}

// The first line is the verdict, with the next step; damage stands last, in red where colours are asked for.
func TestFsckText(t *testing.T) {
	paths := planted(t, "writeback-crash", func(s *damages.Scene) {
		s.Flip(s.Geo.Start(s.Chain()[0]).Bytes()+5000, 0)
		s.EditSuper(func(sb *ondisk.Super) { sb.SetDiscard(true) })
	})
	r := bctl("fsck", paths[0])
	first, rest, _ := strings.Cut(r.Stdout, "\n")
	want := paths[0] + ": damaged: 28.4 MiB of dirty data can be read; the kernel will refuse the device (PR01). Next: bctl fsck -p " + paths[0]
	if r.Code != 4 || first != want {
		t.Errorf("exit %d, %q, want %q", r.Code, first, want)
	}
	for _, line := range []string{"ddrescue " + paths[0] + " copy.img copy.map", "unknown", "\nPR01: ", "\n    bctl fsck -p " + paths[0]} {
		if !strings.Contains(rest, line) {
			t.Errorf("no %q in\n%s", line, rest)
		}
	}
	if strings.Contains(rest, "Keep the kernel away") {
		t.Errorf("a kernel that refuses the device does no harm:\n%s", rest)
	}
	if w, d := strings.Index(rest, "\nwarning "), strings.Index(rest, "\ndamage "); w < 0 || d < w {
		t.Errorf("damage does not stand last:\n%s", rest)
	}
	red := bctl("fsck", "--color", "always", paths[0]).Stdout
	if n := strings.Count(red, "\x1b[31m"); n != 2 || !strings.Contains(red, "\x1b[31mdamage ") || strings.Contains(r.Stdout, "\x1b") {
		t.Errorf("%d red lines:\n%q", n, red)
	}
}

// What the kernel would do harm to is kept from it.
func TestFsckKeepsTheKernelAway(t *testing.T) {
	paths := planted(t, "writeback-dirty", func(s *damages.Scene) {
		s.EditKey(s.Extent((*ondisk.Bkey).Dirty), func(k *ondisk.Bkey) { k.Ptr[0] = ondisk.MakePtr(0, 16, 0) })
	})
	if r := bctl("fsck", paths[0]); r.Code != 4 || !strings.Contains(r.Stdout, "69-bcache.rules") || !strings.Contains(r.Stdout, "the kernel would crash on the device (EX01)") {
		t.Errorf("exit %d\n%s", r.Code, r.Stdout)
	}
	detached := planted(t, "writeback-dirty", func(s *damages.Scene) {
		s.EditSlot(0, func(u *ondisk.UUIDEntry) { u.UUID, u.Invalidated = ondisk.InvalidUUID, 1700000000 })
	})
	r := bctl("fsck", detached[0])
	if r.Code != 4 || !strings.Contains(r.Stdout, "UU04") || strings.Contains(r.Stdout, "69-bcache.rules") || strings.Contains(r.Stdout, "eep the kernel away") {
		t.Errorf("the other volumes are whole: exit %d\n%s", r.Code, r.Stdout)
	}
}

// Ten findings of a code are printed and the others counted; --all prints them, JSON has them.
func TestFsckPrintsTen(t *testing.T) {
	paths := planted(t, "writeback-dirty", func(s *damages.Scene) {
		for _, p := range s.Extents()[:25] {
			s.SetGen(s.Geo.BucketOf(p.Key.Ptr[0].Offset()), p.Key.Ptr[0].Gen()+1)
		}
	})
	lines := func(args ...string) int {
		return len(regexp.MustCompile(`(?m)^\S+ +EX05 `).FindAllString(bctl(append([]string{"fsck"}, args...)...).Stdout, -1))
	}
	in := strings.Count(bctl("fsck", "--json", paths[0]).Stdout, `"code":"EX05","severity"`)
	if in < 12 {
		t.Fatalf("only %d findings", in)
	}
	if n := lines(paths[0]); n != 11 || !strings.Contains(bctl("fsck", paths[0]).Stdout, fmt.Sprintf("... and %d more of these (--all)", in-10)) {
		t.Errorf("%d lines", n)
	}
	if n := lines("--all", paths[0]); n != in {
		t.Errorf("--all: %d lines, want %d", n, in)
	}
	if r := bctl("fsck", paths[0]); r.Code != 0 || !regexp.MustCompile(`at most \S+ [KM]iB of dirty data may be lost`).MatchString(r.Stdout) {
		t.Errorf("exit %d\n%s", r.Code, r.Stdout)
	}
}

// What --verify-data compared is said; nothing to compare, and what cannot be read, is exit 8; a difference is 4.
func TestFsckVerifyData(t *testing.T) {
	img := imgtest.Open(t, "writeback-crash")
	args := append([]string{"fsck", "--verify-data"}, img.Paths()...)
	if r := bctl(args...); r.Code != 0 || !regexp.MustCompile(`(?m)^  compared \S+ MiB of clean data in \d+ extents, all equal$`).MatchString(r.Stdout) {
		t.Errorf("exit %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	stranger := filepath.Join(t.TempDir(), "other.img")
	if r := bctl("format", "-B", stranger, "--size", "16M", "-w", "4k"); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	if r := bctl("fsck", "--verify-data", img.Cache, stranger); r.Code != 8 || !strings.Contains(r.Stderr, "nothing could be compared") {
		t.Errorf("nothing to compare: exit %d, %s", r.Code, r.Stderr)
	}
	paths := planted(t, "writeback-crash", func(s *damages.Scene) {
		k := s.Extent(func(k *ondisk.Bkey) bool { return !k.Dirty() && k.Ptrs() > 0 }).Key
		s.Back[0].Flip((k.Offset()-1).Bytes()+77, 3)
	})
	r := bctl(append([]string{"fsck", "--verify-data"}, paths...)...)
	if r.Code != 4 || !strings.Contains(r.Stdout, "in 1 extents differ. A crash leaves that") {
		t.Errorf("a difference: exit %d\n%s", r.Code, r.Stdout)
	}
}

// A backing device alone says what it is, and whether it can be used alone.
func TestFsckBackingAlone(t *testing.T) {
	img := imgtest.Open(t, "writeback-crash")
	r := bctl("fsck", img.Backing[0])
	if r.Code != 0 || !regexp.MustCompile(`: no damage: state dirty: its cache [0-9a-f-]{36} holds data that it lacks; do not use it alone\n`).MatchString(r.Stdout) {
		t.Errorf("exit %d\n%s", r.Code, r.Stdout)
	}
	if strings.Contains(r.Stdout, "clean") {
		t.Errorf("clean is another state:\n%s", r.Stdout)
	}
}
