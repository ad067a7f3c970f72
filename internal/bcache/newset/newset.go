// SPDX-License-Identifier: GPL-2.0-only

// Package newset makes a registered cache from nothing: what the kernel would write at the first registration, and as
// much of a tree as one wants besides.
//
//	superblock | journal | prio chain | uuids | nodes and data, in the order in which they are taken
//
// Nothing leads to anything before the journal entry is written, and nothing is bcache's before the superblock is: both
// are handed to the caller, who writes them last.
package newset

import (
	"bytes"
	"errors"
	"fmt"

	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/disk/plan"
	"bctl/prio"
	"bctl/superblock"
)

// ErrNoSpace says that the device has too few buckets for what was asked.
var ErrNoSpace = errors.New("too few free buckets")

// Register does to s, a cache's superblock as it is formatted, what the kernel does at the first registration.
// now is in seconds since 1970.
func Register(s *ondisk.Super, now uint32) {
	s.Version = max(s.Version, ondisk.VersionCacheUUID)
	s.Seq++
	s.LastMount = now
	s.Keys = uint16(superblock.JournalCount(s.Nbuckets))
	for i := range int(s.Keys) {
		s.D[i] = uint64(s.FirstBucket) + uint64(i)
	}
	s.SetSync(true)
	s.Csum = s.Checksum()
}

// Set is a cache in the making.
type Set struct {
	Geo superblock.Geometry

	put   func(plan.Write) error
	next  ondisk.Bucket
	meta  map[ondisk.Bucket]bool
	chain []ondisk.Bucket
	slots ondisk.Bucket
}

// New starts the set of a registered superblock. Buckets are taken from skip buckets behind the journal on. put gets
// all that stands in them; it may keep what it gets. Errors: ErrNoSpace, those of superblock.NewGeometry.
func New(s *ondisk.Super, skip int, put func(plan.Write) error) (*Set, error) {
	g, err := superblock.NewGeometry(s)
	if err != nil {
		return nil, err
	}
	n := &Set{Geo: g, put: put, meta: map[ondisk.Bucket]bool{}}
	n.next = g.FirstBucket + ondisk.Bucket(g.NJournal) + ondisk.Bucket(skip)
	for range g.PrioBuckets() {
		b, err := n.TakeMeta()
		if err != nil {
			return nil, err
		}
		n.chain = append(n.chain, b)
	}
	n.slots, err = n.TakeMeta()
	return n, err
}

// Left is how many buckets are not taken.
func (n *Set) Left() ondisk.Bucket { return n.Geo.NBuckets - min(n.next, n.Geo.NBuckets) }

// Take takes the next bucket, for data. Errors: ErrNoSpace.
func (n *Set) Take() (ondisk.Bucket, error) {
	if n.next >= n.Geo.NBuckets {
		return 0, fmt.Errorf("%w: all %d are taken", ErrNoSpace, n.Geo.NBuckets)
	}
	n.next++
	return n.next - 1, nil
}

// TakeMeta takes the next bucket, for metadata. Errors: ErrNoSpace.
func (n *Set) TakeMeta() (ondisk.Bucket, error) {
	b, err := n.Take()
	if err == nil {
		n.meta[b] = true
	}
	return b, err
}

// Tree starts the tree: nodes filled to fill percent, of bsets bsets each, as btree.Build has them. seq gives the nodes'
// random, non-zero sequence numbers.
func (n *Set) Tree(fill, bsets int, seq func() uint64) (*btree.Builder, error) {
	return btree.NewBuilder(btree.Build{
		Geo: &n.Geo, Fill: fill, Bsets: bsets, Seq: seq,
		Alloc: func(int) (ondisk.Bucket, uint8, error) {
			b, err := n.TakeMeta()
			return b, 0, err
		},
		Put: func(b ondisk.Bucket, level int, node []byte) error {
			return n.bucket(b, bytes.Clone(node), fmt.Sprintf("btree node of level %d", level))
		},
	})
}

func (n *Set) bucket(b ondisk.Bucket, data []byte, what string) error {
	return n.put(plan.Write{Off: n.Geo.Start(b).Bytes(), Data: data, What: fmt.Sprintf("%s, bucket %d", what, b)})
}

// Contents are what the set shall hold.
type Contents struct {
	Volumes uuids.Table // in the first slots
	Root    ondisk.Bkey // as the tree's builder returns it
	Level   int
	Keys    []ondisk.Bkey // in the journal
	// Entry is what the prio chain says of a bucket; nil: gens of 0, and prios of 0 but for metadata.
	Entry func(b ondisk.Bucket, meta bool) ondisk.PrioEntry
}

// Finish puts the prio chain and the uuid bucket, and returns the journal entry. Errors: uuids.ErrTooMany,
// ondisk.ErrEncode, those of put.
func (n *Set) Finish(c Contents) (entry plan.Write, err error) {
	if c.Entry == nil {
		c.Entry = asRegistered
	}
	if err := n.prioChain(c.Entry); err != nil {
		return entry, err
	}
	b, err := c.Volumes.Encode(&n.Geo)
	if err != nil {
		return entry, err
	}
	if err := n.bucket(n.slots, b, "uuids"); err != nil {
		return entry, err
	}
	j := ondisk.Jset{Seq: 1, LastSeq: 1, Version: 1, Level: uint16(c.Level), Keys: c.Keys}
	j.UUIDBucket.Bkey = ondisk.MakeKey(0, 0, n.Geo.MetaSectors)
	j.UUIDBucket.SetPtrs(1)
	j.UUIDBucket.Ptr[0] = ondisk.MakePtr(0, n.Geo.Start(n.slots), uint64(n.Geo.ThisDev))
	j.BtreeRoot.Bkey = c.Root
	j.PrioBucket[n.Geo.ThisDev] = uint64(n.chain[0])
	b, err = j.Sealed(n.Geo.SetMagic)
	if err != nil {
		return entry, fmt.Errorf("journal entry 1: %w", err)
	}
	return plan.Write{Off: n.Geo.Start(n.Geo.FirstBucket).Bytes(), Data: n.Geo.Pad(b), What: "journal entry 1"}, nil
}

// asRegistered is what the kernel says of the buckets of an empty cache.
func asRegistered(_ ondisk.Bucket, meta bool) (e ondisk.PrioEntry) {
	if meta {
		e.Prio = ondisk.BtreePrio
	}
	return e
}

// prioChain writes the last set first, as bch_prio_write does. Behind the tail of the first chain there is none.
func (n *Set) prioChain(entry func(ondisk.Bucket, bool) ondisk.PrioEntry) error {
	next := uint64(0)
	for i := len(n.chain) - 1; i >= 0; i-- {
		b, err := prio.Encode(&n.Geo, i, 1, next, func(b ondisk.Bucket) ondisk.PrioEntry { return entry(b, n.meta[b]) })
		if err != nil {
			return err
		}
		if err := n.bucket(n.chain[i], b, fmt.Sprintf("prio set %d", i)); err != nil {
			return err
		}
		next = uint64(n.chain[i])
	}
	return nil
}
