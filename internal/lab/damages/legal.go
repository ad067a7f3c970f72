// SPDX-License-Identifier: GPL-2.0-only

package damages

import (
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/planter"
)

// Legal is what a crash leaves, and what looks odd but is what a kernel does: no finding.
var Legal = []Damage{
	{"pointer one ahead of the prio chain", "writeback-dirty", func(s *Scene) {
		k := s.Extent(live).Key
		s.SetGen(s.bucketOf(k), k.Ptr[0].Gen()-1)
	}, nil},
	{"stale clean pointer", "fifo-full", ahead(96), nil},
	{"placeholder of a read that missed", "made-small", func(s *Scene) {
		k := s.Key(0, 504, 104, 0, 0)
		k.Ptr[0] = ondisk.MakePtr(7, 0x123456789, ondisk.PtrCheckDev)
		s.AddSet(s.Root(), k)
	}, nil},
	{"attached, and no slot on the disk yet", "empty-registered", attaching, nil},
	{"key without pointers", "made-small", func(s *Scene) { s.AddSet(s.Root(), ondisk.MakeKey(0, 504, 104)) }, nil},
	{"equal ends: a key and the empty ones it replaced", "made-small", addSet(func(s *Scene) []ondisk.Bkey {
		k := s.pair(504, 0, 504, 104)
		return []ondisk.Bkey{k[1], k[0], k[0]}
	}), nil},
	{"overlap across bsets: the newer wins", "made-small", func(s *Scene) {
		for _, k := range s.pair(504, 104, 480, 16) {
			s.AddSet(s.Root(), k)
		}
	}, nil},
	{"bset of version 0", "made-small", func(s *Scene) {
		s.data(504, 104, 0)
		s.RawSet(s.Root(), 1, func(b []byte) { le.PutUint32(b[24:], 0) })
	}, nil},
	{"leftovers of an older lap behind the newest entry", "made-small", func(s *Scene) {
		first := s.Newest()
		s.EditNewest(func(j *ondisk.Jset) { j.Seq, j.LastSeq = 90, 90 })
		old := *first.Jset
		old.Seq, old.LastSeq = 12, 12
		s.PutEntry(first.Sector+s.Geo.BlockSectors, &old)
	}, nil},
	{"records of freed nodes", "made-tree", func(s *Scene) {
		for _, b := range s.Free(2) {
			k := s.Key(0, 0, s.Geo.NodeSectors, s.Geo.Start(b), 2)
			s.AddSet(s.upper(0), k)
		}
	}, nil},
	{"label with a newline", "two-backing-flash", func(s *Scene) {
		s.EditSlot(1, func(u *ondisk.UUIDEntry) { u.Label = [32]byte{'a', '\n'} })
	}, nil},
	{"chain before the current one, over and over", "made-chain", func(s *Scene) {
		c := s.Chain()
		s.EditPrio(2, func(p *ondisk.PrioSet) { p.NextBucket = uint64(c[0]) })
	}, nil},
	{"never registered", "made-small", func(s *Scene) {
		s.EditSuper(func(sb *ondisk.Super) { sb.SetSync(false); sb.Version, sb.Seq = 0, 0; planter.SetJournal(sb, 1, 0) })
		s.WipeEntry(s.Newest())
	}, nil},
}

// one writes a clean extent of inode 0 into the root of a made cache.
func one(key func(s *Scene, free sectors) ondisk.Bkey) func(*Scene) {
	return func(s *Scene) { s.AddSet(s.Root(), key(s, s.freeAt())) }
}

// leafKey adds a key to leaf i of made-tree.
func leafKey(i int, end, size sectors) func(*Scene) {
	return func(s *Scene) { s.AddSet(s.Leaves()[i], s.Key(0, end, size, s.freeAt(), 0)) }
}

// backEnd is where the last extent of volume 0 ends.
func backEnd(s *Scene) (end sectors) {
	for _, p := range s.Extents() {
		if p.Key.Inode() == 0 {
			end = max(end, p.Key.Offset())
		}
	}
	return end
}

// Boundaries are what is just legal, and what is just not.
var Boundaries = []Damage{
	{"extent up to its bucket's end", "made-small", one(func(s *Scene, at sectors) ondisk.Bkey { return s.Key(0, 800, 24, at+104, 0) }), nil},
	{"extent a block over its bucket's end", "made-small", one(func(s *Scene, at sectors) ondisk.Bkey { return s.Key(0, 800, 32, at+104, 0) }), []finding.Code{finding.EXCross}},
	{"extent of a whole bucket", "made-small", one(func(s *Scene, at sectors) ondisk.Bkey { return s.Key(0, 800, 128, at, 0) }), nil},
	{"extent from its volume's start", "made-small", one(func(s *Scene, at sectors) ondisk.Bkey { return s.Key(0, 32, 32, at, 0) }), nil},
	{"extents side by side in a bucket", "made-small", func(s *Scene) {
		at := s.freeAt()
		s.AddSet(s.Root(), s.Key(0, 64, 64, at, 0), s.Key(0, 264, 64, at+64, 0))
	}, nil},
	{"extents that share a block", "made-small", func(s *Scene) {
		at := s.freeAt()
		s.AddSet(s.Root(), s.Key(0, 64, 64, at, 0), s.Key(0, 264, 64, at+56, 0))
	}, []finding.Code{finding.EXShared}},
	{"extent in the first bucket behind the root", "made-small", func(s *Scene) {
		s.AddSet(s.Root(), s.Key(0, 64, 64, s.Root().Sector()+s.Geo.BucketSectors, 0))
	}, nil},
	{"extent in the last bucket", "made-small", func(s *Scene) {
		s.AddSet(s.Root(), s.Key(0, 64, 64, s.Geo.Start(s.Geo.NBuckets-1)+64, 0))
	}, nil},
	{"extent from the end of the leaf before", "made-tree", leafKey(1, 1100, 100), nil},
	{"extent from a block before its leaf's start", "made-tree", leafKey(1, 1096, 100), []finding.Code{finding.BTShort}},
	{"extent up to its leaf's end", "made-tree", leafKey(0, 1000, 100), nil},
	{"extent a block over its leaf's end", "made-tree", leafKey(0, 1004, 100), []finding.Code{finding.BTShort}},
	{"child that ends where its parent starts", "made-tree", func(s *Scene) {
		s.EditSet(s.upper(1), 0, func(b *ondisk.Bset) { b.Data[0].Low = 2000 })
		s.EditSet(s.Leaves()[2], 0, func(b *ondisk.Bset) {
			b.Data = b.Data[:1]
			b.Data[0].Low, b.Data[0].High = 2000, s.Key(0, 0, 4, 0, 0).High
		})
	}, []finding.Code{finding.BTShort, finding.BTTiling}},
	{"gen of a freed node two ahead", "made-tree", freed(2), nil},
	{"gen of a freed node three ahead", "made-tree", freed(3), []finding.Code{finding.GNAhead}},
	{"pointer two ahead", "made-small", one(func(s *Scene, at sectors) ondisk.Bkey { return s.Key(0, 64, 64, at, 2) }), []finding.Code{finding.GNAhead}},
	{"pointer 127 ahead", "made-small", one(func(s *Scene, at sectors) ondisk.Bkey { return s.Key(0, 64, 64, at, 127) }), []finding.Code{finding.GNAhead}},
	{"pointer 128 behind, or ahead", "made-small", one(func(s *Scene, at sectors) ondisk.Bkey { return s.Key(0, 64, 64, at, 128) }), []finding.Code{finding.GNStale}},
	{"the highest inode", "made-small", func(s *Scene) {
		s.EditSlot(s.Geo.NrUUIDs()-1, func(u *ondisk.UUIDEntry) { u.UUID, u.FirstReg, u.LastReg = ondisk.UUID{5}, 1, 1 })
		s.AddSet(s.Root(), s.Key(uint32(s.Geo.NrUUIDs()-1), 64, 64, s.freeAt(), 0))
	}, nil},
	{"backing device that ends with its last extent", "writeback-dirty", func(s *Scene) {
		s.Give = 1
		s.Back[0].Resize(backEnd(s).Bytes())
	}, nil},
	{"backing device that ends a block earlier", "writeback-dirty", func(s *Scene) {
		s.Give = 1
		s.Back[0].Resize((backEnd(s) - 8).Bytes())
	}, []finding.Code{finding.EXPastBacking}},
	{"journal with one free bucket", "made-small", func(s *Scene) { s.spread(s.Geo.NJournal - 2) }, []finding.Code{finding.JRNearlyFull}},
	{"journal three quarters full", "made-small", func(s *Scene) { s.spread(s.Geo.NJournal*3/4 - 1) }, nil},
	{"seventy percent dirty", "made-small", func(s *Scene) { s.dirtied(716) }, nil},
	{"seventy percent dirty and a bucket more", "made-small", func(s *Scene) { s.dirtied(717) }, []finding.Code{finding.SPDirty}},
	{"a tenth of the slots free", "made-small", func(s *Scene) {
		fillSlots(s)
		for i := range (s.Geo.NrUUIDs() + 9) / 10 {
			s.EditSlot(i+1, func(u *ondisk.UUIDEntry) { *u = ondisk.UUIDEntry{} })
		}
	}, nil},
	{"513 buckets", "empty-registered", super(func(sb *ondisk.Super) { sb.Nbuckets = 513; clear(sb.D[4:]); sb.Keys = 4 }), []finding.Code{finding.SBGrown}},
}

func freed(gen uint8) func(*Scene) {
	return func(s *Scene) { s.AddSet(s.upper(0), s.Key(0, 0, s.Geo.NodeSectors, s.freeAt(), gen)) }
}
