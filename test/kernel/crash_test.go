// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"bctl/inspect/volume"
)

// The sets that are crashed in the middle of everything. Each has its own way to be busy.
var crashCases = []formatCase{
	{name: "writeback", block: "4k", bucket: "16k", policy: "lru", size: 16 * mib, backing: 24 * mib, writeback: true, ops: 5000},
	{name: "sectors", block: "512", bucket: "64k", policy: "lru", size: 40 * mib, backing: 24 * mib, writeback: true, ops: 5000},
	{name: "through", block: "4k", bucket: "32k", policy: "fifo", size: 20 * mib, backing: 24 * mib, ops: 5000},
}

// TestCrash resets the machine while bcache writes, reads and writes back. What bctl then says of the cache must be
// what the kernel says after its own recovery.
func TestCrash(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k Kernel) {
		var sets []*formatted
		var disks, again []Disk
		var script, busy, second strings.Builder
		for i := range crashCases {
			f := &formatted{formatCase: &crashCases[i]}
			f.cache, f.back = f.make(t, t.TempDir())
			sets = append(sets, f)
			disks, again = append(disks, f.disks(false)...), append(again, f.disks(true)...)
			fmt.Fprintf(&script, "register %[1]s %[2]s\nattach %[2]s %[1]s\ntune %[1]s %[2]s\nwrite_back %[2]s\n", f.cacheDisk(), f.backDisk())
			fmt.Fprintf(&busy, "guest write \"/dev/$(bcache %[1]s)\" %[2]s &\nguest read \"/dev/$(bcache %[1]s)\" seed=3,ops=5000,max=32768,block=4096 &\n",
				f.backDisk(), f.work())
			second.WriteString(f.registerScript())
		}
		Boot{Kernel: k, Disks: disks, Script: script.String() + busy.String() + "sleep 5\ncrash\n"}.Run(t)
		registered := Boot{Kernel: k, Disks: again, Script: second.String() + "stop_all\n"}.Run(t)
		for _, f := range sets {
			t.Run(f.name, func(t *testing.T) { f.judgeCrashed(t, registered.Case(f.name)) })
		}
	})
}

// judgeCrashed compares bctl's word on a crashed set with the kernel's after registration.
func (f *formatted) judgeCrashed(t *testing.T, c *Case) {
	for _, line := range c.Complaints() {
		t.Errorf("the kernel: %s", line)
	}
	check := fsck(t, f.cache, f.back)
	if check.Code != 0 {
		t.Errorf("fsck: exit %d, %v", check.Code, check.Damage())
	}
	compareRegistered(t, f.cache, check, c, f.cacheDisk())
	compareContents(t, f.cache, f.back, c.Map("piece."+f.backDisk()))
	if check.Summary.Btree.Extents == 0 {
		t.Error("the crashed cache is empty: nothing was tested")
	}
}

// compareContents compares the merged contents of a crashed volume, piece by piece, with what the kernel reads from
// it. Where a crash left clean data in the cache that never reached the backing device, what the kernel reads depends on
// which clean buckets it reuses first: such a piece may be either.
func compareContents(t *testing.T, cache, back string, want map[string]string) {
	t.Helper()
	c := openCache(t, cache)
	got := pieces(t, c.backed(t, back, volume.Options{}))
	if len(got) != len(want) {
		t.Fatalf("%d pieces, the kernel read %d", len(got), len(want))
	}
	loose := c.loose(t, back)
	for i, sum := range got {
		if want[strconv.Itoa(i)] != sum && !loose[i] {
			t.Errorf("piece %d of %d: the kernel reads something else", i, len(got))
		}
	}
	if len(loose) > 0 {
		t.Logf("%s: in %d of %d pieces clean data differ from the backing device's", cache, len(loose), len(got))
	}
}
