// SPDX-License-Identifier: GPL-2.0-only

package planter

import (
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/prio"
	"bctl/superblock"
)

// A Plan is the sizes of a cache to make.
type Plan struct {
	Buckets      uint64
	Bucket       uint16 // sectors
	Block        uint16 // sectors
	FirstBucket  int    // 0: the first one behind the superblock
	PrioInFront  int    // buckets left free behind the journal
	JournalCount int    // 0: as the kernel
}

// Made is the uuid of volume 0 of a made cache.
var Made = ondisk.UUID{0x62, 0x63, 0x74, 0x6c, 0xde, 0xad, 0x4b, 0xef, 0x80, 1, 2, 3, 4, 5, 6, 7}

const madeAt = 1700000000 // seconds since 1970

// Make builds a cache as the kernel leaves it after the first registration, with one volume: superblock, one journal
// entry, the prio chain, the uuid bucket, and a root without keys. All prios and gens are 0.
func Make(tb testing.TB, p Plan) *Cache {
	tb.Helper()
	size := int64(p.Buckets) * int64(p.Bucket) * ondisk.SectorBytes
	img := NewImage(nil, size)
	first := max(p.FirstBucket, int((24+p.Bucket-1)/p.Bucket))
	n := p.JournalCount
	if n == 0 {
		n = superblock.JournalCount(p.Buckets)
	}
	EditSuper(img, func(s *ondisk.Super) {
		s.Offset, s.Version, s.Magic = uint64(ondisk.SuperSector), ondisk.VersionCacheUUID, ondisk.SuperMagic
		s.UUID, s.SetUUID = ondisk.UUID{1, 15: 2}, ondisk.UUID{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 15: 9}
		s.SetSync(true)
		s.Seq, s.NrInSet, s.LastMount = 2, 1, madeAt
		s.Nbuckets, s.BlockSize, s.BucketSize = p.Buckets, p.Block, p.Bucket
		SetJournal(s, first, n)
	})
	c := Open(tb, img)
	next := ondisk.Bucket(first + n + p.PrioInFront)
	take := func() ondisk.Bucket { next++; return next - 1 }

	j := &ondisk.Jset{Seq: 1, Version: 1, LastSeq: 1}
	j.PrioBucket[0] = uint64(next)
	for i := range c.Geo.PrioBuckets() {
		b, behind := take(), uint64(next)
		if i == c.Geo.PrioBuckets()-1 {
			behind = 0
		}
		set, err := prio.Encode(&c.Geo, i, 1, behind, func(ondisk.Bucket) ondisk.PrioEntry { return ondisk.PrioEntry{} })
		if err != nil {
			tb.Fatal(err)
		}
		c.PutBucket(b, set)
	}
	meta := func(size ondisk.Sector) (k ondisk.Bkey) {
		k = ondisk.MakeKey(ondisk.MaxInode, ondisk.MaxKeyOffset, size)
		k.SetPtrs(1)
		k.Ptr[0] = ondisk.MakePtr(0, c.Geo.Start(take()), 0)
		return k
	}
	j.UUIDBucket.Bkey = meta(c.Geo.MetaSectors)
	j.BtreeRoot.Bkey = meta(c.Geo.NodeSectors)
	c.PutSet(Node{Key: j.BtreeRoot.Bkey}, Set{Bset: &ondisk.Bset{BsetHeader: ondisk.BsetHeader{Seq: 0x5eed, Version: ondisk.BsetVersion}}})
	c.PutEntry(c.Geo.Start(c.Geo.FirstBucket), j)
	c.EditSlot(0, func(u *ondisk.UUIDEntry) { u.UUID, u.FirstReg, u.LastReg = Made, madeAt, madeAt })
	return c
}
