// SPDX-License-Identifier: GPL-2.0-only

package planter

import (
	"encoding/binary"
	"slices"

	"bctl/internal/bcache/ondisk"
)

// A Node is a btree node: its parent's key, or the root's.
type Node struct {
	Key   ondisk.Bkey
	Level int
}

// Sector is where the node starts.
func (n Node) Sector() ondisk.Sector { return n.Key.Ptr[0].Offset() }

// A Set is a bset and where in its node it stands.
type Set struct {
	*ondisk.Bset
	At ondisk.Sector // in the node
}

// Root is the root.
func (c *Cache) Root() Node {
	c.tb.Helper()
	j := c.Newest()
	return Node{j.BtreeRoot.Bkey, int(j.Level)}
}

// Sets are the node's, oldest first.
func (c *Cache) Sets(n Node) (out []Set) {
	c.tb.Helper()
	b := c.Bytes(n.Sector().Bytes(), int(c.Geo.NodeSectors.Bytes()))
	for at := 0; at < len(b); {
		s, err := ondisk.DecodeBset(b[at:], c.Geo.SetMagic, n.Key.Ptr[0])
		if err != nil || len(out) > 0 && s.Seq != out[0].Seq {
			break
		}
		out = append(out, Set{s, ondisk.Sector(at / ondisk.SectorBytes)})
		at += c.roundUp(int(s.Bytes()))
	}
	if len(out) == 0 {
		c.tb.Fatalf("no bset at sector %d", n.Sector())
	}
	return out
}

// Levels are all live nodes in order, by level, leaves first.
func (c *Cache) Levels() [][]Node {
	c.tb.Helper()
	root := c.Root()
	out := make([][]Node, root.Level+1)
	out[root.Level] = []Node{root}
	prios := c.Prios()
	for l := root.Level; l > 0; l-- {
		for _, n := range out[l] {
			out[l-1] = append(out[l-1], c.children(n, prios)...)
		}
	}
	return out
}

// children are the keys of an interior node that no freed node's record or gen makes stale.
func (c *Cache) children(n Node, prios []ondisk.PrioEntry) (out []Node) {
	var keys []ondisk.Bkey
	for _, s := range c.Sets(n) {
		keys = append(keys, s.Data...)
	}
	bucket := func(k *ondisk.Bkey) ondisk.Bucket { return c.Geo.BucketOf(k.Ptr[0].Offset()) }
	for i := range keys {
		if b := bucket(&keys[i]); keys[i].IsZero() && ondisk.GenAfter(keys[i].Ptr[0].Gen(), prios[b].Gen) > 0 {
			prios[b].Gen = keys[i].Ptr[0].Gen()
		}
	}
	for i := range keys {
		k := keys[i]
		if !k.IsZero() && k.Ptrs() > 0 && ondisk.GenAfter(prios[bucket(&k)].Gen, k.Ptr[0].Gen()) == 0 {
			out = append(out, Node{k, n.Level - 1})
		}
	}
	slices.SortFunc(out, func(a, b Node) int { return a.Key.Pos().Compare(b.Key.Pos()) })
	return out
}

// Leaves are the live leaves, in order.
func (c *Cache) Leaves() []Node { c.tb.Helper(); return c.Levels()[0] }

// PutSet writes a bset into a node, checksum right.
func (c *Cache) PutSet(n Node, s Set) {
	c.tb.Helper()
	s.Seal(c.Geo.SetMagic, n.Key.Ptr[0])
	b := s.Append(nil)
	if s.At.Bytes()+int64(c.roundUp(len(b))) > c.Geo.NodeSectors.Bytes() {
		c.tb.Fatalf("a bset of %d bytes at sector %d does not fit its node", len(b), s.At)
	}
	c.putBlocks(n.Sector()+s.At, b)
}

// EditSet changes bset i of a node and mends its checksum; i below 0 counts from the last. Only the last may grow
// over the end of its last block.
func (c *Cache) EditSet(n Node, i int, change func(*ondisk.Bset)) {
	c.tb.Helper()
	sets := c.Sets(n)
	if i < 0 {
		i += len(sets)
	}
	before := c.roundUp(int(sets[i].Bytes()))
	change(sets[i].Bset)
	if size := ondisk.BsetBytes + len(ondisk.AppendKeys(nil, sets[i].Data)); i < len(sets)-1 && c.roundUp(size) != before {
		c.tb.Fatalf("bset %d of %d no longer fits its %d bytes", i, len(sets), before)
	}
	c.PutSet(n, sets[i])
}

// RawSet hands the bytes of bset i to change, then mends the checksum over the size it had before.
func (c *Cache) RawSet(n Node, i int, change func(b []byte)) {
	c.tb.Helper()
	s := c.Sets(n)[i]
	c.Edit((n.Sector() + s.At).Bytes(), int(s.Bytes()), func(b []byte) {
		change(b)
		sum := ondisk.Crc64Seeded(uint64(n.Key.Ptr[0]), b[8:])
		if binary.LittleEndian.Uint32(b[24:]) == 0 {
			sum = ondisk.Crc64(b[8:])
		}
		putUint64(b, sum)
	})
}

// End is the first block behind the node's last bset.
func (c *Cache) End(n Node) ondisk.Sector {
	c.tb.Helper()
	sets := c.Sets(n)
	last := sets[len(sets)-1]
	return last.At + ondisk.Sector(c.roundUp(int(last.Bytes()))/ondisk.SectorBytes)
}

// AddSet writes keys as a new bset behind the node's last. They are sorted as the kernel would.
func (c *Cache) AddSet(n Node, keys ...ondisk.Bkey) {
	c.tb.Helper()
	first := c.Sets(n)[0]
	slices.SortStableFunc(keys, func(a, b ondisk.Bkey) int { return a.Pos().Compare(b.Pos()) })
	c.PutSet(n, Set{&ondisk.Bset{BsetHeader: ondisk.BsetHeader{Seq: first.Seq, Version: ondisk.BsetVersion}, Data: keys}, c.End(n)})
}

// PutNode writes a node with one bset of keys into a bucket and returns the key that its parent would have.
func (c *Cache) PutNode(b ondisk.Bucket, gen uint8, seq uint64, end ondisk.Pos, keys ...ondisk.Bkey) ondisk.Bkey {
	c.tb.Helper()
	k := ondisk.MakeKey(end.Inode, end.Offset, c.Geo.NodeSectors)
	k.SetPtrs(1)
	k.Ptr[0] = ondisk.MakePtr(gen, c.Geo.Start(b), uint64(c.Geo.ThisDev))
	c.PutSet(Node{Key: k}, Set{Bset: &ondisk.Bset{BsetHeader: ondisk.BsetHeader{Seq: seq, Version: ondisk.BsetVersion}, Data: keys}})
	return k
}

// SetRoot makes the newest journal entry lead to another root.
func (c *Cache) SetRoot(k ondisk.Bkey, level int) {
	c.tb.Helper()
	c.EditNewest(func(j *ondisk.Jset) { j.BtreeRoot.Bkey, j.Level = k, uint16(level) })
}
