// SPDX-License-Identifier: GPL-2.0-only

package damages

import (
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/planter"
)

// newest plants a field of the newest journal entry, checksum right.
func newest(change func(s *Scene, j *ondisk.Jset)) func(*Scene) {
	return func(s *Scene) { s.EditNewest(func(j *ondisk.Jset) { change(s, j) }) }
}

// journalKey adds a journal entry with one key, and makes it the only live one but for those that were.
func journalKey(make func(s *Scene) ondisk.Bkey) func(*Scene) {
	return func(s *Scene) {
		k := make(s)
		s.AddEntry(func(j *ondisk.Jset) { j.Keys = []ondisk.Bkey{k} })
	}
}

// spread adds n empty entries, each in a bucket of its own. All are live, with those that were.
func (s *Scene) spread(n int) (out []planter.Entry) {
	for range n {
		out = append(out, s.AddEntryInNextBucket(func(*ondisk.Jset) {}))
	}
	return out
}

// freeAt is the start of a bucket that nothing refers to.
func (s *Scene) freeAt() sectors { return s.Geo.Start(s.Free(1)[0]) }

var journalProofs = []Proof{
	{"K33", damaged, finding.JRNone, "empty-registered", func(s *Scene) {
		s.Put(s.Newest().Sector.Bytes()+8, make([]byte, 8))
	}, nil, ""},
	{"K33", damaged, finding.JRNone, "empty-registered", func(s *Scene) {
		for i := range s.Geo.NJournal {
			s.Wipe(s.Geo.FirstBucket + ondisk.Bucket(i))
		}
	}, nil, ""},
	{"K34", damaged, finding.JRDamaged, "writeback-dirty", func(s *Scene) {
		es := s.spread(3)
		s.RawEntry(es[1], func(b []byte) { le.PutUint32(b[28:], 1<<31) })
	}, []finding.Code{finding.JRGap}, ""},
	{"K35", damaged, finding.JRDamaged, "writeback-dirty", func(s *Scene) {
		s.Flip(s.spread(3)[1].Sector.Bytes()+120, 3)
	}, []finding.Code{finding.JRGap}, ""},
	{"K35", warning, finding.JRTorn, "writeback-dirty", func(s *Scene) { s.Flip(s.Newest().Sector.Bytes()+100, 0) }, nil, ""},
	{"K36", damaged, finding.JRNone, "made-small", func(s *Scene) { s.WipeEntry(s.Newest()) }, nil, ""},
	{"K37", damaged, finding.JRGap, "writeback-dirty", func(s *Scene) { s.WipeEntry(s.spread(3)[1]) }, nil, ""},
	{"K37", warning, finding.JRDiscarded, "writeback-dirty", func(s *Scene) {
		s.EditSuper(func(sb *ondisk.Super) { sb.SetDiscard(true) })
		es := s.spread(3)
		s.WipeEntry(es[0])
		for _, e := range es[1:] {
			s.EditEntry(e, func(j *ondisk.Jset) { j.LastSeq = es[0].Seq })
		}
	}, []finding.Code{finding.SBDiscard}, ""},
	{"K38", damaged, finding.JRLastSeq, "writeback-dirty", newest(func(_ *Scene, j *ondisk.Jset) { j.LastSeq = j.Seq + 1 }), nil, ""},
	{"K39", damaged, finding.JRKey, "made-small", journalKey(func(s *Scene) ondisk.Bkey { return s.Key(0, 8, 16, s.freeAt(), 0) }), nil, ""},
	{"K40", damaged, finding.JRKey, "made-small", journalKey(func(s *Scene) ondisk.Bkey { return s.Key(0, 64, 0, s.freeAt(), 0) }), nil, ""},
	{"K40", damaged, finding.JRGap, "made-small", func(s *Scene) { s.spread(2); s.WipeEntry(s.Entries()[1]) }, nil, ""},
	{"K41", damaged, finding.JRRoot, "writeback-dirty", newest(func(s *Scene, j *ondisk.Jset) {
		j.BtreeRoot.Ptr[0] = ondisk.MakePtr(0, s.Geo.Start(0), 0)
	}), []finding.Code{finding.BTSalvage}, ""},
	{"K43", damaged, finding.JRUUIDBucket, "writeback-dirty", newest(func(s *Scene, j *ondisk.Jset) {
		j.UUIDBucket.Ptr[0] = ondisk.MakePtr(0, s.Geo.Start(s.Geo.NBuckets), 0)
	}), nil, ""},
	{"K46", damaged, finding.JRUnread, "writeback-dirty", func(s *Scene) { s.FailBucket(s.Geo.FirstBucket + 9) }, nil, ""},
	{"K55", damaged, finding.JRLevel, "writeback-dirty", newest(func(_ *Scene, j *ondisk.Jset) { j.Level = 65535 }), []finding.Code{finding.BTSalvage}, ""},

	{"U16", damaged, finding.JRVersion, "writeback-dirty", newest(func(_ *Scene, j *ondisk.Jset) { j.Version = 2 }), nil, ""},
	{"U17", damaged, finding.JRLastSeq, "made-small", func(s *Scene) {
		s.EditNewest(func(j *ondisk.Jset) { j.Seq, j.LastSeq = 40000, 40000 })
		s.AddEntry(func(j *ondisk.Jset) { j.LastSeq = 40001 - 32767 })
	}, []finding.Code{finding.JRGap}, ""},
	{"U18", damaged, finding.JRTwice, "made-small", func(s *Scene) {
		s.spread(1)
		s.AddEntryInNextBucket(func(j *ondisk.Jset) { j.Seq--; j.Keys = []ondisk.Bkey{s.Key(0, 8, 8, s.freeAt(), 0)} })
	}, []finding.Code{finding.JROrder}, ""},
	{"U19", damaged, finding.JROrder, "made-small", func(s *Scene) {
		s.AddEntry(func(j *ondisk.Jset) { j.Seq, j.LastSeq = 7, 7 })
		e := s.Newest()
		e.Seq = 4
		s.PutEntry(e.Sector+s.Geo.BlockSectors, e.Jset)
		e.Seq, e.LastSeq = 8, 8
		s.PutEntry(e.Sector+2*s.Geo.BlockSectors, e.Jset)
	}, nil, ""},
	{"U19", damaged, finding.JROrder, "made-small", func(s *Scene) {
		e := s.Newest()
		e.Seq++
		s.PutEntry(s.Geo.Start(s.Geo.FirstBucket+2), e.Jset)
		e.Seq++
		s.PutEntry(s.Geo.Start(s.Geo.FirstBucket+1), e.Jset)
	}, nil, ""},
	{"U20", damaged, finding.JRPrioBucket, "writeback-dirty", newest(func(s *Scene, j *ondisk.Jset) { j.PrioBucket[0] = uint64(s.Geo.NBuckets) }), []finding.Code{finding.PRRange}, ""},
	{"U20", damaged, finding.JRPrioBucket, "writeback-dirty", newest(func(s *Scene, j *ondisk.Jset) { j.PrioBucket[0] = uint64(s.Geo.FirstBucket) }), []finding.Code{finding.PRRange}, ""},
	{"U21", damaged, finding.JRLevel, "writeback-dirty", newest(func(_ *Scene, j *ondisk.Jset) { j.Level = 11 }), []finding.Code{finding.BTSalvage}, ""},
	{"U22", damaged, finding.JRRoot, "writeback-dirty", newest(func(_ *Scene, j *ondisk.Jset) { j.BtreeRoot.Low-- }), []finding.Code{finding.BTSalvage}, ""},
	{"U22", damaged, finding.JRRoot, "writeback-dirty", newest(func(_ *Scene, j *ondisk.Jset) { j.BtreeRoot.SetPtrs(2) }), []finding.Code{finding.BTSalvage}, ""},
	{"U22", damaged, finding.JRRoot, "writeback-dirty", newest(func(_ *Scene, j *ondisk.Jset) { j.BtreeRoot.SetSize(8) }), []finding.Code{finding.BTSalvage}, ""},
	{"U23", damaged, finding.JRUUIDBucket, "writeback-dirty", newest(func(_ *Scene, j *ondisk.Jset) { j.UUIDBucket.SetSize(8) }), nil, ""},
	{"U23", damaged, finding.JRUUIDBucket, "writeback-dirty", newest(func(_ *Scene, j *ondisk.Jset) { j.UUIDBucket.Ptr[0] += 8 << 8 }), nil, ""},
	{"U23", damaged, finding.UUPointer, "made-chain", newest(func(s *Scene, j *ondisk.Jset) {
		j.UUIDBucket.Ptr[0] = ondisk.MakePtr(0, s.Geo.Start(s.Chain()[1]), 0)
	}), []finding.Code{finding.PRShared, finding.UUSuspect}, ""},
	{"K43", damaged, finding.UUPointer, "made-small", newest(func(s *Scene, j *ondisk.Jset) {
		j.UUIDBucket.Ptr[0] = ondisk.MakePtr(0, s.Geo.Start(s.Chain()[0]), 0)
	}), []finding.Code{finding.PRShared, finding.UUSuspect}, ""},
	{"U23", damaged, finding.GNMetadata, "writeback-dirty", func(s *Scene) { s.SetGen(s.UUIDBucket(), s.Newest().UUIDBucket.Ptr[0].Gen()+1) }, nil, ""},
	{"U24", damaged, finding.JRKeys, "made-small", func(s *Scene) {
		e := s.AddEntry(func(j *ondisk.Jset) { j.Keys = []ondisk.Bkey{s.Key(0, 8, 8, s.freeAt(), 0)} })
		s.RawEntry(e, func(b []byte) { b[ondisk.JsetBytes+7] |= 0x70 })
	}, nil, ""},
	{"U25", damaged, finding.JRKey, "made-small", journalKey(func(s *Scene) ondisk.Bkey { return ondisk.MakeKey(uint32(s.Geo.NrUUIDs()), 64, 8) }), nil, ""},
	{"U25", damaged, finding.JRKey, "made-small", journalKey(func(*Scene) ondisk.Bkey { return planter.Dirty(ondisk.MakeKey(0, 64, 8)) }), []finding.Code{finding.EXDirtyNoPtr}, ""},
	{"U25", damaged, finding.JRKey, "made-small", journalKey(func(s *Scene) ondisk.Bkey {
		k := s.Key(0, 64, 8, s.freeAt(), 0)
		k.Ptr[0] = ondisk.MakePtr(0, s.freeAt(), 2)
		return k
	}), []finding.Code{finding.EXPtrDev}, ""},
	{"U25", warning, finding.JRKeyOdd, "made-small", journalKey(func(s *Scene) ondisk.Bkey {
		k := s.Key(0, 64, 8, s.freeAt(), 0)
		k.High |= 1 << 40
		return k
	}), nil, ""},
	{"U63", damaged, finding.JRKey, "made-small", journalKey(func(s *Scene) ondisk.Bkey {
		k := s.Key(0, 64, 8, 0, 0)
		k.Ptr[0] = ondisk.MakePtr(0, 12345, ondisk.PtrCheckDev)
		return k
	}), nil, ""},
}
