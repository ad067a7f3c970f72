// SPDX-License-Identifier: GPL-2.0-only

package damages

import (
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/planter"
)

var superProofs = []Proof{
	{"K1", damaged, finding.SBOffset, "writeback-dirty", super(func(sb *ondisk.Super) { sb.Offset = 16 }), nil, ""},
	{"K2", damaged, finding.SBMagic, "writeback-dirty", func(s *Scene) { s.Put(ondisk.SuperOffset+24, make([]byte, 16)) }, nil, ""},
	{"K3", damaged, finding.SBChecksum, "writeback-dirty", func(s *Scene) { s.Flip(ondisk.SuperOffset+112, 5) }, nil, ""},
	{"K4", damaged, finding.SBUUID, "writeback-dirty", super(func(sb *ondisk.Super) { sb.UUID = ondisk.UUID{} }), nil, ""},
	{"K5", damaged, finding.SBBlockLogical, "made-512", func(s *Scene) { s.Logical = 4096 }, nil, ""},
	{"K6", damaged, finding.SBVersion, "writeback-dirty", super(func(sb *ondisk.Super) { sb.Version = 2 }), nil, ""},
	{"K7", damaged, finding.SBFeatures, "writeback-dirty", super(func(sb *ondisk.Super) { sb.Version, sb.FeatureCompat = 5, 1<<40 }), nil, ""},
	{"K8", damaged, finding.SBFeatures, "writeback-dirty", super(func(sb *ondisk.Super) { sb.Version, sb.FeatureROCompat = 5, 1 }), nil, ""},
	{"K9", damaged, finding.SBFeatures, "writeback-dirty", super(func(sb *ondisk.Super) { sb.Version, sb.FeatureIncompat = 5, 4 }), nil, ""},
	{"K11", damaged, finding.SBJournalBuckets, "writeback-dirty", super(func(sb *ondisk.Super) { sb.Keys = 257 }), []finding.Code{finding.SBNoGeometry}, ""},
	{"K12", damaged, finding.SBNBuckets, "writeback-dirty", super(func(sb *ondisk.Super) { sb.Nbuckets = 1 << 63 }), []finding.Code{finding.SBNoGeometry, finding.SBDeviceSmall, finding.SBJournalOdd}, ""},
	{"K13", damaged, finding.SBNBuckets, "empty-registered", super(func(sb *ondisk.Super) { sb.Nbuckets = 127; planter.SetJournal(sb, 1, 2) }), []finding.Code{finding.SBGrown}, ""},
	{"K14", damaged, finding.SBBlock, "writeback-dirty", super(func(sb *ondisk.Super) { sb.BlockSize = 3 }), []finding.Code{finding.SBNoGeometry}, ""},
	{"K15", damaged, finding.SBBlock, "empty-registered", super(func(sb *ondisk.Super) { sb.BlockSize = 16 }), nil, ""},
	{"K16", damaged, finding.SBBucket, "writeback-dirty", super(func(sb *ondisk.Super) { sb.BucketSize = 192 }), []finding.Code{finding.SBNoGeometry, finding.SBGrown}, ""},
	{"K17", damaged, finding.SBBucket, "writeback-dirty", super(func(sb *ondisk.Super) { sb.BucketSize = 4 }), []finding.Code{finding.SBNoGeometry, finding.SBGrown, finding.SBPages, finding.SBFirstBucket, finding.SBBucketBlocks}, ""},
	{"K14", damaged, finding.SBNoGeometry, "writeback-dirty", super(func(sb *ondisk.Super) { sb.BlockSize = 0 }), []finding.Code{finding.SBBlock, finding.SBBlockLogical}, ""},
	{"K16", damaged, finding.SBNoGeometry, "writeback-dirty", super(func(sb *ondisk.Super) { sb.BucketSize = 0 }), []finding.Code{finding.SBBucket, finding.SBFirstBucket, finding.SBGrown}, ""},
	{"K24", damaged, finding.SBNoGeometry, "writeback-dirty", super(func(sb *ondisk.Super) {
		sb.Version, sb.FeatureIncompat, sb.BucketSize = 5, ondisk.FeatureLogBucketSize, 65535
	}), []finding.Code{finding.SBBucket, finding.SBFirstBucket, finding.SBGrown}, ""},
	{"K17", damaged, finding.SBBucketBlocks, "empty-registered", super(func(sb *ondisk.Super) { sb.BucketSize = 8 }), []finding.Code{finding.SBFirstBucket, finding.SBGrown, finding.SBPages, finding.JRNone}, ""},
	{"K18", damaged, finding.SBDeviceSmall, "writeback-dirty", func(s *Scene) { s.Resize(s.Size() - 4096) }, nil, ""},
	{"K19", damaged, finding.SBSetUUID, "writeback-dirty", super(func(sb *ondisk.Super) { sb.SetUUID = ondisk.UUID{} }), []finding.Code{finding.JRNone}, ""},
	{"K20", damaged, finding.SBNrInSet, "writeback-dirty", super(func(sb *ondisk.Super) { sb.NrInSet = 0 }), nil, ""},
	{"K20", damaged, finding.SBNrInSet, "writeback-dirty", super(func(sb *ondisk.Super) { sb.NrInSet, sb.NrThisDev = 9, 8 }), []finding.Code{finding.SBManyCaches}, ""},
	{"K21", damaged, finding.SBJournalBuckets, "writeback-dirty", super(func(sb *ondisk.Super) { sb.D[3], sb.D[4] = sb.D[4], sb.D[3] }), nil, ""},
	{"K22", damaged, finding.SBJournalEnd, "empty-registered", super(func(sb *ondisk.Super) { planter.SetJournal(sb, 2040, 16) }), []finding.Code{finding.JRNone, finding.JRUnread, finding.SPMetadata}, ""},
	{"K23", damaged, finding.SBFirstBucket, "empty-registered", super(func(sb *ondisk.Super) { planter.SetJournal(sb, 0, 16) }), nil, ""},
	{"K24", damaged, finding.SBBucket, "writeback-dirty", super(func(sb *ondisk.Super) {
		sb.Version, sb.FeatureIncompat, sb.BucketSize = 5, ondisk.FeatureLogBucketSize, 32
	}), []finding.Code{finding.SBNoGeometry, finding.SBFirstBucket, finding.SBGrown}, ""},
	{"K25", damaged, finding.SBNBuckets, "empty-registered", super(func(sb *ondisk.Super) { sb.Nbuckets = 512; planter.SetJournal(sb, 1, 4) }), []finding.Code{finding.SBGrown}, ""},
	{"K27", warning, finding.SBObsolete, "writeback-dirty", super(func(sb *ondisk.Super) { sb.Version, sb.FeatureIncompat = 5, ondisk.FeatureObsoLargeBucket }), nil, ""},

	{"U1", damaged, finding.SBSyncGone, "writeback-dirty", super(func(sb *ondisk.Super) { sb.SetSync(false) }), nil, ""},
	{"U1", damaged, finding.SBSyncLost, "writeback-dirty", super(func(sb *ondisk.Super) { sb.SetSync(false); sb.Version, sb.Seq = 0, 0 }), nil, ""},
	{"U2", damaged, finding.SBReplacement, "writeback-dirty", super(func(sb *ondisk.Super) { sb.SetReplacement(3) }), nil, ""},
	{"U3", damaged, finding.SBDeviceSmall, "writeback-dirty", func(s *Scene) { s.Resize(s.Size() - 1<<20) }, nil, ""},
	{"U4", damaged, finding.SBManyCaches, "writeback-dirty", super(func(sb *ondisk.Super) { sb.NrInSet = 2 }), nil, ""},
	{"U5", warning, finding.SBJournalOdd, "empty-registered", super(func(sb *ondisk.Super) { planter.SetJournal(sb, 1, 15) }), nil, ""},
	{"U5", damaged, finding.SBJournalCut, "writeback-dirty", super(func(sb *ondisk.Super) { planter.SetJournal(sb, 1, 4) }), []finding.Code{finding.SBJournalOdd, finding.PRChecksum}, ""},
	{"U6", warning, finding.SBFirstOdd, "made-tiny-buckets", super(func(sb *ondisk.Super) { planter.SetJournal(sb, 1, 8) }), []finding.Code{finding.SBPages}, ""},
	{"U7", warning, finding.SBGrown, "writeback-dirty", func(s *Scene) { s.Resize(s.Size() + 1<<20) }, nil, ""},
	{"U7", warning, finding.SBNBuckets, "empty-registered", super(func(sb *ondisk.Super) { sb.Nbuckets = 400; planter.SetJournal(sb, 1, 3) }), []finding.Code{finding.SBGrown}, ""},
	{"U8", warning, finding.SBLeftovers, "writeback-dirty", super(func(sb *ondisk.Super) { sb.Pad[4] = 1 }), nil, ""},
	{"U8", warning, finding.SBLeftovers, "writeback-dirty", super(func(sb *ondisk.Super) { sb.D[255] = 7 }), nil, ""},
	{"U8", warning, finding.SBLeftovers, "writeback-dirty", super(func(sb *ondisk.Super) { sb.ObsoBucketSizeHi = 1 }), nil, ""},
	{"U9", warning, finding.SBOldUUIDs, "writeback-dirty", super(func(sb *ondisk.Super) { sb.Version = 0 }), nil, ""},
	{"U10", warning, finding.SBSignature, "writeback-dirty", func(s *Scene) { s.Put(1080, []byte{0x53, 0xef}) }, nil, ""},
	{"U10", warning, finding.SBSignature, "writeback-dirty", func(s *Scene) { s.Put(77, []byte{1}) }, nil, ""},
	{"U11", warning, finding.SBPages, "made-tiny-buckets", func(*Scene) {}, nil, ""},
	{"U11", warning, finding.SBDiscard, "writeback-dirty", super(func(sb *ondisk.Super) { sb.SetDiscard(true) }), nil, ""},
	{"U12", warning, finding.SBByteOrder, "empty-registered", func(s *Scene) {
		s.Edit(s.Newest().Sector.Bytes()+8, 8, reverse)
	}, []finding.Code{finding.JRNone}, ""},
	{"U13", note, finding.SBLabel, "writeback-dirty", super(func(sb *ondisk.Super) { sb.Label = [32]byte{1, 2, 3} }), nil, ""},
	{"U13", note, finding.SBLabel, "writeback-dirty", super(func(sb *ondisk.Super) { sb.LastMount = Now + 1<<20 }), nil, ""},
	{"U13", note, finding.SBLabel, "writeback-dirty", super(func(sb *ondisk.Super) { sb.Seq = 0 }), nil, ""},
}

func reverse(b []byte) {
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
}

// backing plants a field of the first backing device's superblock and gives it to fsck.
func backing(change func(sb *ondisk.Super)) func(*Scene) {
	return func(s *Scene) {
		s.Give = 1
		planter.EditSuper(s.Back[0], change)
	}
}

// alone checks the first backing device without its cache.
func alone(change func(sb *ondisk.Super)) func(*Scene) {
	return func(s *Scene) {
		backing(change)(s)
		s.Give, s.Main = 0, s.Back[0]
	}
}

var deviceProofs = []Proof{
	{"K1", damaged, finding.BDSuper, "writeback-dirty", backing(func(sb *ondisk.Super) { sb.Offset = 9 }), nil, ""},
	{"K2", damaged, finding.BDSuper, "writeback-dirty", func(s *Scene) { s.Give = 1; s.Back[0].Put(ondisk.SuperOffset+24, make([]byte, 16)) }, nil, ""},
	{"K3", damaged, finding.BDSuper, "writeback-dirty", func(s *Scene) { s.Give = 1; s.Back[0].Flip(ondisk.SuperOffset+112, 1) }, nil, ""},
	{"K4", damaged, finding.BDSuper, "empty-registered", alone(func(sb *ondisk.Super) { sb.UUID = ondisk.UUID{} }), nil, ""},
	{"K5", damaged, finding.BDSuper, "writeback-dirty", func(s *Scene) {
		alone(func(sb *ondisk.Super) { sb.BlockSize = 1 })(s)
		s.Logical = 4096
	}, nil, ""},
	{"K6", damaged, finding.SBVersion, "empty-registered", alone(func(sb *ondisk.Super) { sb.Version = 7 }), []finding.Code{finding.SBNoGeometry}, ""},
	{"K10", damaged, finding.BDStripes, "writeback-dirty", alone(func(sb *ondisk.Super) { sb.Version, sb.Nbuckets = 4, 8 }), nil, ""},
	{"K28", warning, finding.BDBlock, "writeback-dirty", backing(func(sb *ondisk.Super) { sb.BlockSize = 4 }), nil, ""},
	{"K29", damaged, finding.BDDuplicate, "two-backing-flash", func(s *Scene) {
		s.Give, s.Back[1] = 2, s.Back[0].Copy()
	}, nil, ""},
	{"K30", damaged, finding.BDNoSlot, "writeback-dirty", backing(func(sb *ondisk.Super) { sb.UUID[3] ^= 1 }), nil, ""},
	{"K31", warning, finding.BDNoRoom, "empty-registered", func(s *Scene) {
		s.Give = 1
		fillSlots(s)
	}, []finding.Code{finding.UUFewSlots}, ""},
	{"K31", warning, finding.UUFewSlots, "made-small", fillSlots, nil, ""},
	{"K32", damaged, finding.BDStripes, "writeback-dirty", alone(func(sb *ondisk.Super) { sb.Version, sb.Nbuckets = 4, 1<<60 }), nil, ""},
	{"U10", warning, finding.BDSignature, "writeback-dirty", func(s *Scene) { s.Give = 1; s.Back[0].Put(1080, []byte{0x53, 0xef}) }, nil, ""},
	{"U8", warning, finding.BDFields, "writeback-dirty", backing(func(sb *ondisk.Super) { sb.Pad[1] = 5 }), nil, ""},
	{"U13", note, finding.BDFields, "empty-registered", alone(func(sb *ondisk.Super) { sb.Label[0] = 7 }), nil, ""},
	{"U14", damaged, finding.BDState, "empty-registered", alone(func(sb *ondisk.Super) { sb.SetCacheMode(9) }), nil, ""},
	{"U14", damaged, finding.BDState, "writeback-dirty", alone(func(sb *ondisk.Super) { sb.SetUUID = ondisk.UUID{} }), nil, ""},
	{"U14", warning, finding.BDCutShort, "empty-registered", CutShort, nil, ""},
	{"U14", damaged, finding.BDOtherSet, "writeback-dirty", backing(func(sb *ondisk.Super) { sb.SetUUID[0]++ }), nil, ""},
	{"U14", warning, finding.BDStranger, "fifo-full", backing(func(sb *ondisk.Super) { sb.SetUUID[0]++ }), nil, ""},
	{"U15", damaged, finding.BDBlock, "writeback-dirty", backing(func(sb *ondisk.Super) { sb.BlockSize = 1 }), nil, ""},
	{"U15", damaged, finding.BDDuplicate, "two-backing-flash", func(s *Scene) {
		s.Give, s.Back[1] = 2, s.Back[0].Copy()
		planter.EditSuper(s.Back[1], func(sb *ondisk.Super) { sb.LastMount++ })
	}, nil, ""},
	{"U45", damaged, finding.BDNoSlot, "writeback-dirty", func(s *Scene) {
		s.Give = 1
		s.EditSlot(0, func(u *ondisk.UUIDEntry) { u.UUID[9] ^= 0x40 })
	}, nil, ""},
	{"U45", warning, finding.BDLabel, "two-backing-flash", backing(func(sb *ondisk.Super) { sb.Label = [32]byte{'w', 'o', 'r', 'k'} }), nil, ""},
	{"U68", warning, finding.BDStateDirty, "writeback-dirty", backing(func(sb *ondisk.Super) { sb.SetState(ondisk.StateClean) }), nil, ""},
	{"U68", damaged, finding.BDDropped, "writeback-dirty", backing(func(sb *ondisk.Super) { sb.SetState(ondisk.StateStale) }), nil, ""},
	{"U68", warning, finding.BDStateDirty, "fifo-full", backing(func(sb *ondisk.Super) { sb.SetState(ondisk.StateDirty) }), nil, ""},
	{"U68", damaged, finding.BDDropped, "writeback-dirty", backing(func(sb *ondisk.Super) { sb.SetState(ondisk.StateNone) }), nil, ""},
	{"U69", damaged, finding.BDOtherSet, "writeback-dirty", backing(func(sb *ondisk.Super) { sb.SetUUID = ondisk.UUID{} }), []finding.Code{finding.BDState}, ""},
	{"U69", note, finding.BDLeft, "writeback-dirty", func(s *Scene) {
		backing(func(sb *ondisk.Super) { sb.SetUUID = ondisk.UUID{}; sb.SetState(ondisk.StateNone) })(s)
		writeBack(s)
	}, nil, ""},
}

// CutShort is what a crash leaves between the write of a device's slot and the journal entry that leads to it, if the
// device was written to in between.
func CutShort(s *Scene) {
	backing(func(sb *ondisk.Super) { sb.SetState(ondisk.StateDirty); sb.SetUUID = s.Super().SetUUID })(s)
	b := s.Free(1)[0]
	s.CopyBucket(b, s.UUIDBucket())
	u := planter.ReadSuper(s.Back[0]).UUID
	slot := ondisk.UUIDEntry{UUID: u, FirstReg: Now - 100, LastReg: Now - 100}
	for i := range s.Geo.NrUUIDs() {
		at := s.Geo.Start(b).Bytes() + int64(i)*ondisk.UUIDEntryBytes
		if have := s.Main.Bytes(at, 16); *(*ondisk.UUID)(have) == (ondisk.UUID{}) {
			s.Main.Put(at, slot.Append(nil))
			return
		}
	}
}

// fillSlots gives every free slot a volume of its own.
func fillSlots(s *Scene) {
	for i := range s.Geo.NrUUIDs() {
		s.EditSlot(i, func(u *ondisk.UUIDEntry) {
			if u.UUID.IsZero() {
				u.UUID, u.FirstReg, u.LastReg = ondisk.UUID{1, byte(i), byte(i >> 8), 0xaa}, 1, 1
			}
		})
	}
}
