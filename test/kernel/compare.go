// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"bctl/test/kernel/workload"
)

// humanSectors is the kernel's bch_hprint of a count of sectors, as dirty_data shows it.
func humanSectors(sectors int64) string {
	v, rest, unit := sectors*512, int64(0), 0
	for {
		unit++
		rest, v = v&1023, v>>10
		if v < 1000 {
			return fmt.Sprintf("%d.%d%c", v, rest*10/1024, "?kMGTPEZY"[unit])
		}
	}
}

// expectedSum is the sha256 of an empty device of that size after the workload.
func expectedSum(t testing.TB, w workload.Workload, size int64) string {
	t.Helper()
	f, err := os.OpenFile(newFile(t, "expected", size), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if err := w.Write(f, size); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, size)); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// compareRegistered compares what bctl counts with what the kernel counts when it has just registered the cache and
// nothing has used it yet.
func compareRegistered(t testing.TB, cache string, check *Check, c *Case, disk string) {
	t.Helper()
	if got, want := strconv.Itoa(check.Summary.Btree.Depth), c.Fact("tree_depth."+disk); got != want {
		t.Errorf("tree depth %s, the kernel's %s", got, want)
	}
	compareVolumes(t, check, c.Map("dump."+disk))
	compareStats(t, summary(t, cache), c.Map("stats."+disk))
}

// compareVolumes compares with the kernel's own list of live keys: inode, keys, sectors, dirty sectors. The number of
// keys may differ, for the kernel merges what it replays. Clean sectors may be fewer with the kernel: its allocator
// reclaims the first buckets as soon as the cache is registered.
func compareVolumes(t testing.TB, check *Check, dump map[string]string) {
	t.Helper()
	seen := 0
	for _, v := range check.Summary.Volumes {
		if v.LiveSectors == 0 {
			continue
		}
		seen++
		var keys, live, dirty int64
		_, err := fmt.Sscan(dump[strconv.Itoa(int(v.Inode))], &keys, &live, &dirty)
		if err != nil || dirty != v.DirtySectors || !nearly(live, v.LiveSectors) {
			t.Errorf("inode %d: live and dirty sectors are %d and %d; the kernel has keys, live and dirty sectors %q",
				v.Inode, v.LiveSectors, v.DirtySectors, dump[strconv.Itoa(int(v.Inode))])
		}
	}
	if seen != len(dump) {
		t.Errorf("%d volumes with data, the kernel has %v", seen, dump)
	}
}

// nearly reports whether the kernel's count of live sectors can be that of a cache with so many on disk.
func nearly(kernel, disk int64) bool { return kernel <= disk && kernel >= disk*(100-statsSlack)/100 }

// statsSlack is how far percentages may be apart: the kernel's allocator has taken its first buckets off the free
// ones, or reclaimed them, when priority_stats can first be read.
const statsSlack = 3

func compareStats(t testing.TB, s Stats, kernel map[string]string) {
	t.Helper()
	for name, got := range map[string]int{"Unused": s.Unused, "Clean": s.Clean, "Dirty": s.Dirty, "Metadata": s.Metadata} {
		want, err := strconv.Atoi(strings.TrimSuffix(kernel[name], "%"))
		if err != nil || got < want-statsSlack || got > want+statsSlack {
			t.Errorf("priority_stats %s: %d%%, the kernel's %q", name, got, kernel[name])
		}
	}
}
