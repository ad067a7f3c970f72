// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/superblock"
)

func someBuckets(n ondisk.Bucket, unknown bool) *Buckets {
	g := superblock.Geometry{BlockSectors: 8, BucketSectors: 128, MetaSectors: 128, NodeSectors: 128, FirstBucket: 1, NBuckets: n}
	t := newBuckets(&g)
	if unknown {
		t.unknownGens(0, n)
	}
	return t
}

// pointer is one that is met while the tree is read.
type pointer struct {
	gen   uint8
	freed bool
}

// Whoever comes first, the gens are the same: for sound pointers, and for any.
func TestAdoptInAnyOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 3000 {
		unknown := round%2 == 0
		disk := uint8(rnd.IntN(256))
		ps := make([]pointer, 1+rnd.IntN(8))
		for i := range ps {
			ps[i] = pointer{uint8(rnd.IntN(256)), rnd.IntN(4) == 0}
		}
		type result struct {
			gen         uint8
			freed, seen bool
		}
		adopt := func(order []int) result {
			b := someBuckets(1, unknown)
			b.load(0, ondisk.PrioEntry{Gen: disk})
			for _, i := range order {
				b.adopt(0, ps[i].gen, ps[i].freed)
			}
			return result{b.Gen(0), b.RaisedByFreedNode(0), b.GenSeen(0)}
		}
		want := adopt(rnd.Perm(len(ps)))
		for range 10 {
			order := rnd.Perm(len(ps))
			if got := adopt(order); got != want {
				t.Fatalf("unknown %v, disk %d, %v in order %v: %+v, was %+v", unknown, disk, ps, order, got, want)
			}
		}
	}
}

// Of sound gens, less than half way round from one another, the newest is taken, as the kernel would.
func TestAdoptTakesTheNewest(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		first, n := uint8(rnd.IntN(256)), 1+rnd.IntN(6)
		b := someBuckets(1, true)
		newest := uint8(0)
		for range n {
			d := uint8(rnd.IntN(128))
			newest = max(newest, d)
			b.adopt(0, first+d, false)
		}
		if b.Gen(0) != first+newest {
			t.Fatalf("from %d: gen %d, want %d", first, b.Gen(0), first+newest)
		}
	}
	for _, c := range []struct{ disk, gen, want uint8 }{{5, 6, 6}, {5, 5, 5}, {5, 4, 5}, {5, 132, 132}, {5, 133, 5}, {250, 3, 3}, {0, 128, 0}, {0, 127, 127}} {
		b := someBuckets(1, false)
		b.load(0, ondisk.PrioEntry{Gen: c.disk})
		if b.adopt(0, c.gen, false); b.Gen(0) != c.want {
			t.Errorf("disk %d, pointer %d: %d, want %d", c.disk, c.gen, b.Gen(0), c.want)
		}
	}
}

// From several goroutines at once.
func TestAdoptTogether(t *testing.T) {
	for _, unknown := range []bool{false, true} {
		const n = 64
		b := someBuckets(n, unknown)
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(w), 5))
				for range 2000 {
					b.adopt(ondisk.Bucket(rnd.IntN(n)), uint8(rnd.IntN(100)), false)
				}
				for i := range ondisk.Bucket(n) {
					b.adopt(i, 100, false)
				}
			})
		}
		wg.Wait()
		for i := range ondisk.Bucket(n) {
			if b.Gen(i) != 100 {
				t.Errorf("unknown %v: bucket %d has gen %d", unknown, i, b.Gen(i))
			}
		}
	}
}

// A bucket's inodes are those of a plain map, and take no more memory than there are.
func TestOwners(t *testing.T) {
	const n, inodes = 5, 8192
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b := someBuckets(n+100, false)
	rnd := rand.New(rand.NewPCG(6, 7))
	want := map[ondisk.Bucket]map[uint32]bool{}
	put := func(i ondisk.Bucket, inode uint32) {
		if want[i] == nil {
			want[i] = map[uint32]bool{}
		}
		want[i][inode] = true
		b.own(i, inode)
	}
	for _, inode := range rnd.Perm(inodes) {
		for i := range ondisk.Bucket(n) {
			put(i, uint32(inode))
		}
	}
	for i := range ondisk.Bucket(100) { // and some with few
		for range i % 8 {
			put(n+i, uint32(rnd.IntN(4)))
		}
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 32<<20 {
		t.Errorf("%d MiB for %d inodes", took>>20, n*inodes)
	}
	for i := range b.Len() {
		got := b.Inodes(i)
		if len(got) != len(want[i]) || !slices.IsSorted(got) {
			t.Fatalf("bucket %d: %d inodes, want %d", i, len(got), len(want[i]))
		}
		for _, inode := range got {
			if !want[i][inode] {
				t.Fatalf("bucket %d: inode %d", i, inode)
			}
		}
	}
}
