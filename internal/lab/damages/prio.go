// SPDX-License-Identifier: GPL-2.0-only

package damages

import (
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/planter"
)

// data puts an extent into the root leaf: sectors [end-size, end) of inode 0, at the start of a free bucket.
func (s *Scene) data(end, size sectors, gen uint8) (ondisk.Bkey, ondisk.Bucket) {
	b := s.Free(1)[0]
	k := s.Key(0, end, size, s.Geo.Start(b), gen)
	s.AddSet(s.Root(), k)
	return k, b
}

// live is a live extent that nothing else covers.
func live(*ondisk.Bkey) bool { return true }

func dirty(k *ondisk.Bkey) bool { return k.Dirty() }

func (s *Scene) bucketOf(k ondisk.Bkey) ondisk.Bucket { return s.Geo.BucketOf(k.Ptr[0].Offset()) }

// moveSet moves set i of the prio chain to another bucket.
func (s *Scene) moveSet(i int, to ondisk.Bucket) {
	s.CopyBucket(to, s.Chain()[i])
	s.EditPrio(i-1, func(p *ondisk.PrioSet) { p.NextBucket = uint64(to) })
}

var prioProofs = []Proof{
	{"K44", damaged, finding.PRChecksum, "writeback-dirty", func(s *Scene) {
		s.Flip(s.Geo.Start(s.Chain()[0]).Bytes()+1000, 3)
	}, []finding.Code{finding.PRRewind}, ""},
	{"K44", damaged, finding.PRChecksum, "made-chain", func(s *Scene) {
		s.Flip(s.Geo.Start(s.Chain()[1]).Bytes()+1000, 3)
	}, nil, ""},
	{"K45", damaged, finding.PRMagic, "writeback-dirty", func(s *Scene) {
		s.Edit(s.Geo.Start(s.Chain()[0]).Bytes(), int(s.Geo.MetaSectors.Bytes()), func(b []byte) {
			b[9] ^= 0x10
			le.PutUint64(b, ondisk.Crc64(b[8:]))
		})
	}, nil, ""},
	{"K46", damaged, finding.PRUnread, "writeback-dirty", func(s *Scene) { s.FailBucket(s.Chain()[0]) }, nil, ""},
	{"U29", damaged, finding.PRLoop, "made-chain", func(s *Scene) {
		c := s.Chain()
		s.EditPrio(1, func(p *ondisk.PrioSet) { p.NextBucket = uint64(c[0]) })
	}, nil, ""},
	{"U29", damaged, finding.PRLoop, "made-chain", func(s *Scene) {
		c := s.Chain()
		s.EditPrio(0, func(p *ondisk.PrioSet) { p.NextBucket = uint64(c[0]) })
	}, nil, ""},
	{"U30", damaged, finding.PRRange, "made-chain", func(s *Scene) {
		s.EditPrio(0, func(p *ondisk.PrioSet) { p.NextBucket = uint64(s.Geo.NBuckets) })
	}, nil, ""},
	{"U30", damaged, finding.PRRange, "made-chain", func(s *Scene) {
		s.EditPrio(1, func(p *ondisk.PrioSet) { p.NextBucket = 3 })
	}, nil, ""},
	{"U30", damaged, finding.PRShared, "made-chain", func(s *Scene) {
		_, b := s.data(504, 104, 0)
		s.moveSet(1, b)
	}, []finding.Code{finding.EXReserved}, ""},
	{"U30", damaged, finding.PRShared, "made-chain", func(s *Scene) {
		s.moveSet(2, s.UUIDBucket())
	}, []finding.Code{finding.UUPointer, finding.UUSuspect}, ""},
	{"U31", damaged, finding.PRSeq, "made-chain", func(s *Scene) { s.EditPrio(1, func(p *ondisk.PrioSet) { p.Seq++ }) }, nil, ""},
	{"U32", warning, finding.PROdd, "writeback-dirty", func(s *Scene) { s.EditPrio(0, func(p *ondisk.PrioSet) { p.Version = 1 }) }, nil, ""},
	{"U32", warning, finding.PROdd, "writeback-dirty", func(s *Scene) { s.EditPrio(0, func(p *ondisk.PrioSet) { p.Pad = 1 }) }, nil, ""},
	{"U33", warning, finding.GNDataPrio, "writeback-dirty", nodePrio, nil, ""},
	{"K66", warning, finding.GNDataPrio, "fifo-full", nodePrio, nil, ""},
	{"U34", damaged, finding.GNStale, "writeback-dirty", ahead(97), nil, ""},
	{"K64", damaged, finding.GNStale, "fifo-full", ahead(128), nil, ""},
	{"K74", warning, finding.GNStale, "fifo-full", ahead(97), nil, ""},
	{"U35", warning, finding.GNAhead, "writeback-dirty", func(s *Scene) {
		k := s.Extent(live).Key
		s.SetGen(s.bucketOf(k), k.Ptr[0].Gen()-2)
	}, nil, ""},
	{"U36", note, finding.PRRewind, "made-chain", func(s *Scene) {
		old := s.Free(1)[0]
		s.CopyBucket(old, s.Chain()[0])
		s.EditPrio(2, func(p *ondisk.PrioSet) { p.NextBucket = uint64(old) })
		s.Flip(s.Geo.Start(s.Chain()[1]).Bytes()+1000, 3)
	}, []finding.Code{finding.PRChecksum}, ""},
	{"U50", damaged, finding.GNMetadata, "writeback-dirty", func(s *Scene) {
		k := s.Root().Key
		s.SetGen(s.bucketOf(k), k.Ptr[0].Gen()+1)
	}, nil, ""},
}

// nodePrio gives a bucket of data the prio of a node.
func nodePrio(s *Scene) {
	s.EditBucket(s.bucketOf(s.Extent(live).Key), func(e *ondisk.PrioEntry) { e.Prio = ondisk.BtreePrio })
}

// ahead moves the gen of a bucket of clean data past its pointers.
func ahead(by uint8) func(*Scene) {
	return func(s *Scene) {
		count := map[ondisk.Bucket]bool{}
		for _, p := range s.Extents() {
			if b := s.bucketOf(p.Key); p.Key.Dirty() {
				count[b] = true
			}
		}
		k := s.Extent(func(k *ondisk.Bkey) bool { return !k.Dirty() && !count[s.bucketOf(*k)] }).Key
		s.SetGen(s.bucketOf(k), k.Ptr[0].Gen()+by)
	}
}

var uuidProofs = []Proof{
	{"K46", damaged, finding.UUUnread, "writeback-dirty", func(s *Scene) { s.FailBucket(s.UUIDBucket()) }, nil, ""},
	{"U37", damaged, finding.UUDuplicate, "two-backing-flash", func(s *Scene) {
		var first ondisk.UUID
		s.EditSlot(0, func(u *ondisk.UUIDEntry) { first = u.UUID })
		s.EditSlot(1, func(u *ondisk.UUIDEntry) { u.UUID = first })
	}, nil, ""},
	{"U38", damaged, finding.UUInvalid, "made-small", slot(0, func(u *ondisk.UUIDEntry) { u.Invalidated = 1700000001 }), nil, ""},
	{"U38", damaged, finding.UUInvalid, "made-small", slot(0, func(u *ondisk.UUIDEntry) { u.UUID = ondisk.InvalidUUID }), nil, ""},
	{"U38", warning, finding.UUSuspect, "made-small", slot(0, func(u *ondisk.UUIDEntry) { u.UUID = ondisk.InvalidUUID; u.UUID[5] ^= 4 }), nil, ""},
	{"U39", damaged, finding.UULostDirty, "writeback-dirty", slot(0, detached), nil, ""},
	{"U39", damaged, finding.UUWrittenBack, "detached-crash", func(s *Scene) { s.Give = 1 }, []finding.Code{finding.SBPages, finding.UUDestroyed}, ""},
	{"U39", damaged, finding.UULostDirty, "detached-crash", func(s *Scene) {
		s.Give = 1
		k := s.Extent(func(k *ondisk.Bkey) bool { return k.Dirty() && k.Inode() == 0 }).Key
		s.Back[0].Flip(k.Start().Bytes()+100, 1)
	}, []finding.Code{finding.SBPages, finding.UUDestroyed}, ""},
	{"U39", damaged, finding.UUDestroyed, "two-backing-flash", slot(2, detached), nil, ""},
	{"U40", warning, finding.UULostClean, "fifo-full", slot(0, detached), nil, ""},
	{"U40", warning, finding.UULostClean, "fifo-full", slot(0, func(u *ondisk.UUIDEntry) { *u = ondisk.UUIDEntry{} }), nil, ""},
	{"U41", damaged, finding.UUInode, "made-small", func(s *Scene) {
		s.AddSet(s.Root(), s.Key(uint32(s.Geo.NrUUIDs()), 504, 104, s.freeAt(), 0))
	}, nil, ""},
	{"U42", damaged, finding.UUNoSlotDirty, "made-small", func(s *Scene) {
		s.AddSet(s.Root(), planter.Dirty(s.Key(9, 504, 104, s.freeAt(), 0)))
	}, nil, ""},
	{"U43", warning, finding.UUFlash, "writeback-dirty", slot(0, func(u *ondisk.UUIDEntry) { u.Sectors = 1 << 20 }), nil, ""},
	{"U43", warning, finding.UUFlash, "two-backing-flash", slot(2, func(u *ondisk.UUIDEntry) { u.Flags = 0 }), nil, ""},
	{"U43", warning, finding.UUFlashEnd, "two-backing-flash", slot(2, func(u *ondisk.UUIDEntry) { u.Sectors = 64 }), nil, ""},
	{"U44", note, finding.UURegTimes, "writeback-dirty", slot(0, func(u *ondisk.UUIDEntry) { u.LastReg = u.FirstReg - 1 }), nil, ""},
	{"U44", note, finding.UURegTimes, "writeback-dirty", slot(0, func(u *ondisk.UUIDEntry) { u.LastReg = Now + 1<<20 }), nil, ""},
	{"U44", warning, finding.UUFewSlots, "made-small", func(s *Scene) { fillSlots(s); s.EditSlot(7, func(u *ondisk.UUIDEntry) { *u = ondisk.UUIDEntry{} }) }, nil, ""},
}

func slot(i int, change func(u *ondisk.UUIDEntry)) func(*Scene) {
	return func(s *Scene) { s.EditSlot(i, change) }
}

func detached(u *ondisk.UUIDEntry) { u.UUID, u.Invalidated = ondisk.InvalidUUID, 1700000001 }
