// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"os"
	"slices"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/blockdev"
	"bctl/internal/lab/imgtest"
)

// Nodes that nothing leads to are found whether the device tells of its holes or not, and the same as by looking at every
// bucket.
func TestOldNodes(t *testing.T) {
	img := imgtest.Open(t, "writeback-dirty")
	f, err := os.OpenFile(img.Cache, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	c := open(t, f, info.Size())
	node := make([]byte, ondisk.BsetBytes) // a copy of a live one's head
	if _, err := f.ReadAt(node, c.Geo.Start(c.Geo.BucketOf(c.Tree.leaves[0].ptr.Offset())).Bytes()); err != nil {
		t.Fatal(err)
	}
	planted := 0
	for b := c.Geo.NBuckets - 1; b > c.Geo.FirstBucket && planted < 5; b -= 2 {
		if c.Buckets.Mark(b) == Free {
			if _, err := f.WriteAt(node, c.Geo.Start(b).Bytes()); err != nil {
				t.Fatal(err)
			}
			planted++
		}
	}
	var want []ondisk.Bucket
	head := make([]byte, ondisk.BsetBytes)
	for b := c.Geo.FirstBucket; b < c.Geo.NBuckets; b++ {
		if _, err := f.ReadAt(head, c.Geo.Start(b).Bytes()); err != nil {
			t.Fatal(err)
		}
		h, err := ondisk.DecodeBsetHeader(head)
		if c.Buckets.Mark(b) == Free && err == nil && h.Seq != 0 && ondisk.BsetSetMagic(head) == c.Geo.SetMagic {
			want = append(want, b)
		}
	}
	if len(want) < planted || planted < 5 {
		t.Fatalf("%d planted, %d there", planted, len(want))
	}
	d, err := blockdev.Open(img.Cache)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for name, c := range map[string]*Cache{"a file": c, "a device": open(t, d, d.Size())} {
		for range 2 {
			if got, err := c.OldNodes(); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %v, %v, want %v", name, got, err, want)
			}
		}
		if seq := c.NodeSeq(want[0]); seq == 0 {
			t.Errorf("%s: no seq", name)
		}
	}
}
