// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bctl/internal/lab/imgtest"
)

// A trip is a part of a boot: its disks, its script, and what it must have said.
type trip struct {
	disks  []Disk
	script string
	judge  func(t *testing.T, r *Report)
}

// tables has the kernel read volumes by the device-mapper tables that export --dm prints, without bcache.
func tables(t *testing.T) trip {
	t.Helper()
	var x trip
	type read struct{ name, sum string }
	var reads []read
	script := "case_ tables\n" + loadDM
	for i, name := range []string{"detached-reattached", "writeback-crash-mid", "two-backing-flash"} {
		img := imgtest.Open(t, name)
		disks := imageDisks(img, 0)
		for k := range disks {
			disks[k].Name = fmt.Sprintf("t%d.%d", i, k)
		}
		x.disks = append(x.disks, disks...)
		for _, v := range factsOf(name).Volumes {
			if v.SHA256 == "" || name == "two-backing-flash" && v.Backing != imgtest.NoBacking {
				continue // small ones
			}
			args := []string{"export", "--dm", img.Cache}
			if v.Backing == imgtest.NoBacking {
				args = append(args, "--volume", fmt.Sprint(v.Inode))
			} else {
				args = append(args, img.Backing[v.Backing])
			}
			table, code := bctl(t, args...)
			if code != 0 {
				t.Fatalf("%q: exit %d", args, code)
			}
			for k, path := range img.Paths() {
				table = strings.ReplaceAll(table, " "+path+" ", fmt.Sprintf(" /disk/t%d.%d ", i, k))
			}
			reads = append(reads, read{fmt.Sprintf("v%d.%d", i, v.Inode), v.SHA256})
			last := last(reads)
			script += fmt.Sprintf("dm --readonly %[1]s <<'END'\n%[2]sEND\nsay \"sum.%[1]s $(contents $(dev %[1]s))\"\ndmsetup remove --noudevsync %[1]s\n", last.name, table)
		}
	}
	x.script = script + "klog\n"
	x.judge = func(t *testing.T, r *Report) {
		c := r.Case("tables")
		for _, read := range reads {
			if got := c.Fact("sum." + read.name); got != read.sum {
				t.Errorf("%s: by its table the kernel reads %q, by bcache it read %s", read.name, got, read.sum)
			}
		}
		if c.Fact("dmsetup") != "" || len(reads) != 3 {
			t.Errorf("%d tables; %v, %q", len(reads), c.Facts, c.Log)
		}
	}
	return x
}

func last[T any](list []T) *T { return &list[len(list)-1] }

// restored hands the kernel metadata images, sanitized and restored: over the devices that they were made of, whose
// data are there, and to new files, where all data are zero.
func restored(t *testing.T) trip {
	t.Helper()
	var x trip
	var images []*imgtest.Image
	for i, name := range []string{"version5", "detached-reattached", "writeback-crash-mid", "two-backing-flash"} {
		img := imgtest.Open(t, name)
		file := filepath.Join(img.Dir, "image")
		args := []string{"image", img.Cache, "-o", file}
		for _, b := range img.Backing {
			args = append(args, "--with", b)
		}
		write(t, args...)
		for k, path := range img.Paths() {
			from := file
			if k > 0 {
				from = fmt.Sprintf("%s#%d", file, k)
			}
			if name == "two-backing-flash" { // onto nothing
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				write(t, "image", "--restore", from, path)
				continue
			}
			write(t, "image", "--restore", "--no-undo", from, path)
		}
		disks := imageDisks(img, i)
		for k := range disks {
			disks[k].Name = "r" + disks[k].Name
		}
		x.disks = append(x.disks, disks...)
		images = append(images, img)
		x.script += fmt.Sprintf("case_ restored-%[1]s\nregister rc%[2]d\nfacts rc%[2]d\ndump rc%[2]d rc%[2]d\n", name, i)
		for k := range img.Backing {
			x.script += fmt.Sprintf("register rb%[1]d.%[2]d\nwait_for attached rb%[1]d.%[2]d\nsay \"state.%[2]d $(cat \"$(sys rb%[1]d.%[2]d)/state\")\"\n", i, k)
			if name != "two-backing-flash" {
				x.script += fmt.Sprintf("sums rb%d.%d\n", i, k)
			}
		}
		x.script += "klog\n"
	}
	x.judge = func(t *testing.T, r *Report) {
		for i, img := range images {
			t.Run("restored-"+img.Name, func(t *testing.T) {
				c := r.Case("restored-" + img.Name)
				for _, line := range c.Complaints() {
					t.Errorf("the kernel: %s", line)
				}
				compareRegistered(t, img.Cache, fsck(t, img.Cache), c, fmt.Sprintf("rc%d", i))
				for _, v := range factsOf(img.Name).Volumes {
					if v.Backing == imgtest.NoBacking {
						continue
					}
					if state := c.Fact(fmt.Sprint("state.", v.Backing)); state != "dirty" {
						t.Errorf("volume %d is %q", v.Inode, state)
					}
					if sum := c.Fact(fmt.Sprintf("sum.rb%d.%d", i, v.Backing)); img.Name != "two-backing-flash" && sum != v.SHA256 {
						t.Errorf("volume %d: the kernel reads %q, and from the device itself %s", v.Inode, sum, v.SHA256)
					}
				}
			})
		}
	}
	return x
}
