// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"math/rand/v2"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/superblock"
)

// However blocks and buckets lie, the first claim of a block that was claimed before makes its bucket suspect, and no
// other does.
func TestClaims(t *testing.T) {
	rnd := rand.New(rand.NewPCG(13, 14))
	for _, geo := range []struct{ block, bucket ondisk.Sector }{{8, 1024}, {8, 128}, {1, 1024}, {8, 8192}, {1, 16384}, {1, 128}, {2, 4096}} {
		for _, small := range []bool{false, true} { // small: the device is, so that a bit a block is little
			c := &Cache{Geo: superblock.Sizes(geo.block, geo.bucket, 1, 100), o: Options{Size: 1 << 40, Sink: func(finding.Finding) {}}}
			c.Buckets = newBuckets(&c.Geo)
			j := newJudge(c, c.o.Sink)
			if !small && j.cell != geo.block && j.cell/geo.block <= 64 {
				j.blocks, j.edges = nil, map[uint64]uint64{}
				c.Buckets.keepCells(j.cell)
			}
			hits := 0
			claimed := map[ondisk.Sector]bool{}
			suspect := map[ondisk.Bucket]bool{}
			for range 3000 {
				b := ondisk.Bucket(1 + rnd.IntN(99))
				if suspect[b] {
					continue
				}
				from := ondisk.Sector(rnd.IntN(int(geo.bucket)))
				n := min(1+ondisk.Sector(rnd.IntN(int(geo.bucket)/40+2)), geo.bucket-from)
				at, want := c.Geo.Start(b)+from, false
				for s := at / geo.block; s <= (at+n-1)/geo.block; s++ {
					want = want || claimed[s]
					claimed[s] = true
				}
				j.shared, c.Buckets.of[b] = false, 0
				if j.claim(b, at, n); j.shared != want || c.Buckets.has(b, flagShared) != want {
					t.Fatalf("blocks of %d, buckets of %d, cells of %d: %d sectors at %d of bucket %d: %v, want %v", geo.block, geo.bucket, j.cell, n, from, b, j.shared, want)
				}
				if want {
					hits++
					suspect[b] = true
				}
			}
			if hits == 0 {
				t.Errorf("blocks of %d, buckets of %d: %d hits", geo.block, geo.bucket, hits)
			}
		}
	}
}
