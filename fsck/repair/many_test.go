// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/generate"
	"bctl/internal/lab/damages"
	"bctl/internal/ui/progress"
	"bctl/superblock"
)

// Where neither root nor gens are left, and nothing but many leaves, they are all found again, whatever gens their
// buckets have. They come a few at a time, and of the extents none is lost, or cut.
func TestManyOrphans(t *testing.T) {
	spec := &generate.Spec{Buckets: 3000, BucketSectors: 128, BlockSectors: 8, Extents: 40000, Dirty: 1, Volumes: 3, Bsets: 1, Free: 200, Seed: 7}
	f, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(spec.Size()); err != nil {
		t.Fatal(err)
	}
	if _, err := generate.Make(context.Background(), *spec, f, progress.Silent); err != nil {
		t.Fatal(err)
	}
	dev := fsck.Device{Name: "image", R: f, Size: spec.Size()}
	want := live(t, dev)
	s, err := superblock.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	c, err := inspect.Open(context.Background(), f, s, inspect.Options{Size: dev.Size, Sink: func(finding.Finding) {}})
	if err != nil {
		t.Fatal(err)
	}
	rubbish := make([]byte, 4096)
	for i := range rubbish {
		rubbish[i] = 0x5a
	}
	root := c.Journal.Newest.BtreeRoot.Ptr[0].Offset()
	for _, at := range []ondisk.Sector{root, c.Geo.Start(c.Chain.Links[0].Bucket)} {
		if _, err := f.WriteAt(rubbish, at.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	if c.Tree.Nodes < 15 {
		t.Fatalf("%d nodes", c.Tree.Nodes)
	}
	r, err := repair.Plan(context.Background(), dev, nil, repair.Options{Options: fsck.Options{Now: damages.Now}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Plans[0] == nil || r.After.Result == fsck.Damaged {
		t.Fatalf("not repaired: %v", codes(r.After))
	}
	dev.R = r.Plans[0].Overlay(dev.R)
	if got := live(t, dev); !maps.Equal(got, want) {
		t.Errorf("%d sectors, there were %d", len(got), len(want))
	}
}
