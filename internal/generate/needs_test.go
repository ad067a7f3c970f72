// SPDX-License-Identifier: GPL-2.0-only

package generate

import (
	"context"
	"testing"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/planter"
	"bctl/internal/ui/progress"
	"bctl/superblock"
)

// What a cache is said to need is what one has that was made: its journal, chain, nodes and depth.
func TestNeed(t *testing.T) {
	for _, s := range []Spec{
		{Buckets: 1024, BucketSectors: 64, BlockSectors: 8, Extents: 6000},
		{Buckets: 2048, BucketSectors: 1024, BlockSectors: 8, Extents: 40000, Fill: 50},
		{Buckets: 600, BucketSectors: 32, BlockSectors: 1, Extents: 0},
		{Buckets: 20000, BucketSectors: 64, BlockSectors: 8, Extents: 9000, Fill: 75},
	} {
		s.Volumes, s.Seed = 1, 1
		img := planter.NewImage(nil, s.Size())
		made, err := Make(context.Background(), s, img, progress.Silent)
		if err != nil {
			t.Fatal(err)
		}
		super, err := superblock.Read(img)
		if err != nil {
			t.Fatal(err)
		}
		c, err := inspect.Open(context.Background(), img, super, inspect.Options{Size: s.Size(), Sink: func(finding.Finding) {}})
		if err != nil {
			t.Fatal(err)
		}
		n := Need(s.Size(), s.BucketSectors, s.BlockSectors, uint64(s.Extents))
		bucket := s.BucketSectors.Bytes()
		if n.Journal != int64(super.Keys)*bucket || n.Prios != 2*int64(len(c.Chain.Links))*bucket || n.Super != int64(super.FirstBucket)*bucket {
			t.Errorf("%+v: %+v", s, n)
		}
		if nodes := uint64(made.Nodes); nodes < n.NodesLeast || nodes > n.NodesMost+uint64(n.DepthMost)+1 || c.Tree.Depth > n.DepthMost {
			t.Errorf("%+v: %d nodes, depth %d; %d to %d, %d", s, made.Nodes, c.Tree.Depth, n.NodesLeast, n.NodesMost, n.DepthMost)
		}
		if s.Fill == 0 && uint64(made.Nodes) != n.NodesLeast {
			t.Errorf("%+v: %d nodes, least %d", s, made.Nodes, n.NodesLeast)
		}
	}
}

// The question of the list: 2 TB with buckets of 512 KiB.
func TestNeedLarge(t *testing.T) {
	n := Need(2<<40, 1024, 8, 0)
	if n.Geo.NBuckets != 4<<20 || n.Geo.PrioBuckets() != 25 || n.BucketTable < 48<<20 || n.BucketTable > 56<<20 || n.NodesLeast != 1 {
		t.Errorf("%+v", n)
	}
	full := Need(2<<40, 1024, 8, 90e9/ondisk.SectorBytes) // any number: more extents need more of everything
	if least, most := full.Registration(); least <= 0 || most <= least {
		t.Errorf("%v to %v", least, most)
	}
	if a, b := full.Flash(); a >= b || a <= n.Super+n.Journal {
		t.Errorf("%d to %d", a, b)
	}
}
