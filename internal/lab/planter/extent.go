// SPDX-License-Identifier: GPL-2.0-only

package planter

import "bctl/internal/bcache/ondisk"

// A Place is a key of a leaf and where it stands.
type Place struct {
	Node       Node
	Set, Index int
	Key        ondisk.Bkey
}

// Extents are the leaves' keys that nothing else covers, not even in part: no other key of any leaf or of a live
// journal entry. They have a pointer, and it is not stale by the gens on disk.
func (c *Cache) Extents() (out []Place) {
	c.tb.Helper()
	var all []Place
	claims := map[ondisk.Pos]int{} // of every block of 8 sectors: how many keys lie on it
	note := func(k *ondisk.Bkey) {
		for s := k.Start() / 8; s <= (k.Offset()-1)/8 && k.Size() > 0; s++ {
			claims[ondisk.Pos{Inode: k.Inode(), Offset: s}]++
		}
	}
	for _, n := range c.Leaves() {
		for i, s := range c.Sets(n) {
			for j := range s.Data {
				note(&s.Data[j])
				all = append(all, Place{n, i, j, s.Data[j]})
			}
		}
	}
	newest := c.Newest()
	for _, e := range c.Entries() {
		for i := range e.Keys {
			if e.Seq >= newest.LastSeq {
				note(&e.Keys[i])
			}
		}
	}
	prios := c.Prios()
	for _, p := range all {
		k := &p.Key
		if k.Size() == 0 || k.Ptrs() != 1 || k.Ptr[0].Dev() != uint64(c.Geo.ThisDev) ||
			ondisk.GenAfter(prios[c.Geo.BucketOf(k.Ptr[0].Offset())].Gen, k.Ptr[0].Gen()) > 0 {
			continue
		}
		alone := true
		for s := k.Start() / 8; s <= (k.Offset()-1)/8; s++ {
			alone = alone && claims[ondisk.Pos{Inode: k.Inode(), Offset: s}] == 1
		}
		if alone {
			out = append(out, p)
		}
	}
	return out
}

// Extent is the first of Extents that pred likes.
func (c *Cache) Extent(pred func(k *ondisk.Bkey) bool) Place {
	c.tb.Helper()
	for _, p := range c.Extents() {
		if pred(&p.Key) {
			return p
		}
	}
	c.tb.Fatal("no such extent")
	return Place{}
}

// EditKey changes a key where it stands, and mends the checksum.
func (c *Cache) EditKey(p Place, change func(k *ondisk.Bkey)) {
	c.tb.Helper()
	c.EditSet(p.Node, p.Set, func(s *ondisk.Bset) { change(&s.Data[p.Index]) })
}

// Insert puts a key into the last bset of a node, where its end belongs.
func (c *Cache) Insert(n Node, k ondisk.Bkey) {
	c.tb.Helper()
	c.EditSet(n, -1, func(s *ondisk.Bset) {
		at := 0
		for at < len(s.Data) && s.Data[at].Pos().Compare(k.Pos()) <= 0 {
			at++
		}
		s.Data = append(s.Data[:at:at], append([]ondisk.Bkey{k}, s.Data[at:]...)...)
	})
}

// Key is an extent of inode that ends at end, with a pointer to this device.
func (c *Cache) Key(inode uint32, end, size, at ondisk.Sector, gen uint8) ondisk.Bkey {
	k := ondisk.MakeKey(inode, end, size)
	k.SetPtrs(1)
	k.Ptr[0] = ondisk.MakePtr(gen, at, uint64(c.Geo.ThisDev))
	return k
}

// Dirty is k, dirty.
func Dirty(k ondisk.Bkey) ondisk.Bkey { k.SetDirty(true); return k }
