// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"strings"
	"testing"

	"bctl/internal/lab/imgtest"
)

// TestCacheFails takes a cache with dirty data from under the kernel, which gives it up and stops the volume. What is on
// both devices then is sound to bctl, and written back it is what the volume showed before. These kernels write nothing
// to a cache that they have given up, so its slot stays; older ones invalidated it (TestOrphan). Their allocator may die of
// it, as luck has it, and then the set never stops: nobody waits for it longer than for one that does.
func TestCacheFails(t *testing.T) {
	t.Parallel()
	eachOf(t, judges(), func(t *testing.T, k Kernel) {
		img := imgtest.Open(t, "version5")
		disks := imageDisks(img, 0)
		for i := range disks {
			disks[i].Snapshot = false
		}
		r := Boot{Kernel: k, More: deviceMapper(t, k), Disks: disks, Script: loadDM + `
size=$(($(blockdev --getsize64 /disk/c0) / 512))
swap() { dmsetup load ce && dmsetup suspend --noflush --noudevsync ce && dmsetup resume --noudevsync ce; }
case_ broken
echo "0 $size linear /disk/c0 0" | dm ce
register ce b0.0
wait_for attached b0.0
sums b0.0
echo "0 $size error" | swap
guest read "/dev/$(bcache b0.0)" seed=5,ops=60,max=16384,block=4096
given_up() { dmesg | grep -q "disabling caching"; }
wait_for given_up
usleep 500000
klog
case_ end
( echo "0 $size linear /disk/c0 0" | swap; stop_all; : >/done ) &
wait_for [ -e /done ]
crash
`}.Run(t)
		c, want := r.Case("broken"), factsOf(img.Name).Volumes[0].SHA256
		if c.Fact("sum.b0.0") != want || !strings.Contains(strings.Join(c.Log, "\n"), "disabling caching") {
			t.Fatalf("the kernel did not give it up: %v\n%s", c.Facts, strings.Join(c.Log, "\n"))
		}
		if check := fsck(t, img.Paths()...); check.Code != 0 {
			t.Errorf("fsck: exit %d, %v", check.Code, check.Damage())
		}
		if got := openCache(t, img.Cache).sumBacked(t, img.Backing[0]); got != want {
			t.Errorf("the volume is %s, it was %s", got, want)
		}
		write(t, "writeback", "--yes", "--clear", "--no-undo", img.Cache, img.Backing[0])
		if got := dataOf(t, img.Backing[0]); got != want {
			t.Errorf("written back it is %s, it was %s", got, want)
		}
	})
}
