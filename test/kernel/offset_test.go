// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"bctl/test/kernel/workload"
)

// offsets are where the backing devices of the set begin their data: the usual place, and two that were chosen.
var offsets = []int{16, 2048, 24}

// An offsetSet is a cache with dirty data of several backing devices, of which a kernel says what they show.
type offsetSet struct {
	cache string
	backs []string
	sums  []string
}

// makeOffsets lets a kernel fill a set that bctl format made: all is dirty, nothing is written back, and at the end the
// machine stops as if its power were gone.
func makeOffsets(t *testing.T, k Kernel) *offsetSet {
	t.Helper()
	const cacheSize, backSize = 48 * mib, 12 * mib
	s := &offsetSet{cache: newFile(t, "cache.img", cacheSize)}
	format(t, "-C", s.cache, "-b", "64k", "-w", "4k", "--init")
	disks := []Disk{{Name: "c", Path: s.cache}}
	script := "case_ make\nregister c\n"
	for i, at := range offsets {
		s.backs = append(s.backs, newFile(t, "back.img", backSize+int64(i)*4096))
		format(t, "-B", s.backs[i], "-o", strconv.Itoa(at), "--writeback", "--label", fmt.Sprint("offset ", at))
		b := fmt.Sprint("b", i)
		disks = append(disks, Disk{Name: b, Path: s.backs[i]})
		work := workload.Workload{Seed: uint64(at), Ops: 120, Max: 32 * kib, Block: 4 * kib}
		script += fmt.Sprintf("register %[1]s\nattach %[1]s c\ntune c %[1]s\nguest write \"/dev/$(bcache %[1]s)\" %[2]s\n", b, work)
	}
	for i := range offsets {
		script += fmt.Sprintf("dirty b%[1]d\nsums b%[1]d\n", i)
	}
	c := Boot{Kernel: k, Disks: disks, Script: script + "sync\ncrash\n"}.Run(t).Case("make")
	for _, line := range c.Complaints() {
		t.Errorf("the kernel: %s", line)
	}
	for i := range offsets {
		s.sums = append(s.sums, c.Fact(fmt.Sprint("sum.b", i)))
		if got := dataOf(t, s.backs[i]); got == s.sums[i] || c.Fact(fmt.Sprint("dirty.b", i)) == "0.0k" {
			t.Fatalf("nothing is dirty of b%d: %v", i, c.Facts)
		}
	}
	return s
}

// writtenOffsets is a trip for the set, behind tables in a boot, once with all data written back and once with those of one device alone: that one
// is clean then, the others are as dirty as before, and all show what they showed.
func writtenOffsets(t *testing.T, k Kernel) trip {
	t.Helper()
	s := makeOffsets(t, k)
	for i, back := range s.backs {
		if got := openCache(t, s.cache).sumBacked(t, back); got != s.sums[i] {
			t.Errorf("data offset %d: bctl reads %s, the kernel %s", offsets[i], got, s.sums[i])
		}
		out := filepath.Join(t.TempDir(), "volume")
		write(t, "export", "-o", out, s.cache, back)
		if got := fileSum(t, out); got != s.sums[i] {
			t.Errorf("data offset %d: exported are %s, the kernel read %s", offsets[i], got, s.sums[i])
		}
	}
	one := s.copy(t)
	write(t, "writeback", "--yes", "--clear", "--no-undo", one.cache, one.backs[1])
	write(t, append([]string{"writeback", "--yes", "--clear", "--no-undo", s.cache}, s.backs...)...)
	x := trip{}
	for n, set := range []*offsetSet{s, one} {
		x.disks = append(x.disks, Disk{Name: fmt.Sprint("co", n), Path: set.cache, Snapshot: true})
		x.script += fmt.Sprintf("case_ offsets%[1]d\nregister co%[1]d\nfacts co%[1]d\ndump co%[1]d co%[1]d\n", n)
		for i, back := range set.backs {
			if got := dataOf(t, back); (got == s.sums[i]) != (n == 0 || i == 1) {
				t.Errorf("data offset %d, set %d: the backing device has %s, the kernel showed %s", offsets[i], n, got, s.sums[i])
			}
			b := fmt.Sprintf("bo%d.%d", n, i)
			x.disks = append(x.disks, Disk{Name: b, Path: back, Snapshot: true})
			x.script += fmt.Sprintf("register %[1]s\nwait_for attached %[1]s\nsay \"state.%[1]s $(cat \"$(sys %[1]s)/state\")\"\nsums %[1]s\n", b)
		}
		x.script += "klog\nstop_all\n"
	}
	table, code := bctl(t, "export", "--dm", one.cache, one.backs[2])
	if code != 0 {
		t.Fatalf("export --dm: exit %d", code)
	}
	table = strings.NewReplacer(" "+one.cache+" ", " /disk/co1 ", " "+one.backs[2]+" ", " /disk/bo1.2 ").Replace(table)
	x.script = fmt.Sprintf("case_ offsetdm\ndm --readonly odm <<'END'\n%sEND\nsay \"sum $(contents $(dev odm))\"\ndmsetup remove --noudevsync odm\n", table) + x.script
	x.judge = func(t *testing.T, r *Report) {
		t.Helper()
		if got := r.Case("offsetdm").Fact("sum"); got != s.sums[2] {
			t.Errorf("data offset %d: by its table the kernel reads %q, by bcache %s", offsets[2], got, s.sums[2])
		}
		for n, set := range []*offsetSet{s, one} {
			c := r.Case(fmt.Sprint("offsets", n))
			for _, line := range c.Complaints() {
				t.Errorf("the kernel: %s", line)
			}
			check := fsck(t, append([]string{set.cache}, set.backs...)...)
			if check.Code != 0 {
				t.Errorf("fsck: exit %d, %v", check.Code, check.Damage())
			}
			compareRegistered(t, set.cache, check, c, fmt.Sprint("co", n))
			for i := range set.backs {
				b, state := fmt.Sprintf("bo%d.%d", n, i), "clean"
				if n == 1 && i != 1 {
					state = "dirty"
				}
				if got := c.Fact("state." + b); got != state {
					t.Errorf("data offset %d, set %d: it is %q, want %s", offsets[i], n, got, state)
				}
				if got := c.Fact("sum." + b); got != s.sums[i] {
					t.Errorf("data offset %d, set %d: the kernel reads %q, before it read %s", offsets[i], n, got, s.sums[i])
				}
			}
		}
	}
	return x
}

// copy is the set as it is now, to be written to alone.
func (s *offsetSet) copy(t *testing.T) *offsetSet {
	t.Helper()
	out := &offsetSet{cache: copyFile(t, s.cache), sums: s.sums}
	for _, b := range s.backs {
		out.backs = append(out.backs, copyFile(t, b))
	}
	return out
}

func fileSum(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sums, err := sumsOf(f, false)
	if err != nil {
		t.Fatal(err)
	}
	return sums[0]
}
