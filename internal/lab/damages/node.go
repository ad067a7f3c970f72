// SPDX-License-Identifier: GPL-2.0-only

package damages

import (
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/planter"
)

// root0 plants bytes into the first bset of the root, checksum right.
func root0(change func(b []byte)) func(*Scene) {
	return func(s *Scene) { s.RawSet(s.Root(), 0, change) }
}

// addSet writes keys of inode 0 as a new bset of the root, in the order given.
func addSet(make func(s *Scene) []ondisk.Bkey) func(*Scene) {
	return func(s *Scene) {
		keys := make(s)
		s.AddSet(s.Root())
		s.EditSet(s.Root(), -1, func(b *ondisk.Bset) { b.Data = keys })
	}
}

// pair are two extents in buckets of their own.
func (s *Scene) pair(end1, size1, end2, size2 sectors) []ondisk.Bkey {
	free := s.Free(2)
	return []ondisk.Bkey{s.Key(0, end1, size1, s.Geo.Start(free[0]), 0), s.Key(0, end2, size2, s.Geo.Start(free[1]), 0)}
}

var nodeProofs = []Proof{
	{"K42", damaged, finding.BTHeader, "writeback-dirty", func(s *Scene) {
		free := s.Free(1)[0]
		s.EditNewest(func(j *ondisk.Jset) { j.BtreeRoot.Ptr[0] = ondisk.MakePtr(0, s.Geo.Start(free), 0) })
	}, []finding.Code{finding.BTSalvage}, ""},
	{"K42", damaged, finding.BTUnread, "writeback-dirty", func(s *Scene) { s.FailBucket(s.bucketOf(s.Root().Key)) }, []finding.Code{finding.BTSalvage}, ""},
	{"K46", damaged, finding.BTUnread, "fifo-full", func(s *Scene) { s.FailBucket(s.bucketOf(s.Leaves()[1].Key)) }, []finding.Code{finding.BTSalvage}, ""},
	{"K47", damaged, finding.BTHeader, "made-small", root0(func(b []byte) { clear(b[16:24]) }), nil, ""},
	{"K48", damaged, finding.BTVersion, "made-small", root0(func(b []byte) { b[24] = 2 }), nil, ""},
	{"K49", damaged, finding.BTHeader, "writeback-dirty", root0(func(b []byte) { le.PutUint32(b[28:], 128<<10/8) }), []finding.Code{finding.BTSalvage}, ""},
	{"K50", damaged, finding.BTMagic, "made-small", root0(func(b []byte) { b[8]++ }), nil, ""},
	{"K51", damaged, finding.BTChecksum, "writeback-dirty", func(s *Scene) { s.Flip(s.Root().Sector().Bytes()+5000, 6) }, []finding.Code{finding.BTSalvage}, ""},
	{"K51", damaged, finding.BTChecksum, "fifo-full", func(s *Scene) { s.Flip(s.Leaves()[0].Sector().Bytes()+100, 6) }, []finding.Code{finding.BTSalvage}, ""},
	{"K51", damaged, finding.BTChecksum, "made-small", func(s *Scene) {
		s.data(504, 104, 0)
		s.RawSet(s.Root(), 1, func(b []byte) { le.PutUint32(b[24:], 0) }) // version 0 has no seed: this is right
		s.Flip((s.Root().Sector() + 8).Bytes(), 0)
	}, nil, ""},
	{"K52", damaged, finding.BTEmpty, "made-small", func(s *Scene) { s.AddSet(s.Root()) }, nil, ""},
	{"K53", damaged, finding.BTCorrupted, "made-small", func(s *Scene) {
		set := s.Sets(s.Root())[0]
		set.At = s.End(s.Root()) + s.Geo.BlockSectors
		s.PutSet(s.Root(), set)
	}, nil, ""},
	{"K57", damaged, finding.BTOverrun, "made-small", func(s *Scene) {
		s.data(504, 104, 0)
		s.RawSet(s.Root(), 1, func(b []byte) { b[ondisk.BsetBytes+7] |= 0x60 })
	}, nil, ""},
	{"U51", damaged, finding.BTOverrun, "made-small", func(s *Scene) {
		s.data(504, 104, 0)
		s.RawSet(s.Root(), 1, func(b []byte) { b[ondisk.BsetBytes+7] |= 0x70 })
	}, nil, ""},
	{"U51", damaged, finding.BTKeyBits, "writeback-dirty", func(s *Scene) {
		s.EditKey(s.Extent(live), func(k *ondisk.Bkey) { k.High |= 1 << 56 })
	}, nil, ""},
	{"U51", damaged, finding.BTKeyBits, "writeback-dirty", func(s *Scene) {
		s.EditKey(s.Extent(live), func(k *ondisk.Bkey) { k.High &^= 1 << 63 })
	}, nil, ""},
	{"K68", damaged, finding.BTOrder, "made-small", addSet(func(s *Scene) []ondisk.Bkey { return s.pair(1000, 80, 504, 104) }), nil, ""},
	{"K71", damaged, finding.BTOrder, "writeback-dirty", func(s *Scene) {
		p := s.Extent(live)
		s.EditSet(p.Node, p.Set, func(b *ondisk.Bset) {
			last := len(b.Data) - 1
			b.Data[0], b.Data[last] = b.Data[last], b.Data[0]
		})
	}, nil, ""},
	{"U52", damaged, finding.BTOrder, "made-small", addSet(func(s *Scene) []ondisk.Bkey { return s.pair(504, 8, 512, 64) }), nil, ""},
	{"K69", damaged, finding.BTOverlap, "made-small", addSet(func(s *Scene) []ondisk.Bkey { return s.pair(504, 104, 560, 80) }), nil, ""},
	{"K72", damaged, finding.BTOverlap, "made-small", addSet(func(s *Scene) []ondisk.Bkey { return s.pair(504, 104, 504, 104) }), nil, ""},
	{"U52", damaged, finding.BTOverlap, "made-small", addSet(func(s *Scene) []ondisk.Bkey { return s.pair(504, 104, 504, 8) }), nil, ""},
	{"U53", damaged, finding.BTOverlap, "writeback-dirty", func(s *Scene) {
		p := s.Extent(func(k *ondisk.Bkey) bool { return k.Size() >= 16 })
		s.EditSet(p.Node, p.Set, func(b *ondisk.Bset) {
			over := b.Data[p.Index]
			over.CutFront(over.Start() + 8)
			b.Data = append(b.Data[:p.Index+1:p.Index+1], append([]ondisk.Bkey{over}, b.Data[p.Index+2:]...)...)
		})
	}, nil, ""},
	{"U54", warning, finding.BTZeroKey, "made-small", func(s *Scene) {
		s.AddSet(s.Root(), s.Key(0, 0, s.Geo.NodeSectors, s.freeAt(), 1))
	}, nil, ""},
	{"U57", note, finding.BTFill, "made-small", func(s *Scene) {
		b := s.Free(8)
		for _, bucket := range b[:3] {
			var keys []ondisk.Bkey
			for i := range sectors(600) {
				keys = append(keys, s.Key(0, 8*(i+1), 8, s.Geo.Start(bucket)+8*(i%16), 0))
			}
			for i := range keys {
				keys[i].SetPtrs(0) // the kernel invalidates by keys without pointers
			}
			s.AddSet(s.Root(), keys...)
		}
	}, nil, ""},
}

// upper is interior node i of made-tree's level 1, and its leaves.
func (s *Scene) upper(i int) planter.Node { return s.Levels()[1][i] }
