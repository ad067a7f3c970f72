// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"fmt"
	"strings"
	"testing"

	"bctl/internal/lab/imgtest"
)

// The images that hold data: what writes to them must leave all of it.
var writtenImages = []string{"writeback-dirty", "writeback-crash", "fifo-full", "two-backing-flash", "version5", "detached-reattached"}

// TestWriters lets the commands that write to a used cache do so, and asks the kernel whether it still registers the
// cache without a complaint and reads every volume as it did when the image was made.
func TestWriters(t *testing.T) {
	t.Parallel()
	writers := []struct {
		name string
		run  func(t *testing.T, img *imgtest.Image)
	}{
		{"rewrite-prios", func(t *testing.T, img *imgtest.Image) { write(t, "rewrite-prios", "--no-undo", img.Cache) }},
		{"alloc-bench", func(t *testing.T, img *imgtest.Image) {
			write(t, "alloc-bench", "--commit", "--policy", "lru", "--ops", "40", img.Cache)
		}},
		{"fsck", func(t *testing.T, img *imgtest.Image) { repairImage(t, img, wrongLevel, lostSuper) }},
	}
	each(t, func(t *testing.T, k Kernel) {
		for _, w := range writers {
			t.Run(w.name, func(t *testing.T) {
				var disks []Disk
				var script strings.Builder
				var images []*imgtest.Image
				for i, name := range writtenImages {
					img := imgtest.Open(t, name)
					w.run(t, img)
					images = append(images, img)
					disks = append(disks, imageDisks(img, i)...)
					script.WriteString(imageScript(img, i))
				}
				r := Boot{Kernel: k, Disks: disks, Script: script.String() + "stop_all\n"}.Run(t)
				for i, img := range images {
					t.Run(img.Name, func(t *testing.T) { judgeWritten(t, r.Case(img.Name), img, i) })
				}
			})
		}
	})
}

// write runs a command that must do its work without a word of damage.
func write(t *testing.T, args ...string) {
	t.Helper()
	if out, code := bctl(t, args...); code != 0 {
		t.Fatalf("bctl %q: exit %d\n%s", args, code, out)
	}
}

// imageDisks are the devices of an image, as disks c1, b1.0, b1.1 ... that keep nothing of what is written.
func imageDisks(img *imgtest.Image, n int) []Disk {
	disks := []Disk{{Name: fmt.Sprintf("c%d", n), Path: img.Cache, Snapshot: true}}
	for i, path := range img.Backing {
		disks = append(disks, Disk{Name: fmt.Sprintf("b%d.%d", n, i), Path: path, Snapshot: true})
	}
	return disks
}

// imageScript registers an image and reports the sums of the volumes that the facts have.
func imageScript(img *imgtest.Image, n int) string {
	var s strings.Builder
	fmt.Fprintf(&s, "case_ %[1]s\nregister c%[2]d\nfacts c%[2]d\ndump c%[2]d c%[2]d\n", img.Name, n)
	for _, v := range factsOf(img.Name).Volumes {
		switch {
		case v.SHA256 == "":
		case v.Backing == imgtest.NoBacking:
			fmt.Fprintf(&s, "flash_sum %d c%d\n", v.Inode, n)
		default:
			fmt.Fprintf(&s, "register b%[1]d.%[2]d\nwait_for attached b%[1]d.%[2]d\nsums b%[1]d.%[2]d\n", n, v.Backing)
		}
	}
	return s.String() + "klog\n"
}

func factsOf(name string) (f imgtest.Facts) {
	for _, f := range imgtest.All {
		if f.Name == name {
			return f
		}
	}
	return f
}

func judgeWritten(t *testing.T, c *Case, img *imgtest.Image, n int) {
	for _, line := range c.Complaints() {
		t.Errorf("the kernel: %s", line)
	}
	check := fsck(t, img.Cache)
	if check.Code != 0 {
		t.Errorf("fsck: exit %d, %v", check.Code, check.Damage())
	}
	compareRegistered(t, img.Cache, check, c, fmt.Sprintf("c%d", n))
	for i, v := range factsOf(img.Name).Volumes {
		key := fmt.Sprintf("sum.b%d.%d", n, v.Backing)
		if v.Backing == imgtest.NoBacking {
			key = fmt.Sprintf("flash_sum.%d", v.Inode)
		}
		if got := c.Fact(key); v.SHA256 != "" && got != v.SHA256 {
			t.Errorf("volume %d: the kernel reads %q, when the image was made it read %s", i, got, v.SHA256)
		}
	}
}
