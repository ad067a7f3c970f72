// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// What bctl generate makes, one of each: stale pointers and several volumes; a deep tree of nodes of several bsets and
// odd sectors; large nodes, all of it dirty.
var generatedCases = []struct{ name, flags string }{
	{"stale", "--buckets 1200 --bucket 64k --extents 12000 --dirty-ratio 0.3 --volumes 3 --stale 0.4"},
	{"deep", "--buckets 6000 --bucket 8k --block 512 --extents 9000 --bsets 3 --fill 25 --stale 0.1 --seed 5"},
	{"dirty", "--buckets 700 --bucket 512k --extents 30000 --dirty-ratio 1"},
}

// TestGenerate registers what bctl generate makes, attaches a device to it and writes: the kernel complains of nothing,
// and counts what bctl counts.
func TestGenerate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k Kernel) {
		var disks []Disk
		var script strings.Builder
		paths := map[string]string{}
		for _, c := range generatedCases {
			path := filepath.Join(t.TempDir(), "cache.img")
			paths[c.name] = path
			if out, code := bctl(t, append([]string{"generate", path}, strings.Fields(c.flags)...)...); code != 0 {
				t.Fatalf("bctl generate %s: exit %d\n%s", c.flags, code, out)
			}
			back := newFile(t, "back.img", 16*mib)
			format(t, "-B", back, "--writeback")
			disks = append(disks, Disk{Name: "c." + c.name, Path: path, Snapshot: true}, Disk{Name: "b." + c.name, Path: back, Snapshot: true})
			fmt.Fprintf(&script, `case_ %[1]s
register c.%[1]s
facts c.%[1]s
dump c.%[1]s c.%[1]s
register b.%[1]s
attach b.%[1]s c.%[1]s
guest write "/dev/$(bcache b.%[1]s)" seed=5,ops=100,max=16384,block=4096
sums b.%[1]s
klog
`, c.name)
		}
		r := Boot{Kernel: k, Disks: disks, Script: script.String() + "stop_all\n"}.Run(t)
		for _, c := range generatedCases {
			t.Run(c.name, func(t *testing.T) {
				got := r.Case(c.name)
				for _, line := range got.Complaints() {
					t.Errorf("the kernel: %s", line)
				}
				if got.Fact("registered.c."+c.name) != "yes" || got.Fact("sum.b."+c.name) == "" {
					t.Errorf("facts %v", got.Facts)
				}
				check := fsck(t, paths[c.name])
				if check.Code != 0 {
					t.Errorf("fsck: exit %d, %v", check.Code, check.Damage())
				}
				compareRegistered(t, paths[c.name], check, got, "c."+c.name)
			})
		}
	})
}
