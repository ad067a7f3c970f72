// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bctl/internal/lab/imgtest"
)

// TestOrphan lets the kernel start two backing devices without their caches, which hold dirty data of them. One cache
// then comes back: the kernel invalidates the slot, the device is another inode, and nothing leads to the data. bctl
// gives them back; the kernel must read both volumes as it did when the images were made.
func TestOrphan(t *testing.T) {
	t.Parallel()
	eachOf(t, judges(), func(t *testing.T, k Kernel) {
		lost, stale := imgtest.Open(t, "writeback-dirty"), imgtest.Open(t, "version5")
		images := []*imgtest.Image{lost, stale}
		disks := append(imageDisks(lost, 0), imageDisks(stale, 1)...)
		for i := range disks {
			disks[i].Snapshot = false
		}
		r := Boot{Kernel: k, Disks: disks, Script: `case_ lose
register b0.0 b1.0
set_attr b0.0 running 1
set_attr b1.0 running 1
sleep 1
register c0
wait_for attached b0.0
sleep 1
stop_all
klog
`}.Run(t)
		if c := r.Case("lose"); c.Fact("registered.c0") != "yes" {
			t.Fatalf("facts %v, log %q", c.Facts, c.Log)
		}
		if out, code := bctl(t, "uuid", "list", "--format", "csv", lost.Cache); code != 0 || !strings.Contains(out, "\n0,invalid,") || !strings.Contains(out, ",106888\n") || !strings.Contains(out, "\n1,valid,") {
			t.Fatalf("the kernel did not orphan them: exit %d\n%s", code, out)
		}
		if out, code := bctl(t, "fsck", lost.Cache, lost.Backing[0]); code != 4 || !strings.Contains(out, "UU04") {
			t.Errorf("fsck: exit %d\n%s", code, out)
		}
		back := copyOf(t, lost)
		write(t, "writeback", "--yes", "--clear", "--no-undo", "--inode", "0", "--to", back.Backing[0], back.Cache)
		if got := dataOf(t, back.Backing[0]); got != factsOf(lost.Name).Volumes[0].SHA256 {
			t.Errorf("written back by its inode: the backing device has %s", got)
		}
		write(t, "uuid", "relink", "--merge", "--yes", "--no-undo", lost.Cache, lost.Backing[0])
		write(t, "uuid", "purge", "--leftover", "--yes", "--no-undo", lost.Cache)
		write(t, "uuid", "relink", "--yes", "--no-undo", stale.Cache, stale.Backing[0])
		var script strings.Builder
		disks = append(disks, Disk{Name: "cw", Path: back.Cache}, Disk{Name: "bw", Path: back.Backing[0]})
		for i := range disks {
			disks[i].Snapshot = true
		}
		for i, img := range images {
			script.WriteString(imageScript(img, i))
		}
		r = Boot{Kernel: k, Disks: disks, Script: script.String() + `stop_all
case_ back
register cw bw
wait_for attached bw
say "state.bw $(cat "$(sys bw)/state")"
sums bw
stop_all
klog
`}.Run(t)
		if c := r.Case("back"); c.Fact("state.bw") != "clean" || c.Fact("sum.bw") != factsOf(lost.Name).Volumes[0].SHA256 || len(c.Complaints()) > 0 {
			t.Errorf("written back by its inode: %v, %q", c.Facts, c.Complaints())
		}
		for i, img := range images {
			t.Run(img.Name, func(t *testing.T) { judgeWritten(t, r.Case(img.Name), img, i) })
		}
	})
}

// copyOf is a set as it is now, to be written to alone.
func copyOf(t *testing.T, img *imgtest.Image) *imgtest.Image {
	t.Helper()
	out := &imgtest.Image{Name: img.Name, Dir: t.TempDir(), Cache: copyFile(t, img.Cache)}
	for _, path := range img.Backing {
		out.Backing = append(out.Backing, copyFile(t, path))
	}
	return out
}

// copyFile is a sparse copy, which goes with the test.
func copyFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), filepath.Base(path))
	if err := saveSparse(to, b); err != nil {
		t.Fatal(err)
	}
	return to
}
