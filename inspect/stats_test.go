// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"math/rand/v2"
	"slices"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/superblock"
)

// The quantiles are the kernel's, which sorts all prios from the highest down, takes the nodes' from the front and the
// unused buckets' from the end, and picks.
func TestQuantilesAgainstSorting(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		n := 1 + rnd.IntN(300)
		c := &Cache{Buckets: &Buckets{of: make([]uint64, n)}, Geo: superblock.Geometry{BucketSectors: 1024}}
		var sorted []uint16
		for b := range c.Buckets.of {
			p := []uint16{0, 1, uint16(rnd.IntN(1 << 16)), ondisk.InitialPrio, ondisk.InitialPrio + 1, ondisk.BtreePrio}[rnd.IntN(6)]
			c.Buckets.of[b] = uint64(p) << prioShift
			sorted = append(sorted, p)
		}
		slices.Sort(sorted)
		slices.Reverse(sorted)
		for len(sorted) > 0 && sorted[len(sorted)-1] == 0 {
			sorted = sorted[:len(sorted)-1]
		}
		for len(sorted) > 0 && sorted[0] == ondisk.BtreePrio {
			sorted = sorted[1:]
		}
		var want PriorityStats
		var sum uint64
		for _, p := range sorted {
			sum += uint64(ondisk.InitialPrio - p)
		}
		if m := uint64(len(sorted)); m > 0 {
			want.AveragePrio, want.SectorsPerQuantile = sum/m, m*1024/32
			for i := range want.Quantiles {
				want.Quantiles[i] = ondisk.InitialPrio - sorted[m*uint64(i+1)/32]
			}
		}
		got := c.PriorityStats()
		if got.AveragePrio != want.AveragePrio || got.SectorsPerQuantile != want.SectorsPerQuantile || got.Quantiles != want.Quantiles {
			t.Fatalf("round %d, %d buckets: %+v, want %+v", round, n, got, want)
		}
	}
}

// Sums are those of the buckets one by one, wherever gens are unknown.
func TestSums(t *testing.T) {
	rnd := rand.New(rand.NewPCG(21, 22))
	for range 200 {
		g := superblock.Sizes(8, 64, 1, ondisk.Bucket(1+rnd.IntN(400)))
		b := newBuckets(&g)
		if rnd.IntN(2) == 0 {
			b.unknownGens(0, ondisk.Bucket(rnd.Uint64N(uint64(g.NBuckets)+1)))
		}
		var want Sums
		for i := range b.Len() {
			b.of[i] |= uint64(rnd.IntN(3)) << prioShift
			if rnd.IntN(2) == 0 {
				b.set(i, []uint64{flagSuper, flagJournal, flagPrio, flagUUID, flagNode, flagClean, flagDirty, flagClean | flagDirty, flagShared}[rnd.IntN(9)])
			}
			b.lag(i, uint8(rnd.IntN(rnd.IntN(100)+1)))
			m := b.Mark(i)
			want.Marks[m]++
			want.Lag = max(want.Lag, b.Lag(i))
			if m == Free && b.Prio(i) != 0 && b.GenKnown(i) {
				want.Leaked++
			}
		}
		if got := b.Sums(); got != want {
			t.Fatalf("%d buckets: %+v, want %+v", g.NBuckets, got, want)
		}
	}
}
