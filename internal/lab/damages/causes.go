// SPDX-License-Identifier: GPL-2.0-only

package damages

import (
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/planter"
)

// A Cause is one of several damages that one code stands for: its message says which.
type Cause struct {
	Base  string
	Code  finding.Code
	Says  string // a part of the message
	Plant func(s *Scene)
}

// pointer plants a pointer to metadata into the newest journal entry: the uuid bucket's key, or the root's.
func pointer(root bool, change func(s *Scene, k *ondisk.Bkey)) func(*Scene) {
	return newest(func(s *Scene, j *ondisk.Jset) {
		if root {
			change(s, &j.BtreeRoot.Bkey)
			return
		}
		change(s, &j.UUIDBucket.Bkey)
	})
}

// metaCauses are those of pointers to metadata.
func metaCauses() (all []Cause) {
	for _, root := range []bool{true, false} {
		code := map[bool]finding.Code{true: finding.JRRoot, false: finding.JRUUIDBucket}[root]
		for says, change := range map[string]func(s *Scene, k *ondisk.Bkey){
			"not one pointer":        func(_ *Scene, k *ondisk.Bkey) { k.SetPtrs(0) },
			"dirty":                  func(_ *Scene, k *ondisk.Bkey) { k.SetDirty(true) },
			"on an unknown device":   func(_ *Scene, k *ondisk.Bkey) { k.Ptr[0] |= 9 << 51 },
			"size is not the node's": func(_ *Scene, k *ondisk.Bkey) { k.SetSize(k.Size() + 8) },
			"not at the start":       func(_ *Scene, k *ondisk.Bkey) { k.Ptr[0] += 8 << 8 },
			"outside the device":     func(s *Scene, k *ondisk.Bkey) { k.Ptr[0] = ondisk.MakePtr(0, s.Geo.Start(s.Geo.NBuckets), 0) },
			"in the journal":         func(s *Scene, k *ondisk.Bkey) { k.Ptr[0] = ondisk.MakePtr(0, s.Geo.Start(s.Geo.FirstBucket+1), 0) },
		} {
			all = append(all, Cause{"made-small", code, says, pointer(root, change)})
		}
	}
	return all
}

// journalled adds an entry with a key of inode 0, changed.
func journalled(change func(s *Scene, k *ondisk.Bkey)) func(*Scene) {
	return journalKey(func(s *Scene) ondisk.Bkey {
		k := s.Key(0, 504, 104, s.freeAt(), 0)
		change(s, &k)
		return k
	})
}

// Causes are all of them.
func Causes() []Cause {
	return append(metaCauses(), []Cause{
		{"made-small", finding.JRKey, "size 0", journalled(func(_ *Scene, k *ondisk.Bkey) { k.SetSize(0) })},
		{"made-small", finding.JRKey, "starts before its volume", journalled(func(_ *Scene, k *ondisk.Bkey) { k.Low = 8 })},
		{"made-small", finding.JRKey, "no such inode", journalled(func(_ *Scene, k *ondisk.Bkey) { k.SetInode(1 << 19) })},
		{"made-small", finding.JRKey, "dirty without a pointer", journalled(func(_ *Scene, k *ondisk.Bkey) { k.SetPtrs(0); k.SetDirty(true) })},
		{"made-small", finding.JRKey, "outside the device", journalled(func(_ *Scene, k *ondisk.Bkey) { k.Ptr[0] = ondisk.MakePtr(0, 1<<40, 0) })},
		{"made-small", finding.JRKey, "outside the device or its bucket", journalled(func(_ *Scene, k *ondisk.Bkey) { k.Ptr[0] += 64 << 8 })},
		{"made-small", finding.JRKey, "a placeholder", journalled(func(_ *Scene, k *ondisk.Bkey) { k.Ptr[0] |= ondisk.PtrCheckDev << 51 })},
		{"made-small", finding.JRKey, "on an unknown device", journalled(func(_ *Scene, k *ondisk.Bkey) { k.Ptr[0] |= 3 << 51 })},

		{"writeback-dirty", finding.JRTorn, "has a bad magic", func(s *Scene) { s.Flip(s.Newest().Sector.Bytes()+9, 1) }},
		{"writeback-dirty", finding.JRTorn, "bad checksum", func(s *Scene) { s.Flip(s.Newest().Sector.Bytes(), 1) }},
		{"writeback-dirty", finding.JRTorn, "out of bounds", func(s *Scene) {
			s.Edit(s.Newest().Sector.Bytes()+28, 4, func(b []byte) { le.PutUint32(b, 1<<20) })
		}},
		{"made-small", finding.JRTorn, "bad checksum", func(s *Scene) { s.Flip(s.spread(1)[0].Sector.Bytes()+100, 1) }},
		{"made-small", finding.JRTorn, "has a bad magic", func(s *Scene) { s.Flip(s.spread(1)[0].Sector.Bytes()+10, 1) }},

		{"made-small", finding.UUSuspect, "no uuid, but other fields", slot(0, func(u *ondisk.UUIDEntry) { u.UUID = ondisk.UUID{} })},
		{"made-small", finding.UUSuspect, "unused bytes", slot(0, func(u *ondisk.UUIDEntry) { u.Pad[50] = 1 })},
		{"made-small", finding.UUSuspect, "unused bytes", slot(7, func(u *ondisk.UUIDEntry) { u.UUID, u.FirstReg, u.LastReg, u.Pad[0] = ondisk.UUID{7}, 1, 1, 1 })},
		{"made-small", finding.UUSuspect, "unknown flags", slot(0, func(u *ondisk.UUIDEntry) { u.Flags = 2 })},
		{"made-small", finding.UUSuspect, "label is no text", slot(0, func(u *ondisk.UUIDEntry) { u.Label[0] = 3 })},
		{"made-small", finding.UUSuspect, "label is no text", slot(0, func(u *ondisk.UUIDEntry) { u.Label[1] = 'x' })},
		{"made-small", finding.UUSuspect, "never registered", slot(0, func(u *ondisk.UUIDEntry) { u.FirstReg = 0 })},
		{"made-small", finding.UUSuspect, "nearly the mark", slot(0, func(u *ondisk.UUIDEntry) { u.UUID = ondisk.InvalidUUID; u.UUID[0] ^= 0xff })},

		{"made-tree", finding.BTChild, "no pointer", child(func(_ *Scene, k *ondisk.Bkey) { k.SetPtrs(0) })},
		{"made-tree", finding.BTChild, "no size", child(func(_ *Scene, k *ondisk.Bkey) { k.SetSize(0) })},
		{"made-tree", finding.BTChild, "dirty", child(func(_ *Scene, k *ondisk.Bkey) { k.SetDirty(true) })},
		{"made-tree", finding.BTChild, "outside the device", child(func(_ *Scene, k *ondisk.Bkey) { k.Ptr[0] = ondisk.MakePtr(0, 1<<42, 0) })},

		{"made-chain", finding.PRShared, "the uuids'", func(s *Scene) { s.moveSet(1, s.UUIDBucket()) }},
		{"made-chain", finding.PRShared, "a node's", func(s *Scene) {
			root := s.bucketOf(s.Root().Key)
			s.moveSet(1, root)
		}},
		{"fifo-full", finding.BDStranger, "attached to set", backing(func(sb *ondisk.Super) { sb.SetUUID[4] ^= 1 })},
		{"two-backing-flash", finding.BDState, "cache mode", backing(func(sb *ondisk.Super) { sb.SetCacheMode(15) })},
		{"writeback-dirty", finding.BDSuper, "power of 2", backing(func(sb *ondisk.Super) { sb.BlockSize = 24 })},
		{"writeback-dirty", finding.BDStripes, "past the end", backing(func(sb *ondisk.Super) { sb.Version, sb.Nbuckets = 4, 1<<30 })},
		{"writeback-dirty", finding.SBNrInSet, "8 of 8", super(func(sb *ondisk.Super) { sb.NrInSet, sb.NrThisDev = 8, 8 })},
		{"writeback-dirty", finding.SBReplacement, "7", super(func(sb *ondisk.Super) { sb.SetReplacement(7) })},
		{"writeback-dirty", finding.SBFeatures, "0xfffc", super(func(sb *ondisk.Super) { sb.Version, sb.FeatureIncompat = 5, 0xfffc })},
		{"writeback-dirty", finding.SBSignature, "xfs", func(s *Scene) { s.Put(0, []byte("XFSB")) }},
		{"writeback-dirty", finding.SBSyncLost, "entry 182", super(func(sb *ondisk.Super) { sb.SetSync(false); sb.Version, sb.Seq = 0, 0; planter.SetJournal(sb, 1, 0) })},
	}...)
}
