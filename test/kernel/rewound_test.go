// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"fmt"
	"testing"

	"bctl/internal/lab/imgtest"
)

// A rewind takes an image back to a candidate of show-journal --rewind, by its number: 0 is the newest entry.
type rewind struct {
	image string
	by    int
}

// takenBack go to an entry of an older root, and to ones that do not have the newest dirty data yet.
var takenBack = []rewind{{"fifo-full", 5}, {"writeback-crash-mid", 4}, {"detached-reattached", 7}}

// rewound has the kernel register sets that fsck --rewind took back: it shows what bctl says that they hold now, and what
// it showed before where the price was nothing.
func rewound(t *testing.T, list []rewind) trip {
	t.Helper()
	var x trip
	var images []*imgtest.Image
	var prices []int64
	for i, b := range list {
		img := imgtest.Open(t, b.image)
		var said struct {
			Candidates []struct {
				Seq   uint64
				Dirty int64 `json:"lost_dirty_sectors"`
			}
		}
		bctlJSON(t, &said, "show-journal", "--rewind", "--json", img.Cache)
		if len(said.Candidates) <= b.by {
			t.Fatalf("%s: %d candidates", b.image, len(said.Candidates))
		}
		to := said.Candidates[b.by]
		args := append([]string{"fsck", "-y", "--quiet", "--no-undo", "--rewind", fmt.Sprint(to.Seq)}, img.Paths()...)
		if out, code := bctl(t, args...); code != 1 {
			t.Fatalf("%s: back to %d: exit %d\n%s", b.image, to.Seq, code, out)
		}
		images, prices = append(images, img), append(prices, to.Dirty)
		disks := imageDisks(img, i)
		for k := range disks {
			disks[k].Name = "w" + disks[k].Name
		}
		x.disks = append(x.disks, disks...)
		x.script += fmt.Sprintf("case_ rewound-%[1]d\nregister wc%[1]d\nfacts wc%[1]d\ndump wc%[1]d wc%[1]d\n", i)
		for k := range img.Backing {
			x.script += fmt.Sprintf("register wb%[1]d.%[2]d\nwait_for attached wb%[1]d.%[2]d\nsums wb%[1]d.%[2]d\npieces wb%[1]d.%[2]d\n", i, k)
		}
		x.script += "klog\nstop_all\n"
	}
	x.judge = func(t *testing.T, r *Report) {
		for i, img := range images {
			t.Run(fmt.Sprintf("rewound-%s-%d", img.Name, list[i].by), func(t *testing.T) {
				c := r.Case(fmt.Sprint("rewound-", i))
				for _, line := range c.Complaints() {
					t.Errorf("the kernel: %s", line)
				}
				check := fsck(t, img.Paths()...)
				if check.Code != 0 {
					t.Errorf("fsck: exit %d, %v", check.Code, check.Damage())
				}
				compareRegistered(t, img.Cache, check, c, fmt.Sprint("wc", i))
				for k, back := range img.Backing {
					b := fmt.Sprintf("wb%d.%d", i, k)
					compareContents(t, img.Cache, back, c.Map("piece."+b))
					if same := c.Fact("sum."+b) == volumeSum(img.Name, k); same != (prices[i] == 0) {
						t.Errorf("the same data: %v, for %d dirty sectors", same, prices[i])
					}
				}
			})
		}
	}
	return x
}

// volumeSum is what the kernel read of the volume of a backing device when the image was made.
func volumeSum(image string, backing int) string {
	for _, v := range factsOf(image).Volumes {
		if v.Backing == backing {
			return v.SHA256
		}
	}
	return ""
}
