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

// A formatCase is a set that bctl format makes and the kernel then uses.
type formatCase struct {
	name      string
	block     string
	bucket    string
	policy    string
	size      int64 // of the cache device: at least 513 buckets, sparse
	backing   int64
	offset    int // data offset in sectors; 0 is the default
	writeback bool
	label     string
	large     bool // version 5 for its own sake
	ops       int
}

// Where all is dirty and nothing may be written back, the writes must fit into the cache: the kernel waits long for
// buckets that do not come.
var formatCases = []formatCase{
	{name: "lru-8k", block: "4k", bucket: "8k", policy: "lru", size: 16 * mib, backing: 24 * mib, writeback: true, label: "eight", ops: 400},
	{name: "fifo-16k", block: "512", bucket: "16k", policy: "fifo", size: 16 * mib, backing: 24 * mib, ops: 500},
	{name: "random-32k", block: "4k", bucket: "32k", policy: "random", size: 20 * mib, backing: 24 * mib, ops: 500},
	{name: "lru-64k-512", block: "512", bucket: "64k", policy: "lru", size: 40 * mib, backing: 24 * mib, writeback: true, ops: 500},
	{name: "fifo-512k", block: "4k", bucket: "512k", policy: "fifo", size: 300 * mib, backing: 24 * mib, writeback: true, offset: 2048, ops: 300},
	{name: "lru-1M", block: "4k", bucket: "1M", policy: "lru", size: 600 * mib, backing: 24 * mib, label: strings.Repeat("m", 32), ops: 300},
	{name: "lru-4M", block: "4k", bucket: "4M", policy: "lru", size: 2200 * mib, backing: 24 * mib, writeback: true, ops: 300},
	{name: "v5-8M", block: "4k", bucket: "8M", policy: "lru", size: 4300 * mib, backing: 24 * mib, writeback: true, large: true, ops: 300},
	{name: "v5-32M", block: "4k", bucket: "32M", policy: "lru", size: 17 * gib, backing: 24 * mib, writeback: true, label: "large", ops: 300},
}

func (c *formatCase) cacheDisk() string { return "c." + c.name }
func (c *formatCase) backDisk() string  { return "b." + c.name }

// work is what the guest writes: whole sectors where the block size allows, beyond what the cache holds where it is
// small.
func (c *formatCase) work() workload.Workload {
	block := int64(4 * kib)
	if c.block == "512" {
		block = 512
	}
	return workload.Workload{Seed: uint64(len(c.name)) * 7, Ops: c.ops, Max: 48 * kib, Block: block}
}

// make formats the set into dir, as one call of bctl format with the flags that it is given besides.
func (c *formatCase) make(t *testing.T, dir string, more ...string) (cache, back string) {
	t.Helper()
	cache, back = filepath.Join(dir, "cache.img"), filepath.Join(dir, "back.img")
	for path, size := range map[string]int64{cache: c.size, back: c.backing} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"-C", cache, "-B", back, "-b", c.bucket, "-w", c.block, "--cache-replacement-policy", c.policy}
	if c.offset > 0 {
		args = append(args, "-o", strconv.Itoa(c.offset))
	}
	if c.writeback {
		args = append(args, "--writeback")
	}
	if c.label != "" {
		args = append(args, "--label", c.label)
	}
	if c.large {
		args = append(args, "--large-bucket")
	}
	format(t, append(args, more...)...)
	return cache, back
}

// firstRegistration is what the kernel says of a cache that has only a superblock, before it initialises the rest.
const firstRegistration = "invalidating existing data"

// A formatted set and what is known of it.
type formatted struct {
	*formatCase
	cache, back string
	expected    string // what the kernel says at the first registration; "": nothing
}

func (f *formatted) disks(snapshot bool) []Disk {
	return []Disk{{Name: f.cacheDisk(), Path: f.cache, Snapshot: snapshot}, {Name: f.backDisk(), Path: f.back, Snapshot: snapshot}}
}

// registerScript registers the cache alone, so that nothing uses it while it is counted, and then the backing device.
func (f *formatted) registerScript() string {
	return fmt.Sprintf(`case_ %[1]s
register %[2]s
facts %[2]s
dump %[2]s %[2]s
register %[3]s
wait_for attached %[3]s
sums %[3]s
pieces %[3]s
klog
`, f.name, f.cacheDisk(), f.backDisk())
}

// TestFormat is the conversation of bctl format, the kernel and bctl fsck: the kernel registers, attaches, writes and
// reads what bctl formatted; bctl then finds it clean and says of it what the kernel says.
func TestFormat(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k Kernel) { converse(t, k, firstRegistration) })
}

// TestInit is the same with sets that bctl has made complete: the kernel has nothing to initialise, and attaches the
// backing device as soon as it sees it.
func TestInit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k Kernel) { converse(t, k, "", "--init", "--attach") })
}

// converse formats all cases, with these flags besides, lets the kernel use them, and compares. The kernel may
// complain of nothing, but that it says what is expected.
func converse(t *testing.T, k Kernel, expected string, flags ...string) {
	var sets []*formatted
	var disks, again []Disk
	var script, second strings.Builder
	for i := range formatCases {
		f := &formatted{formatCase: &formatCases[i], expected: expected}
		f.cache, f.back = f.make(t, t.TempDir(), flags...)
		sets = append(sets, f)
		disks, again = append(disks, f.disks(false)...), append(again, f.disks(true)...)
		fmt.Fprintf(&script, `case_ %[1]s
register %[2]s %[3]s
say state "$(cat "$(sys %[3]s)/state")"
attach %[3]s %[2]s
tune %[2]s %[3]s
guest write "/dev/$(bcache %[3]s)" %[4]s
guest read "/dev/$(bcache %[3]s)" seed=5,ops=60,max=16384,block=4096
dirty %[3]s
sums %[3]s
say label "$(cat "$(sys %[3]s)/label")"
say mode "$(cat "$(sys %[3]s)/cache_mode")"
say policy "$(cat "$(setof %[2]s)/cache0/cache_replacement_policy")"
klog
`, f.name, f.cacheDisk(), f.backDisk(), f.work())
		second.WriteString(f.registerScript())
	}
	first := Boot{Kernel: k, Disks: disks, Script: script.String() + "stop_all\n"}.Run(t)
	registered := Boot{Kernel: k, Disks: again, Script: second.String() + "stop_all\n"}.Run(t)
	for _, f := range sets {
		t.Run(f.name, func(t *testing.T) { f.judge(t, first.Case(f.name), registered.Case(f.name)) })
	}
}

// judge compares what bctl says of the set with what the kernel said while it was used, and when it was registered
// again.
func (f *formatted) judge(t *testing.T, used, registered *Case) {
	initialised := 0
	for _, c := range []*Case{used, registered} {
		for _, line := range c.Complaints() {
			if c == used && f.expected != "" && strings.Contains(line, f.expected) {
				initialised++
				continue
			}
			t.Errorf("the kernel: %s", line)
		}
		for _, disk := range []string{f.cacheDisk(), f.backDisk()} {
			if got := c.Fact("registered." + disk); got != "yes" {
				t.Errorf("registered %s: %q", disk, got)
			}
		}
	}
	if want := len(f.expected) > 0; (initialised == 1) != want || initialised > 1 {
		t.Errorf("the kernel initialised the cache %d times", initialised)
	}
	f.judgeSettings(t, used)
	check := fsck(t, f.cache, f.back)
	if check.Code != 0 {
		t.Errorf("fsck: exit %d, %v", check.Code, check.Findings)
	}
	f.judgeContents(t, used, registered)
	if len(check.Summary.Volumes) != 1 {
		t.Fatalf("volumes %v, want one", check.Summary.Volumes)
	}
	if got, want := humanSectors(check.Summary.Volumes[0].DirtySectors), used.Fact("dirty."+f.backDisk()); got != want {
		t.Errorf("dirty sectors are %s, the kernel's dirty_data was %s", got, want)
	}
	compareRegistered(t, f.cache, check, registered, f.cacheDisk())
}

func (f *formatted) judgeSettings(t *testing.T, used *Case) {
	t.Helper()
	mode := "[writethrough]"
	if f.writeback {
		mode = "[writeback]"
	}
	for fact, want := range map[string]string{"mode": mode, "policy": "[" + f.policy + "]", "label": f.label, "state": "clean"} {
		if got := used.Fact(fact); !strings.Contains(got, want) {
			t.Errorf("%s: the kernel has %q, want %q", fact, got, want)
		}
	}
}

// judgeContents compares the volume as the kernel read it, twice, as bctl reads it, and as it was written.
func (f *formatted) judgeContents(t *testing.T, used, registered *Case) {
	t.Helper()
	want := used.Fact("sum." + f.backDisk())
	if got := registered.Fact("sum." + f.backDisk()); got != want {
		t.Errorf("registered again, the kernel reads %s; before it read %s", got, want)
	}
	if got := openCache(t, f.cache).sumBacked(t, f.back); got != want {
		t.Errorf("bctl's contents are %s, the kernel's %s", got, want)
	}
	offset := int64(16)
	if f.offset > 0 {
		offset = int64(f.offset)
	}
	if got := expectedSum(t, f.work(), f.backing-offset*512); got != want {
		t.Errorf("written was %s, the kernel reads %s", got, want)
	}
}
