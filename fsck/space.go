// SPDX-License-Identifier: GPL-2.0-only

package fsck

import (
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// gens judges every bucket's gen against the pointers that were adopted, and its prio against its mark.
func (c *checker) gens() {
	t := c.c.Buckets
	for i, l := range c.c.Chain.Links {
		if t.Shared(l.Bucket) {
			c.found.Add(finding.About(finding.PrioLink{Set: i, Bucket: l.Bucket}, finding.PRShared, "the bucket is also a node's, the uuids' or data's"))
		}
	}
	for b := c.c.Geo.FirstBucket; b < t.Len(); b++ {
		if t.Settled(b) || !t.GenKnown(b) {
			continue
		}
		// A bucket handed out after the last prio write is one ahead; a node's that was freed again, two.
		legal := uint8(1)
		if t.RaisedByFreedNode(b) {
			legal = 2
		}
		if ahead := t.Gen(b) - t.DiskGen(b); ahead > legal {
			c.found.Add(finding.About(finding.Bucket{Bucket: b}, finding.GNAhead, "a pointer has gen %d, the prio chain %d", t.Gen(b), t.DiskGen(b)))
		}
		if m := t.Mark(b); (m == inspect.Clean || m == inspect.Dirty) && t.Prio(b) == ondisk.BtreePrio {
			c.found.Add(finding.About(finding.Bucket{Bucket: b}, finding.GNDataPrio, "%s data, but the prio of a node", m))
		}
	}
}

// The shares above which the operator should know.
const (
	dirtyPercent    = 70 // CUTOFF_WRITEBACK_SYNC: writes bypass the cache
	metadataPercent = 25
	leakedPercent   = 50
	gcSectorsLimit  = 1<<13 - 1 // MAX_GC_SECTORS_USED
)

// space judges sums: of each bucket, and of the device.
func (c *checker) space() {
	t, g := c.c.Buckets, &c.c.Geo
	for b, n := range t.Crowded(g.BucketSectors) {
		c.found.Add(finding.About(finding.Bucket{Bucket: b}, finding.SPOverfull, "%d live sectors, it has %d", n, g.BucketSectors))
	}
	sums := t.Sums()
	marks, leaked := sums.Marks, sums.Leaked
	total := uint64(t.Len())
	need := uint64(g.Reserve())
	if can := marks[inspect.Free] + marks[inspect.Clean]; can < need && c.c.Tree.Intact {
		c.found.Add(finding.New(finding.SPReserve, "%d buckets are free or clean, the kernel needs %d to start", can, need))
	}
	if g.BucketSectors > gcSectorsLimit {
		c.found.Add(finding.New(finding.SPGcSectors, "buckets of %d sectors, the kernel counts to %d", g.BucketSectors, gcSectorsLimit))
	}
	share := func(code finding.Code, n uint64, percent uint64, what string) {
		if 100*n > percent*total {
			c.found.Add(finding.New(code, "%d of %d buckets %s", n, total, what))
		}
	}
	share(finding.SPDirty, marks[inspect.Dirty], dirtyPercent, "hold dirty data")
	share(finding.SPMetadata, marks[inspect.Metadata], metadataPercent, "hold metadata")
	if c.c.Tree.Intact { // what is lost referred to some of them
		share(finding.SPLeaked, leaked, leakedPercent, "hold nothing, but have a prio")
	}
}

// fill notes a tree that garbage collection would shrink.
func (c *checker) fill() {
	const worthIt = 1000
	keys, left := c.c.Tree.LeafKeys.Load(), c.c.Tree.Surviving.Load()
	if keys > worthIt && 2*left < keys {
		c.found.Add(finding.New(finding.BTFill, "btree: %d of %d keys in its leaves are dead", keys-left, keys))
	}
}

// salvaged is how many old nodes are named one by one.
const salvaged = 20

// salvage looks for nodes that nothing refers to, where the tree has lost some.
func (c *checker) salvage() {
	if c.c.Tree.Intact || c.c.Journal.Newest == nil {
		return
	}
	old, err := c.c.OldNodes()
	if err != nil {
		return // the context's: whoever runs the check says so
	}
	for _, b := range old[:min(salvaged, len(old))] {
		c.found.Add(finding.About(finding.Bucket{Bucket: b}, finding.BTSalvage, "an unreferenced btree node, seq %#x", c.c.NodeSeq(b)))
	}
	if len(old) > salvaged {
		c.found.Add(finding.New(finding.BTSalvage, "%d unreferenced btree nodes in all", len(old)))
	}
}
