// SPDX-License-Identifier: GPL-2.0-only

package planter

import (
	"encoding/binary"

	"bctl/internal/bcache/ondisk"
)

func putUint64(b []byte, v uint64) { binary.LittleEndian.PutUint64(b, v) }

// Chain is the buckets of the prio chain that the newest journal entry leads to, in order.
func (c *Cache) Chain() (out []ondisk.Bucket) {
	c.tb.Helper()
	b := ondisk.Bucket(c.Newest().PrioBucket[c.Geo.ThisDev])
	for range c.Geo.PrioBuckets() {
		out = append(out, b)
		b = ondisk.Bucket(c.prioSet(b).NextBucket)
	}
	return out
}

func (c *Cache) prioSet(b ondisk.Bucket) *ondisk.PrioSet {
	c.tb.Helper()
	p, err := ondisk.DecodePrioSet(c.Bytes(c.at(b), int(c.Geo.MetaSectors.Bytes())), c.Geo.SetMagic)
	if err != nil {
		c.tb.Fatalf("prio bucket %d: %v", b, err)
	}
	return p
}

// PutPrioSet writes a prio_set, checksum right.
func (c *Cache) PutPrioSet(b ondisk.Bucket, p *ondisk.PrioSet) {
	p.Seal(c.Geo.SetMagic)
	c.PutBucket(b, p.Append(nil))
}

// EditPrio changes set i of the chain and mends its checksum.
func (c *Cache) EditPrio(i int, change func(*ondisk.PrioSet)) {
	c.tb.Helper()
	b := c.Chain()[i]
	p := c.prioSet(b)
	change(p)
	c.PutPrioSet(b, p)
}

// EditBucket changes the prio and the gen that the chain has for bucket b.
func (c *Cache) EditBucket(b ondisk.Bucket, change func(*ondisk.PrioEntry)) {
	c.tb.Helper()
	set, entry := c.Geo.PrioPlace(b)
	c.EditPrio(set, func(p *ondisk.PrioSet) { change(&p.Data[entry]) })
}

// SetGen sets the gen that the chain has for bucket b.
func (c *Cache) SetGen(b ondisk.Bucket, gen uint8) {
	c.tb.Helper()
	c.EditBucket(b, func(e *ondisk.PrioEntry) { e.Gen = gen })
}

// Prios is what the chain has for every bucket.
func (c *Cache) Prios() (out []ondisk.PrioEntry) {
	c.tb.Helper()
	for _, b := range c.Chain() {
		out = append(out, c.prioSet(b).Data...)
	}
	return out[:c.Geo.NBuckets]
}

// UUIDBucket is the bucket of the uuid slots.
func (c *Cache) UUIDBucket() ondisk.Bucket {
	c.tb.Helper()
	return c.Geo.BucketOf(c.Newest().UUIDBucket.Ptr[0].Offset())
}

// EditSlot changes slot i of the uuid bucket; it has no checksum.
func (c *Cache) EditSlot(i int, change func(*ondisk.UUIDEntry)) {
	c.tb.Helper()
	c.Edit(c.at(c.UUIDBucket())+int64(i)*ondisk.UUIDEntryBytes, ondisk.UUIDEntryBytes, func(b []byte) {
		u, err := ondisk.DecodeUUIDEntry(b)
		if err != nil {
			c.tb.Fatal(err)
		}
		change(&u)
		u.Append(b[:0])
	})
}

// Free are n buckets that nothing refers to, not even a stale key: the last ones first.
func (c *Cache) Free(n int) (out []ondisk.Bucket) {
	c.tb.Helper()
	used := map[ondisk.Bucket]bool{c.UUIDBucket(): true}
	for _, b := range c.Chain() {
		used[b] = true
	}
	for b := range c.Geo.FirstBucket + ondisk.Bucket(c.Geo.NJournal) {
		used[b] = true
	}
	mark := func(k *ondisk.Bkey) {
		for _, p := range k.Ptr[:k.Ptrs()] {
			used[c.Geo.BucketOf(p.Offset())] = true
		}
	}
	for _, nodes := range c.Levels() {
		for _, node := range nodes {
			mark(&node.Key)
			for _, s := range c.Sets(node) {
				for i := range s.Data {
					mark(&s.Data[i])
				}
			}
		}
	}
	for _, e := range c.Entries() {
		for i := range e.Keys {
			mark(&e.Keys[i])
		}
	}
	for b := c.Geo.NBuckets - 1; b > 0 && len(out) < n; b-- {
		if !used[b] {
			out = append(out, b)
		}
	}
	if len(out) < n {
		c.tb.Fatalf("%d free buckets, want %d", len(out), n)
	}
	return out
}
