// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"strconv"
	"strings"
	"testing"

	"bctl/internal/lab/imgtest"
)

// TestRegistered reads a cache that the kernel is writing to: bcache's writes do not pass the page cache, so whoever has
// read the device before must not be shown what it was then; and that it is in use is said.
func TestRegistered(t *testing.T) {
	t.Parallel()
	more := udevFiles(t) // bctl among them
	k := needKernel(t, "6.12")
	set := imgtest.Open(t, "writeback-dirty")
	r := Boot{Kernel: k, More: more, Disks: []Disk{
		{Name: "c", Path: set.Cache, Snapshot: true}, {Name: "b", Path: set.Backing[0], Snapshot: true},
	}, Script: `case_ registered
register c b
wait_for attached b
set_attr b cache_mode writeback
set_attr b writeback_running 0
set_attr b sequential_cutoff 0
dirty_of() { grep -o '"dirty_sectors":[0-9]*' "$1" | head -n 1 | cut -d: -f2; }
bctl fsck --json /dev/$(dev c) >/tmp/before 2>/dev/null; say before $(dirty_of /tmp/before)
guest write "/dev/$(bcache b)" seed=5,ops=200,max=65536,block=4096
sleep 1
bctl fsck --json /dev/$(dev c) >/tmp/shown 2>/tmp/word; say shown $(dirty_of /tmp/shown)
say word $(cat /tmp/word)
echo 3 >/proc/sys/vm/drop_caches
bctl fsck --json /dev/$(dev c) >/tmp/true 2>/dev/null; say true $(dirty_of /tmp/true)
`}.Run(t)
	c := r.Case("registered")
	number := func(key string) int {
		n, err := strconv.Atoi(c.Fact(key))
		if err != nil {
			t.Errorf("%s: %v", key, err)
		}
		return n
	}
	before, shown, really := number("before"), number("shown"), number("true")
	if shown != really || really <= before {
		t.Errorf("%d dirty sectors shown, %d on the device, %d before", shown, really, before)
	}
	if word := c.Fact("word"); !strings.Contains(word, "registered") {
		t.Errorf("not said: %q", word)
	}
	if t.Failed() {
		t.Logf("facts %v, log %q", c.Facts, c.Log)
	}
}
