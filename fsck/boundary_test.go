package fsck_test

import (
	"testing"

	"bctl/internal/finding"
	"bctl/internal/ondisk"
)

// one writes a clean extent of inode 0 into the root of a made cache.
func one(key func(s *scene, free sectors) ondisk.Bkey) func(*scene) {
	return func(s *scene) { s.AddSet(s.Root(), key(s, s.freeAt())) }
}

// leafKey adds a key to leaf i of made-tree.
func leafKey(i int, end, size sectors) func(*scene) {
	return func(s *scene) { s.AddSet(s.Leaves()[i], s.Key(0, end, size, s.freeAt(), 0)) }
}

// backEnd is where the last extent of volume 0 ends.
func backEnd(s *scene) (end sectors) {
	for _, p := range s.Extents() {
		if p.Key.Inode() == 0 {
			end = max(end, p.Key.Offset())
		}
	}
	return end
}

// What is just legal, and what is just not.
func TestBoundaries(t *testing.T) {
	for _, d := range []damage{
		{"extent up to its bucket's end", "made-small", one(func(s *scene, at sectors) ondisk.Bkey { return s.Key(0, 800, 24, at+104, 0) }), nil},
		{"extent a block over its bucket's end", "made-small", one(func(s *scene, at sectors) ondisk.Bkey { return s.Key(0, 800, 32, at+104, 0) }), []finding.Code{finding.EXCross}},
		{"extent of a whole bucket", "made-small", one(func(s *scene, at sectors) ondisk.Bkey { return s.Key(0, 800, 128, at, 0) }), nil},
		{"extent from its volume's start", "made-small", one(func(s *scene, at sectors) ondisk.Bkey { return s.Key(0, 32, 32, at, 0) }), nil},
		{"extents side by side in a bucket", "made-small", func(s *scene) {
			at := s.freeAt()
			s.AddSet(s.Root(), s.Key(0, 64, 64, at, 0), s.Key(0, 264, 64, at+64, 0))
		}, nil},
		{"extents that share a block", "made-small", func(s *scene) {
			at := s.freeAt()
			s.AddSet(s.Root(), s.Key(0, 64, 64, at, 0), s.Key(0, 264, 64, at+56, 0))
		}, []finding.Code{finding.EXShared}},
		{"extent in the first bucket behind the root", "made-small", func(s *scene) {
			s.AddSet(s.Root(), s.Key(0, 64, 64, s.Root().Sector()+s.Geo.BucketSectors, 0))
		}, nil},
		{"extent in the last bucket", "made-small", func(s *scene) {
			s.AddSet(s.Root(), s.Key(0, 64, 64, s.Geo.Start(s.Geo.NBuckets-1)+64, 0))
		}, nil},
		{"extent from the end of the leaf before", "made-tree", leafKey(1, 1100, 100), nil},
		{"extent from a block before it", "made-tree", leafKey(1, 1096, 100), []finding.Code{finding.BTShort}},
		{"extent up to the leaf's end", "made-tree", leafKey(0, 1000, 100), nil},
		{"extent a block over it", "made-tree", leafKey(0, 1004, 100), []finding.Code{finding.BTShort}},
		{"child that ends where its parent starts", "made-tree", func(s *scene) {
			s.EditSet(s.upper(1), 0, func(b *ondisk.Bset) { b.Data[0].Low = 2000 })
			s.EditSet(s.Leaves()[2], 0, func(b *ondisk.Bset) {
				b.Data = b.Data[:1]
				b.Data[0].Low, b.Data[0].High = 2000, s.Key(0, 0, 4, 0, 0).High
			})
		}, []finding.Code{finding.BTShort, finding.BTTiling}},
		{"gen of a freed node two ahead", "made-tree", freed(2), nil},
		{"gen of a freed node three ahead", "made-tree", freed(3), []finding.Code{finding.GNAhead}},
		{"pointer two ahead", "made-small", one(func(s *scene, at sectors) ondisk.Bkey { return s.Key(0, 64, 64, at, 2) }), []finding.Code{finding.GNAhead}},
		{"pointer 127 ahead", "made-small", one(func(s *scene, at sectors) ondisk.Bkey { return s.Key(0, 64, 64, at, 127) }), []finding.Code{finding.GNAhead}},
		{"pointer 128 behind, or ahead", "made-small", one(func(s *scene, at sectors) ondisk.Bkey { return s.Key(0, 64, 64, at, 128) }), []finding.Code{finding.GNStale}},
		{"the highest inode", "made-small", func(s *scene) {
			s.EditSlot(s.Geo.NrUUIDs()-1, func(u *ondisk.UUIDEntry) { u.UUID, u.FirstReg, u.LastReg = ondisk.UUID{5}, 1, 1 })
			s.AddSet(s.Root(), s.Key(uint32(s.Geo.NrUUIDs()-1), 64, 64, s.freeAt(), 0))
		}, nil},
		{"backing device that ends with its last extent", "writeback-dirty", func(s *scene) {
			s.give = 1
			s.back[0].Resize(backEnd(s).Bytes())
		}, nil},
		{"backing device that ends a block earlier", "writeback-dirty", func(s *scene) {
			s.give = 1
			s.back[0].Resize((backEnd(s) - 8).Bytes())
		}, []finding.Code{finding.EXPastBacking}},
		{"journal with one free bucket", "made-small", func(s *scene) { s.spread(s.Geo.NJournal - 2) }, []finding.Code{finding.JRNearlyFull}},
		{"journal three quarters full", "made-small", func(s *scene) { s.spread(s.Geo.NJournal*3/4 - 1) }, nil},
		{"seventy percent dirty", "made-small", func(s *scene) { s.dirtied(716) }, nil},
		{"a bucket more", "made-small", func(s *scene) { s.dirtied(717) }, []finding.Code{finding.SPDirty}},
		{"a tenth of the slots free", "made-small", func(s *scene) {
			fillSlots(s)
			for i := range (s.Geo.NrUUIDs() + 9) / 10 {
				s.EditSlot(i+1, func(u *ondisk.UUIDEntry) { *u = ondisk.UUIDEntry{} })
			}
		}, nil},
		{"513 buckets", "empty-registered", super(func(sb *ondisk.Super) { sb.Nbuckets = 513; clear(sb.D[4:]); sb.Keys = 4 }), []finding.Code{finding.SBGrown}},
	} {
		d.test(t)
	}
}

func freed(gen uint8) func(*scene) {
	return func(s *scene) { s.AddSet(s.upper(0), s.Key(0, 0, s.Geo.NodeSectors, s.freeAt(), gen)) }
}
