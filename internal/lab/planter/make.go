// SPDX-License-Identifier: GPL-2.0-only

package planter

import (
	"bctl/internal/bcache/newset"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/disk/plan"
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
func Make(tb TB, p Plan) *Cache {
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
	put := func(w plan.Write) error { c.Put(w.Off, w.Data); return nil }
	set, err := newset.New(c.Super(), p.PrioInFront, put)
	if err != nil {
		tb.Fatal(err)
	}
	tree, err := set.Tree(0, 0, func() uint64 { return 0x5eed })
	if err != nil {
		tb.Fatal(err)
	}
	root, level, err := tree.Finish()
	if err != nil {
		tb.Fatal(err)
	}
	volume := ondisk.UUIDEntry{UUID: Made, FirstReg: madeAt, LastReg: madeAt}
	zero := func(ondisk.Bucket, bool) ondisk.PrioEntry { return ondisk.PrioEntry{} }
	entry, err := set.Finish(newset.Contents{Volumes: uuids.Table{volume}, Root: root, Level: level, Entry: zero})
	if err != nil {
		tb.Fatal(err)
	}
	c.Put(entry.Off, entry.Data)
	return c
}
