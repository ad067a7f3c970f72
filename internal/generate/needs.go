// SPDX-License-Identifier: GPL-2.0-only

package generate

import (
	"time"

	"bctl/internal/bcache/ondisk"
	"bctl/superblock"
)

// Needs is what the metadata of a cache take, on the flash and in the kernel's memory, in bytes where nothing else is said.
type Needs struct {
	Geo     superblock.Geometry
	Extents uint64

	Super   int64 // the buckets before the first
	Journal int64
	Prios   int64 // two chains: the old one stays until the new one is written
	UUIDs   int64 // two buckets, likewise
	// Nodes of the btree, and what they take: as few as hold the keys, and as many as there are when all are half full.
	// A node takes a bucket, however little of it.
	NodesLeast, NodesMost   uint64
	BtreeLeast, BtreeMost   int64
	DepthMost               int
	Reserve                 int64 // free buckets that a kernel wants to start
	BucketTable             int64 // memory: struct bucket, the allocator's lists, a prio set
	NodeMemory, NodeMemMost int64 // memory: all nodes with their search trees, if all are in use
}

const (
	structBucket  = 12      // bytes: pin, prio, gen, last_gc, gc_mark
	bsetTreeShare = 64.0    // a node's search trees: a bkey_float of four bytes and a byte of prev for each cache line
	bsetTreeBytes = 5.0     // see bset_tree_bytes, bset_prev_bytes
	slowNodes     = 33e6    // bytes of nodes a second: 90 GB in 45 minutes, as a user told the list
	fastNodes     = 43e6    // the same in 35 minutes
	halfFull, all = 50, 100 // percent
)

// Need is what a cache of so many extents needs. Buckets and blocks are in sectors, powers of two.
func Need(size int64, bucket, block ondisk.Sector, extents uint64) Needs {
	buckets := ondisk.Bucket(size / bucket.Bytes())
	g := superblock.Sizes(block, bucket, superblock.FirstBucket(bucket), buckets)
	g.NJournal = superblock.JournalCount(uint64(buckets))
	b := bucket.Bytes()
	n := Needs{
		Geo: g, Extents: extents,
		Super: int64(g.FirstBucket) * b, Journal: int64(g.NJournal) * b, Prios: 2 * int64(g.PrioBuckets()) * b, UUIDs: 2 * b,
		Reserve: int64(g.LargestReserve()) * b,
	}
	n.NodesLeast, _ = nodesFor(&g, extents, all)
	n.NodesMost, n.DepthMost = nodesFor(&g, extents, halfFull)
	n.BtreeLeast, n.BtreeMost = int64(n.NodesLeast)*b, int64(n.NodesMost)*b
	memory := func(nodes uint64) int64 {
		return int64(float64(nodes) * float64(g.NodeSectors.Bytes()) * (1 + bsetTreeBytes/bsetTreeShare))
	}
	n.NodeMemory, n.NodeMemMost = memory(n.NodesLeast), memory(n.NodesMost)
	fifo := int64(pow2(uint64(buckets))>>10) * (1 + 1 + 4 + 8) * 8 // RESERVE_MOVINGGC and NONE, free_inc, the heap
	n.BucketTable = int64(buckets)*structBucket + fifo + g.MetaSectors.Bytes()
	return n
}

// nodesFor is how many nodes hold so many keys of one pointer, one bset a node, filled to fill percent, and the level of
// the root.
func nodesFor(g *superblock.Geometry, keys uint64, fill ondisk.Sector) (nodes uint64, depth int) {
	room := max(g.NodeSectors*fill/100/g.BlockSectors*g.BlockSectors, g.BlockSectors)
	per := uint64(room.Bytes()-ondisk.BsetBytes) / keyBytes
	for ; ; depth++ {
		keys = max((keys+per-1)/per, 1)
		nodes += keys
		if keys == 1 {
			return nodes, depth
		}
	}
}

func pow2(n uint64) uint64 {
	p := uint64(1)
	for p < n {
		p <<= 1
	}
	return p
}

// Flash is what the metadata take of the device, at least and at most; the reserve is not among it.
func (n *Needs) Flash() (least, most int64) {
	fixed := n.Super + n.Journal + n.Prios + n.UUIDs
	return fixed + n.BtreeLeast, fixed + n.BtreeMost
}

// Registration is how long the kernel takes to check the nodes and to count dirty data, by what users measured on kernels
// before 5.18, which do it with one thread.
func (n *Needs) Registration() (least, most time.Duration) {
	node := float64(n.Geo.NodeSectors.Bytes())
	seconds := func(nodes uint64, rate float64) time.Duration {
		return time.Duration(float64(nodes) * node / rate * float64(time.Second)).Round(100 * time.Millisecond)
	}
	return seconds(n.NodesLeast, fastNodes), seconds(n.NodesMost, slowNodes)
}
