// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"slices"
	"testing"

	"bctl/internal/lab/imgtest"
)

// TestImages holds bctl against what the kernel said of the images in testdata. It boots nothing.
func TestImages(t *testing.T) {
	t.Parallel()
	for _, facts := range imgtest.All {
		t.Run(facts.Name, func(t *testing.T) {
			img := imgtest.Open(t, facts.Name)
			before := img.Sum()
			devices := img.Paths()
			if facts.Name == "empty-registered" {
				devices = devices[:1] // its backing device was never attached
			}
			check := fsck(t, devices...)
			if check.Code != 0 {
				t.Errorf("fsck: exit %d, %v", check.Code, check.Damage())
			}
			if check.Summary.Btree.Depth != facts.Depth {
				t.Errorf("depth %d, the kernel's %d", check.Summary.Btree.Depth, facts.Depth)
			}
			compareFacts(t, check, facts)
			compareSums(t, img, facts)
			if img.Sum() != before {
				t.Error("a check wrote to the image")
			}
		})
	}
}

func compareFacts(t *testing.T, check *Check, facts imgtest.Facts) {
	t.Helper()
	volumes := slices.DeleteFunc(slices.Clone(check.Summary.Volumes), func(v VolumeCount) bool { return v.LiveSectors == 0 })
	if len(volumes) != len(facts.Volumes) {
		t.Errorf("volumes %v, the kernel's %v", volumes, facts.Volumes)
		return
	}
	for i, v := range volumes {
		f := facts.Volumes[i]
		if v.Inode != f.Inode || v.DirtySectors != f.Dirty || !nearly(f.Live, v.LiveSectors) {
			t.Errorf("inode %d: live sectors %d, dirty %d; the kernel's %+v", v.Inode, v.LiveSectors, v.DirtySectors, f)
		}
	}
}

func compareSums(t *testing.T, img *imgtest.Image, facts imgtest.Facts) {
	t.Helper()
	c := openCache(t, img.Cache)
	for _, f := range facts.Volumes {
		if f.SHA256 == "" {
			continue
		}
		got := ""
		if f.Backing == imgtest.NoBacking {
			got = c.sumFlash(t, f.Inode)
		} else {
			got = c.sumBacked(t, img.Backing[f.Backing])
		}
		if got != f.SHA256 {
			t.Errorf("inode %d: contents %s, the kernel's %s", f.Inode, got, f.SHA256)
		}
	}
}
