// SPDX-License-Identifier: GPL-2.0-only

package damages

import (
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/planter"
)

// extent changes a live extent of the image where it stands.
func extent(change func(s *Scene, k *ondisk.Bkey)) func(*Scene) {
	return func(s *Scene) { s.EditKey(s.Extent(live), func(k *ondisk.Bkey) { change(s, k) }) }
}

// pointAt makes a live extent point to a sector of its own choice, with the gen of its bucket.
func pointAt(at func(s *Scene) sectors) func(*Scene) {
	return func(s *Scene) {
		to, gen := at(s), uint8(0)
		for _, p := range append(s.Leaves(), planter.Node{Key: s.Newest().UUIDBucket.Bkey}) {
			if p.Sector() == to {
				gen = p.Key.Ptr[0].Gen()
			}
		}
		extent(func(s *Scene, k *ondisk.Bkey) { k.Ptr[0] = ondisk.MakePtr(gen, to, 0) })(s)
	}
}

var extentProofs = []Proof{
	{"K59", damaged, finding.EXShort, "writeback-dirty", pointAt(func(*Scene) sectors { return 16 }), nil, ""},
	{"K60", damaged, finding.EXPastEnd, "writeback-dirty", pointAt(func(s *Scene) sectors { return s.Geo.Start(s.Geo.NBuckets) }), nil, ""},
	{"K61", damaged, finding.EXCross, "writeback-dirty", pointAt(func(s *Scene) sectors { return s.Geo.Start(s.Free(2)[1]+1) - 8 }), nil, ""},
	{"K62", damaged, finding.EXSize, "made-small", func(s *Scene) { s.AddSet(s.Root(), s.Key(0, 8, 16, s.freeAt(), 0)) }, nil, ""},
	{"K63", warning, finding.EXStaleDirty, "writeback-dirty", staleDirty, nil, ""},
	{"U65", warning, finding.EXStaleDirty, "two-backing-flash", staleDirty, nil, ""},
	{"K65", damaged, finding.EXMetadata, "writeback-dirty", pointAt(func(s *Scene) sectors { return s.Root().Sector() }), nil, ""},
	{"K67", damaged, finding.EXMetadata, "fifo-full", pointAt(func(s *Scene) sectors { return s.Leaves()[1].Sector() }), nil, ""},
	{"U58", damaged, finding.EXShared, "writeback-dirty", func(s *Scene) {
		first := s.Extent(dirty).Key
		other := s.Extent(func(k *ondisk.Bkey) bool { return k.Dirty() && k.Pos() != first.Pos() && k.Size() <= first.Size() })
		s.EditKey(other, func(k *ondisk.Bkey) { k.Ptr = first.Ptr })
	}, nil, ""},
	{"U58", damaged, finding.EXShared, "made-512", func(s *Scene) { // one sector of a block
		at := s.freeAt()
		s.AddSet(s.Root(), s.Key(0, 100, 10, at, 0), s.Key(0, 200, 10, at+9, 0))
	}, nil, ""},
	{"U59", damaged, finding.EXReserved, "writeback-dirty", pointAt(func(s *Scene) sectors { return s.Geo.Start(s.Geo.FirstBucket + 2) }), nil, ""},
	{"U59", damaged, finding.EXReserved, "writeback-dirty", pointAt(func(s *Scene) sectors { return s.Newest().UUIDBucket.Ptr[0].Offset() }), nil, ""},
	{"U60", damaged, finding.EXAlign, "made-small", func(s *Scene) { s.AddSet(s.Root(), s.Key(0, 504, 104, s.freeAt()+1, 0)) }, nil, ""},
	{"U60", damaged, finding.EXAlign, "made-small", func(s *Scene) { s.AddSet(s.Root(), s.Key(0, 504, 100, s.freeAt(), 0)) }, nil, ""},
	{"U60", damaged, finding.EXAlign, "made-small", func(s *Scene) { s.AddSet(s.Root(), s.Key(0, 500, 96, s.freeAt(), 0)) }, nil, ""},
	{"U61", damaged, finding.EXPastBacking, "writeback-dirty", func(s *Scene) {
		s.Give = 1
		s.Back[0].Resize(s.Back[0].Size() / 2)
	}, nil, ""},
	{"U62", damaged, finding.EXPtrDev, "writeback-dirty", extent(func(_ *Scene, k *ondisk.Bkey) { k.Ptr[0] |= 1 << 51 }), nil, ""},
	{"U62", damaged, finding.EXPtrDev, "writeback-dirty", extent(func(_ *Scene, k *ondisk.Bkey) { k.Ptr[0] |= 4094 << 51 }), nil, ""},
	{"U63", damaged, finding.EXPlaceholder, "writeback-dirty", func(s *Scene) {
		s.EditKey(s.Extent(dirty), func(k *ondisk.Bkey) { k.Ptr[0] |= ondisk.PtrCheckDev << 51 })
	}, nil, ""},
	{"U64", damaged, finding.EXDirtyNoPtr, "made-small", func(s *Scene) { s.AddSet(s.Root(), planter.Dirty(ondisk.MakeKey(0, 504, 104))) }, nil, ""},
	{"U70", warning, finding.EXStaleData, "fifo-full", func(s *Scene) {
		k := s.Extent(live).Key
		s.Give, s.Verify = 1, true
		s.Back[0].Flip((k.Offset()-1).Bytes()+77, 3)
	}, nil, ""},
	{"U74", warning, finding.EXPastEnd, "made-small", func(s *Scene) {
		s.data(504, 104, 0)
		s.EditSuper(func(sb *ondisk.Super) { sb.Nbuckets -= 20; planter.SetJournal(sb, 1, 7) })
	}, []finding.Code{finding.SBGrown}, ""},
}

// staleDirty moves the gen of a bucket past its dirty pointers.
func staleDirty(s *Scene) {
	k := s.Extent(dirty).Key
	s.SetGen(s.bucketOf(k), k.Ptr[0].Gen()+1)
}

// dirtied gives n buckets of made-small dirty data.
func (s *Scene) dirtied(n int) {
	var keys []ondisk.Bkey
	for i, b := range s.Free(n) {
		keys = append(keys, planter.Dirty(s.Key(0, sectors(8*(i+1)), 8, s.Geo.Start(b), 0)))
	}
	s.AddSet(s.Root(), keys...)
}

var spaceProofs = []Proof{
	{"U66", damaged, finding.SPOverfull, "made-small", func(s *Scene) {
		at := s.freeAt()
		s.AddSet(s.Root(), s.Key(0, 1000, 128, at, 0), s.Key(0, 2000, 64, at+64, 0))
	}, []finding.Code{finding.EXShared}, ""},
	{"U67", note, finding.SPGcSectors, "made-large-buckets", func(*Scene) {}, nil, ""},
	{"K73", warning, finding.SPGcSectors, "made-large-buckets", func(s *Scene) {
		s.AddSet(s.Root(), planter.Dirty(s.Key(0, 8192, 8192, s.freeAt(), 0))) // 8192 is 0 in 13 bits
	}, nil, ""},
	{"U71", damaged, finding.SPReserve, "made-small", func(s *Scene) { s.dirtied(len(s.Free(1)) + 1004) }, []finding.Code{finding.SPDirty}, ""},
	{"U72", note, finding.SPLeaked, "made-small", func(s *Scene) {
		s.EditPrio(0, func(p *ondisk.PrioSet) {
			for i := range p.Data[:s.Geo.NBuckets] {
				p.Data[i].Prio = 100
			}
		})
	}, nil, ""},
	{"U73", warning, finding.SPDirty, "made-small", func(s *Scene) { s.dirtied(720) }, nil, ""},
	{"U73", warning, finding.SPMetadata, "made-small", func(s *Scene) {
		var keys []ondisk.Bkey
		free := s.Free(260)
		for i, b := range free {
			end := ondisk.Pos{Offset: sectors(1000 * (i + 1))}
			if i == len(free)-1 {
				end = ondisk.MaxKey.Pos()
			}
			keys = append(keys, s.PutNode(b, 0, uint64(1000+i), end))
		}
		s.AddSet(s.Root(), keys...)
		s.SetRoot(s.Root().Key, 1)
	}, nil, ""},
}
