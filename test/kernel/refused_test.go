// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
)

// writersOf are commands that would write to the cache $c, some with its backing device $b, in the guest's shell.
var writersOf = []string{
	"fsck -y $c $b", "fsck -p $c", "fsck -y --force $c", "fsck -y --rewind $seq $c $b", "fsck -y --scan $c",
	"writeback --yes --clear $c $b", "tune --label x $c", "rewrite-prios --set 700:gen=9,prio=0 $c",
	"detach $c $b", "uuid purge --leftover --yes $c", "uuid relink --inode 0 --yes $c $b", "super restore --file /tmp/super --yes $c",
	"image --restore /tmp/image $c", "format --force --wipe-bcache --discard-dirty -C $c", "undo /tmp/undo $c",
}

// TestRefused lets bctl meet devices that are the kernel's, and media that fail, in a guest that has it. It is one of
// Series, unless BCTL_KERNEL_REPAIRS names another; what a kernel of elsewhere has no modules for is left out, and said.
func TestRefused(t *testing.T) {
	t.Parallel()
	series := Series[1]
	if os.Getenv(envRepairs) != "" {
		series = judges()[0]
	}
	k := needKernel(t, series)
	if k.Image == "" {
		t.Skipf("no linux %s", series)
	}
	dir := t.TempDir()
	dm := deviceMapper(t, k, moreModules...)
	trips := []trip{refusals(t, dir, slices.Contains(Series, series)), failing(t)}
	boot := Boot{Kernel: k, Script: "export BCTL_STATE_DIR=/tmp/state\n" + loadDM, More: func(a *archive) {
		dm(a)
		a.addFile("bin/bctl", bctlBinary.build(t))
		for _, name := range []string{"super", "image", "undo"} {
			a.addFile("tmp/"+name, filepath.Join(dir, name))
		}
	}}
	for _, x := range trips {
		boot.Disks = append(boot.Disks, x.disks...)
		boot.Script += x.script
	}
	r := boot.Run(t)
	for _, x := range trips {
		x.judge(t, r)
	}
}

// refusals are of a set that is registered, of a disk with a mounted file system, of a cache under device mapper, and of
// one that is a path of a multipath device: no command may write a byte to any. The multipath device itself is repaired,
// and registered. dir gets what the commands want; all says that the kernel must have multipath and ext4.
func refusals(t *testing.T, dir string, all bool) trip {
	t.Helper()
	order := findTried(t, "two keys of one bset out of order") // a kernel registers it, and there is something to repair
	disks := saveScene(t, order, filepath.Join(dir, "order"), 0)
	seq := openCache(t, disks[0].Path).Journal.Newest.Seq
	write(t, "super", "backup", "--file", filepath.Join(dir, "super"), disks[0].Path)
	write(t, "image", disks[0].Path, "-o", filepath.Join(dir, "image"))
	write(t, "tune", "--label", "x", "--undo", filepath.Join(dir, "undo"), disks[0].Path)
	plain := newFile(t, "plain", 4*mib)
	if out, err := exec.Command("mkfs.ext4", "-q", "-O", "^has_journal", plain).CombinedOutput(); err != nil {
		missing(t, "mkfs.ext4: %v\n%s", err, out)
	}
	disks = append(disks, Disk{Name: "plain", Path: plain, Snapshot: true})
	script := fmt.Sprintf(`case_ refused
seq=%d
cat >/tmp/writers <<'END'
%s
END
`, seq, strings.Join(writersOf, "\n")) + `
try() { name=$1; shift; eval "bctl $*" >/tmp/out 2>&1; say "$name $? $(tr '\n' ' ' </tmp/out)"; }
all() {
	n=0
	while read -r line; do try "$1.$n" "$line"; n=$((n + 1)); done </tmp/writers
}
bytes() { echo 3 >/proc/sys/vm/drop_caches; say "bytes $(contents "$(dev c0)")"; }
c=/dev/$(dev c0); b=/dev/$(dev b0.0); p=/dev/$(dev plain)
register c0 b0.0
wait_for attached b0.0
set_attr b0.0 writeback_running 0
sleep 1
all registered
try volume tune --cache-mode none $b
mkdir /mnt
if mount -t ext4 $p /mnt; then
	try mounted format --force -B $p
	umount /mnt
else
	say "mount failed"
fi
stop_all
size=$(($(blockdev --getsize64 $c) / 512))
bytes
echo "0 $size linear $c 0" | dm lin
all linear
dmsetup remove --noudevsync lin
if echo "0 $size multipath 0 0 1 1 round-robin 0 1 1 $c 1000" | dm -u mpath-3600 mp; then
	all path
	bytes
	try through fsck -y --no-undo /disk/mp $b
	register mp b0.0
	wait_for attached b0.0
	sums b0.0
	klog
	stop_all
	dmsetup remove --noudevsync mp
fi
`
	return trip{disks: disks, script: script, judge: func(t *testing.T, r *Report) {
		c := r.Case("refused")
		mounts, multipath := all || c.Fact("mount") == "", all || c.Fact("dmsetup") == ""
		if !mounts {
			t.Log("this kernel has no ext4 here: a mounted device was not tried")
		}
		words := map[string]string{"registered": "registered as", "linear": "held by device mapper as lin"}
		if multipath {
			words["path"] = "a path of the multipath device mp"
		} else {
			t.Log("this kernel has no multipath here: a path was not tried, nor the device through it")
		}
		for what, word := range words {
			for i, line := range writersOf {
				if got := c.Fact(fmt.Sprintf("%s.%d", what, i)); !strings.HasPrefix(got, "8 ") || !strings.Contains(got, word) {
					t.Errorf("%s: bctl %s: %q", what, line, got)
				}
			}
		}
		if got := c.Fact("volume"); !strings.HasPrefix(got, "8 ") || !strings.Contains(got, "backing device of bcache") {
			t.Errorf("registered: %q", got)
		}
		for _, got := range c.Facts["mounted"] {
			if !strings.HasPrefix(got, "8 ") || !strings.Contains(got, "mounted on /mnt") {
				t.Errorf("mounted: %q", got)
			}
		}
		if sums := c.Facts["bytes"]; len(sums) == 0 || multipath && len(sums) != 2 || *last(sums) != sums[0] {
			t.Errorf("the device was written to: %q", sums)
		}
		if mounts && len(c.Facts["mounted"]) != 1 || multipath && c.Fact("dmsetup") != "" || mounts && c.Fact("mount") != "" {
			t.Errorf("facts %v", c.Facts)
		}
		if got := c.Fact("through"); multipath && (!strings.HasPrefix(got, "1 ") || c.Fact("sum.b0.0") != factsOf(order.Base).Volumes[0].SHA256) {
			t.Errorf("through the multipath device: %q, and the volume is %s", got, c.Fact("sum.b0.0"))
		}
		for _, line := range c.Complaints() {
			t.Errorf("the kernel: %s", line)
		}
	}}
}

// failing are two sets on media of which some sectors give errors. Of the first it is a prio bucket: only --force repairs
// it, and then the kernel registers the device as it is. Of the second they are dirty data: all others are written back,
// those are listed, their keys stay dirty, and when the medium gives them after all nothing is missing.
func failing(t *testing.T) trip {
	t.Helper()
	prio, data := imgtest.Open(t, "version5"), imgtest.Open(t, "writeback-crash-mid")
	pc, dc := openCache(t, prio.Cache), openCache(t, data.Cache)
	chain := pc.Geo.Start(pc.Chain.Links[0].Bucket)
	var dirty []ondisk.Bkey
	for e, err := range dc.Extents(inspect.Everything) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Live && e.Dirty() {
			dirty = append(dirty, e.Bkey)
		}
	}
	k := dirty[len(dirty)/2]
	x := trip{disks: imageDisks(prio, 8)}
	x.disks = append(x.disks, imageDisks(data, 9)...)
	x.script = fmt.Sprintf(`
# failing NAME DISK SECTOR COUNT: a device of DISK of which COUNT sectors cannot be read
failing() {
	size=$(($(blockdev --getsize64 "/disk/$2") / 512))
	printf '0 %%d linear /disk/%%s 0\n%%d %%d flakey /disk/%%s %%d 0 1 1 error_reads\n%%d %%d linear /disk/%%s %%d\n' $3 $2 $3 $4 $2 $3 $(($3 + $4)) $((size - $3 - $4)) $2 $(($3 + $4)) | dm "$1"
}
case_ prio
failing f8 c8 %d %d
b=/dev/$(dev b8.0)
try check fsck /disk/f8 $b
try without fsck -y --no-undo /disk/f8 $b
try check2 fsck /disk/f8 $b
try with fsck -y --force --lost /tmp/lost --no-undo /disk/f8 $b
say lost $(wc -l </tmp/lost)
try again fsck /disk/f8 $b
register f8 b8.0
wait_for attached b8.0
sums b8.0
klog
stop_all
case_ data
failing f9 c9 %d %d
b=/dev/$(dev b9.0)
try back writeback --yes --clear --no-undo --retries 1 --failed /tmp/failed /disk/f9 $b
while read -r line; do say "failed $line"; done </tmp/failed
stop_all
size=$(($(blockdev --getsize64 /disk/c9) / 512))
echo "0 $size linear /disk/c9 0" | dmsetup load f9
dmsetup suspend --noudevsync f9; dmsetup resume --noudevsync f9
try sound fsck /disk/f9 $b
register f9 b9.0
wait_for attached b9.0
say "state $(cat "$(sys b9.0)/state")"
dirty b9.0
sums b9.0
v=/dev/$(bcache b9.0); dd if=/dev/$(dev plain) of=$v bs=1M 2>/dev/null; mount -t ext4 $v /mnt || say "mount failed"
try volume writeback --yes --clear /disk/f9 $b
try volume format --force -B $v
umount /mnt
klog
stop_all
`, chain, pc.Geo.BucketSectors, k.Ptr[0].Offset(), k.Size())
	x.judge = func(t *testing.T, r *Report) {
		c := r.Case("prio")
		for what, want := range map[string][]string{
			"check": {"4 ", "PR08"}, "without": {"4 ", "not repaired: something cannot be read"}, "check2": {"4 ", "PR08"},
			"with": {"1 ", "no dirty and"}, "again": {"0 ", "no damage"}, "lost": {"0"},
		} {
			if got := c.Fact(what); !strings.HasPrefix(got, want[0]) || !strings.Contains(got, *last(want)) {
				t.Errorf("prio, %s: %q", what, got)
			}
		}
		if got := c.Fact("sum.b8.0"); got != volumeSum(prio.Name, 0) {
			t.Errorf("prio: the kernel reads %q; %q", got, c.Log)
		}
		c = r.Case("data")
		if !strings.HasPrefix(c.Fact("back"), "4 ") || !strings.HasPrefix(c.Fact("sound"), "0 ") || c.Fact("state") != "dirty" || c.Fact("sum.b9.0") != volumeSum(data.Name, 0) {
			t.Errorf("data: %v, %q", c.Facts, c.Log)
		}
		for _, got := range c.Facts["volume"] {
			if !strings.HasPrefix(got, "8 ") || !strings.Contains(got, "bcache") {
				t.Errorf("its volume is mounted: %q", got)
			}
		}
		var lost struct {
			Offset ondisk.Sector `json:"offset_sectors"`
			Count  ondisk.Sector `json:"sectors"`
			Why    string
		}
		if err := json.Unmarshal([]byte(c.Fact("failed")), &lost); err != nil || len(c.Facts["failed"]) != 1 || lost.Offset != k.Start() || lost.Count != k.Size() || lost.Why != "unread" {
			t.Errorf("not copied are %v, of %d sectors at %d", c.Facts["failed"], k.Size(), k.Start())
		}
		for _, c := range []*Case{r.Case("prio"), r.Case("data")} {
			for _, line := range c.Complaints() {
				if !strings.Contains(line, "I/O error") {
					t.Errorf("%s: the kernel: %s", c.Name, line)
				}
			}
		}
	}
	return x
}

func findTried(t *testing.T, name string) damages.Damage {
	t.Helper()
	for _, d := range damages.Tried {
		if d.Name == name {
			return d
		}
	}
	t.Fatalf("no damage %q", name)
	return damages.Damage{}
}
