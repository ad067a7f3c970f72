// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"encoding/binary"
	"errors"
	"slices"

	"bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/superblock"
)

// fixLegal sets SYNC again where a kernel had set it: one that finds it clear drops the whole cache. And it changes what
// is odd in a superblock and no damage, as far as somebody named it. Errors: the context's, a hint's.
func (w *Work) fixLegal(s *ondisk.Super, size int64) error {
	if w.o.chosen() && w.o.Wants(finding.SBDiscard) {
		s.SetDiscard(false)
	}
	if w.o.chosen() && w.o.Wants(finding.SBLeftovers) {
		s.Pad = [len(s.Pad)]uint64{}
		if s.Version < ondisk.VersionCacheFeat {
			s.FeatureCompat, s.FeatureIncompat, s.FeatureROCompat, s.ObsoBucketSizeHi = 0, 0, 0, 0
		}
		clear(s.D[min(int(s.Keys), len(s.D)):])
		clear(s.Tail[:])
	}
	lost := s.Seq > 0 && w.o.Wants(finding.SBSyncGone) || w.o.Wants(finding.SBSyncLost) || w.o.Wants(finding.BDNoSlot) && w.inUse(s)
	if s.Sync() || !lost {
		return nil
	}
	t, err := w.trace(s, size)
	if errors.Is(err, superblock.ErrNoTrace) || err == nil && (t.Newest == nil || t.SetMagic != s.SetMagic()) {
		return w.ctx.Err() // never registered
	}
	if err != nil {
		return err
	}
	if s.Keys == 0 {
		superblock.SetJournal(s)
	}
	if s.Version == ondisk.VersionCache {
		s.Version = ondisk.VersionCacheUUID // the kernel sets both at once
	}
	s.SetSync(true)
	return nil
}

// inUse reports whether a given backing device says that the set has dirty data of it: then a kernel had registered it.
func (w *Work) inUse(s *ondisk.Super) bool {
	return slices.ContainsFunc(w.backing, func(d fsck.Device) bool {
		b, err := superblock.Read(d.R)
		return err == nil && b.IsBacking() && b.SetUUID == s.SetUUID && b.State() == ondisk.StateDirty
	})
}

// ringCut reports whether the journal goes on beyond the ring, and moves its beginning where it begins earlier.
func ringCut(s *ondisk.Super, rep *fsck.Report) bool {
	if rep == nil {
		return false
	}
	i := slices.IndexFunc(rep.Findings, func(f finding.Finding) bool { return f.Code == finding.SBJournalCut })
	if i < 0 {
		return false
	}
	if b := rep.Findings[i].Bucket; b != nil && *b < uint64(s.FirstBucket) {
		s.FirstBucket = uint16(superblock.FirstBucket(superblock.BucketSectors(s))) // the kernel's first entry goes to the ring's second bucket
	}
	return true
}

// shifted reports whether the ring begins later than whoever makes caches lets it begin, and as many buckets at its end
// hold data and no entry, and makes it begin where it did.
func (w *Work) shifted(s *ondisk.Super, rep *fsck.Report) bool {
	first := superblock.FirstBucket(superblock.BucketSectors(s))
	by := int(s.FirstBucket) - int(first)
	if rep == nil || w.c == nil || w.c.Journal == nil || by <= 0 || by >= int(s.Keys) {
		return false
	}
	tail := uint64(s.FirstBucket) + uint64(s.Keys) - uint64(by)
	for _, e := range w.c.Journal.Entries {
		if e.Ring >= int(s.Keys)-by {
			return false
		}
	}
	data := false
	for _, f := range rep.Findings {
		if f.Code == finding.EXReserved {
			if data = f.Bucket != nil && *f.Bucket >= tail && *f.Bucket < tail+uint64(by); !data {
				return false
			}
		}
	}
	if data {
		s.FirstBucket = uint16(first)
	}
	return data
}

// shrunk reports whether a superblock counts too few buckets, and makes it count those that fit on the device: the ring
// has as many as the kernel makes of those, and something leads behind the last.
func shrunk(s *ondisk.Super, rep *fsck.Report, size int64) bool {
	const few = 4 // pointers that are damaged, on a device that has grown
	told := uint64(size / superblock.BucketSectors(s).Bytes())
	if rep == nil || told <= s.Nbuckets || superblock.JournalCount(told) != int(s.Keys) {
		return false
	}
	behind, odd := 0, superblock.JournalCount(s.Nbuckets) != int(s.Keys)
	for _, f := range rep.Findings {
		switch f.Code {
		case finding.EXPastEnd, finding.BTChild, finding.JRPrioBucket, finding.JRRoot, finding.JRUUIDBucket, finding.PRRange:
			behind++
		}
	}
	if behind == 0 || behind < few && !odd {
		return false
	}
	s.Nbuckets = told
	return true
}

// misled reports whether what rep found looks as if the sizes or places of a superblock with a good checksum were wrong:
// no journal entry is where it says, or neither the prio chain nor what the journal names.
func misled(rep *fsck.Report) bool {
	if rep == nil {
		return false
	}
	has := func(of ...finding.Code) bool {
		return slices.ContainsFunc(rep.Findings, func(f finding.Finding) bool { return slices.Contains(of, f.Code) })
	}
	switch {
	case has(finding.JRNone):
		return true
	case has(finding.PRChecksum, finding.PRMagic):
		return has(finding.JRGap, finding.JRLost, finding.JRRoot, finding.JRUUIDBucket)
	case has(finding.SBJournalOdd): // the ring reaches into what is none of it
		return has(finding.JRRoot, finding.JRUUIDBucket, finding.EXReserved)
	}
	return has(finding.JRLost) && has(finding.BTCorrupted) // blocks are skipped, in the journal and in nodes
}

// Journal entries prove a block size if there are many, and a set's uuid in the place of one that is nearly the same.
const (
	manyEntries = 16
	nearUUID    = 8 // bits
)

// fixMoved makes right a superblock with a good checksum whose sizes, places or set the journal entries contradict.
// Errors: the context's, a hint's.
func (w *Work) fixMoved(s *ondisk.Super, size int64) error {
	t, err := w.trace(s, size)
	if errors.Is(err, superblock.ErrNoTrace) || err == nil && t.Newest == nil {
		return w.ctx.Err() // they are gone, not elsewhere
	}
	if err != nil {
		return err
	}
	if t.SetMagic != s.SetMagic() {
		set := s.SetUUID
		binary.LittleEndian.PutUint64(set[:], t.SetMagic)
		if !s.Sync() || set.Distance(s.SetUUID) > nearUUID {
			return nil // those of a set that was here before
		}
		s.SetUUID = set
	}
	if t.Entries >= manyEntries {
		s.BlockSize = uint16(t.BlockSectors)
	}
	s.Csum = s.Checksum()
	if ok, err := w.fixCache(s, size); !ok || err != nil {
		return err
	}
	if n := superblock.JournalCount(s.Nbuckets); int(s.Keys) > n && t.LastEntry < ondisk.Sector(int(s.FirstBucket)+n)*t.BucketSectors {
		superblock.SetJournal(s)
	}
	return nil
}
