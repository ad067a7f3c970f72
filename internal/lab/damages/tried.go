// SPDX-License-Identifier: GPL-2.0-only

package damages

import (
	"slices"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/planter"
)

// Tried is what was tried on the kernel, one by one, with what it did. All but the last few register a device
// that then loses data, or panic.
var Tried = []Damage{
	{
		"bit flip in the superblock", "writeback-dirty",
		func(s *Scene) { s.Flip(ondisk.SuperOffset+112, 2) },
		[]finding.Code{finding.SBChecksum},
	},
	{
		"bit flip in a prio bucket", "writeback-dirty",
		func(s *Scene) { s.Flip(s.Geo.Start(s.Chain()[0]).Bytes()+100, 2) },
		[]finding.Code{finding.PRChecksum, finding.PRRewind},
	},
	{
		"bit flip in a btree node", "writeback-dirty",
		func(s *Scene) { s.Flip(s.Root().Sector().Bytes()+100, 2) },
		[]finding.Code{finding.BTChecksum, finding.BTSalvage},
	},
	{
		"bit flip in the newest journal entry", "writeback-crash",
		func(s *Scene) { s.Flip(s.Newest().Sector.Bytes()+200, 2) },
		[]finding.Code{finding.JRTorn},
	},
	{
		"gen moved past a dirty pointer", "writeback-dirty",
		staleDirty,
		[]finding.Code{finding.EXStaleDirty},
	},
	{
		"first of several live journal entries destroyed", "writeback-crash",
		func(s *Scene) {
			all := s.Entries()
			s.Flip(all[len(all)-2].Sector.Bytes()+200, 2)
		},
		[]finding.Code{finding.JRLost, finding.JRTorn},
	},
	{
		"live journal entry destroyed, its followers in the next bucket", "writeback-crash",
		func(s *Scene) {
			first := s.AddEntry(func(*ondisk.Jset) {})
			s.AddEntry(func(*ondisk.Jset) {})
			s.spread(1)
			s.Flip(first.Sector.Bytes()+200, 2)
		},
		[]finding.Code{finding.JRDamaged, finding.JRGap},
	},
	{
		"gen 110 ahead of a live pointer", "writeback-dirty",
		ahead(110),
		[]finding.Code{finding.GNStale},
	},
	{
		"gen 60 behind a pointer", "writeback-dirty",
		func(s *Scene) {
			k := s.Extent(live).Key
			s.SetGen(s.bucketOf(k), k.Ptr[0].Gen()-60)
		},
		[]finding.Code{finding.GNAhead},
	},
	{
		"extent crosses its bucket's end", "writeback-dirty",
		pointAt(func(s *Scene) sectors { return s.freeAt() + s.Geo.BucketSectors - 8 }),
		[]finding.Code{finding.EXCross},
	},
	{
		"extent points past the device", "writeback-dirty",
		pointAt(func(s *Scene) sectors { return s.Geo.Start(s.Geo.NBuckets + 7) }),
		[]finding.Code{finding.EXPastEnd},
	},
	{
		"extent points into the superblock", "writeback-dirty",
		pointAt(func(*Scene) sectors { return 8 }),
		[]finding.Code{finding.EXShort},
	},
	{
		"extent points into a btree node's bucket", "writeback-dirty",
		pointAt(func(s *Scene) sectors { return s.Root().Sector() }),
		[]finding.Code{finding.EXMetadata},
	},
	{
		"two keys claim the same cache sectors", "writeback-dirty",
		func(s *Scene) {
			first := s.Extent(dirty).Key
			other := s.Extent(func(k *ondisk.Bkey) bool { return k.Dirty() && k.Pos() != first.Pos() && k.Size() <= first.Size() })
			s.EditKey(other, func(k *ondisk.Bkey) { k.Ptr = first.Ptr })
		},
		[]finding.Code{finding.EXShared},
	},
	{
		"dirty keys of an inode that no slot names", "writeback-dirty",
		func(s *Scene) { s.EditKey(s.lastKey(), func(k *ondisk.Bkey) { k.SetInode(5); k.SetDirty(true) }) },
		[]finding.Code{finding.UUNoSlotDirty},
	},
	{
		"clean keys of an inode that no slot names", "fifo-full",
		func(s *Scene) { s.EditKey(s.lastKey(), func(k *ondisk.Bkey) { k.SetInode(5) }) },
		[]finding.Code{finding.UULostClean},
	},
	{
		"two keys of one bset out of order", "writeback-dirty",
		func(s *Scene) {
			s.EditSet(s.Root(), 0, func(b *ondisk.Bset) {
				i := slices.IndexFunc(b.Data[1:], func(k ondisk.Bkey) bool { return k.Start() >= b.Data[0].Offset() && k.Size() > 0 })
				b.Data[0], b.Data[i+1] = b.Data[i+1], b.Data[0]
			})
		},
		[]finding.Code{finding.BTOrder},
	},
	{
		"bit flip in a slot's uuid, seen with its backing device", "writeback-dirty",
		func(s *Scene) { s.Give = 1; s.EditSlot(0, func(u *ondisk.UUIDEntry) { u.UUID[3] ^= 8 }) },
		[]finding.Code{finding.BDNoSlot},
	},
	{
		"bit flip in a slot's uuid, without its backing device", "writeback-dirty",
		func(s *Scene) { s.EditSlot(0, func(u *ondisk.UUIDEntry) { u.UUID[3] ^= 8 }) }, nil,
	},
	{
		"bit flip in a slot's label", "two-backing-flash",
		func(s *Scene) { s.EditSlot(0, func(u *ondisk.UUIDEntry) { u.Label[0] ^= 0x60 }) },
		[]finding.Code{finding.UUSuspect},
	},
	{
		"journal's root points at a free bucket", "writeback-dirty",
		func(s *Scene) {
			at := s.freeAt()
			s.EditNewest(func(j *ondisk.Jset) { j.BtreeRoot.Ptr[0] = ondisk.MakePtr(0, at, 0) })
		},
		[]finding.Code{finding.BTHeader, finding.BTSalvage},
	},
	{
		"journal's uuid pointer past the device", "writeback-dirty",
		newest(func(s *Scene, j *ondisk.Jset) {
			j.UUIDBucket.Ptr[0] = ondisk.MakePtr(0, s.Geo.Start(s.Geo.NBuckets+1), 0)
		}),
		[]finding.Code{finding.JRUUIDBucket},
	},
	{
		"journal entry two buckets on", "writeback-crash",
		func(s *Scene) {
			e := s.Newest()
			ring, _ := s.NextRing(e.Ring)
			_, at := s.NextRing(ring)
			e.Seq++
			s.PutEntry(at, e.Jset)
		},
		[]finding.Code{finding.JRLost},
	},
	{
		"journalled key of size 0", "writeback-crash",
		func(s *Scene) {
			k := s.Key(0, 800, 0, s.freeAt(), 0)
			s.AddEntry(func(j *ondisk.Jset) { j.Keys = []ondisk.Bkey{k} })
		},
		[]finding.Code{finding.JRKey},
	},
	{
		"fewer than 513 buckets", "empty-registered",
		super(func(sb *ondisk.Super) { sb.Nbuckets = 512; planter.SetJournal(sb, 1, 4) }),
		[]finding.Code{finding.SBNBuckets, finding.SBGrown},
	},
}

// lastKey is the last live extent that nothing covers, if it is the last key of its bset too.
func (s *Scene) lastKey() planter.Place {
	all := s.Extents()
	for _, p := range slices.Backward(all) {
		if p.Index == len(s.Sets(p.Node)[p.Set].Data)-1 {
			return p
		}
	}
	panic("no such extent")
}
