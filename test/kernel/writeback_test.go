// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"bctl/internal/lab/imgtest"
	"bctl/superblock"
)

// dataOf is the sha256 of a backing device's own data, as whoever has no cache reads them.
func dataOf(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := superblock.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(superblock.DataOffset(s).Bytes(), io.SeekStart); err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// writtenBack are images with dirty data of attached devices: stopped, crashed, with a second volume, of every version.
var writtenBack = []string{
	"writeback-dirty", "writeback-crash", "two-backing-flash", "version5", "detached-reattached", "read-misses", "discard-random",
	"writeback-crash-mid",
}

// TestWriteback lets bctl write the dirty data back and clear them. Each backing device alone is then what the kernel
// showed when the image was made, and the kernel registers both, says that they are clean, and shows the same. A device
// that was detached afterwards comes up alone. In the same boot the kernel is given what export --dm prints, restored
// metadata images, sets that were taken back to an older entry, and one of several backing devices with data offsets.
func TestWriteback(t *testing.T) {
	t.Parallel()
	var disks []Disk
	var script strings.Builder
	var images []*imgtest.Image
	for i, name := range writtenBack {
		img := imgtest.Open(t, name)
		args := []string{"writeback", "--yes", "--clear", "--no-undo", img.Cache}
		for _, v := range factsOf(name).Volumes {
			if v.Backing != imgtest.NoBacking {
				args = append(args, img.Backing[v.Backing])
			}
		}
		write(t, args...)
		for _, v := range factsOf(name).Volumes {
			if v.Backing == imgtest.NoBacking {
				continue
			}
			if got := dataOf(t, img.Backing[v.Backing]); got != v.SHA256 {
				t.Errorf("%s, volume %d: the backing device has %s, the kernel showed %s", name, v.Inode, got, v.SHA256)
			}
		}
		images = append(images, img)
		disks = append(disks, imageDisks(img, i)...)
		script.WriteString(imageScript(img, i))
		for _, v := range factsOf(name).Volumes {
			if v.Backing != imgtest.NoBacking {
				fmt.Fprintf(&script, "say \"state.b%[1]d.%[2]d $(cat \"$(sys b%[1]d.%[2]d)/state\")\"\n", i, v.Backing)
			}
		}
		fmt.Fprintln(&script, "klog")
	}
	alone := imgtest.Open(t, "version5")
	write(t, "writeback", "--yes", "--clear", "--no-undo", alone.Cache, alone.Backing[0])
	write(t, "detach", "--no-undo", alone.Cache, alone.Backing[0])
	disks = append(disks, Disk{Name: "ca", Path: alone.Cache, Snapshot: true}, Disk{Name: "ba", Path: alone.Backing[0], Snapshot: true})
	trips := []trip{tables(t), restored(t), rewound(t, takenBack), writtenOffsets(t, needKernel(t, Series[1]))}
	script.WriteString("stop_all\n")
	for _, x := range trips {
		disks = append(disks, x.disks...)
		script.WriteString(x.script)
	}
	eachOf(t, judges(), func(t *testing.T, k Kernel) {
		r := Boot{Kernel: k, Disks: disks, More: deviceMapper(t, k), Script: script.String() + `stop_all
case_ detached
register ca ba
usleep 500000
attached ba && say "attached yes"
say "state.ba $(cat "$(sys ba)/state")"
sums ba
attach ba ca
say "state2.ba $(cat "$(sys ba)/state")"
sums ba
klog
stop_all
`}.Run(t)
		for i, img := range images {
			t.Run(img.Name, func(t *testing.T) {
				c := r.Case(img.Name)
				judgeWritten(t, c, img, i)
				for _, v := range factsOf(img.Name).Volumes {
					if v.Backing == imgtest.NoBacking {
						continue
					}
					if state := c.Fact(fmt.Sprintf("state.b%d.%d", i, v.Backing)); state != "clean" {
						t.Errorf("volume %d is %q", v.Inode, state)
					}
				}
			})
		}
		for _, x := range trips {
			x.judge(t, r)
		}
		c := r.Case("detached")
		for _, line := range c.Complaints() {
			t.Errorf("the kernel: %s", line)
		}
		if c.Fact("attached") != "" || c.Fact("state.ba") != "no cache" || c.Fact("state2.ba") != "clean" || c.Fact("sum.ba") != factsOf("version5").Volumes[0].SHA256 {
			t.Errorf("detached: %q, then %q; attached again: %q; %s", c.Fact("attached"), c.Fact("state.ba"), c.Fact("state2.ba"), c.Fact("sum.ba"))
		}
	})
}
