// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/superblock"
)

// mendSuper corrects or rebuilds the superblocks: a few flipped bits by the checksum, a field with a value that it
// cannot have by the one that it must have, sizes by what the rest of the metadata prove.
func mendSuper(w *Work, rep *fsck.Report) (did bool, err error) {
	if !w.asks(rep, finding.Superblock, finding.BackingSuper, finding.Journal) {
		return false, nil
	}
	for i := range w.over {
		dev := w.dev
		if i > 0 {
			dev = w.backing[i-1]
		}
		raw, err := readAll(dev.R, ondisk.SuperOffset, ondisk.SuperSize)
		if err != nil {
			continue
		}
		good, how := flippedSuper(raw), "corrected by its checksum"
		sealed := []byte(nil)
		if good == nil {
			if good, err = w.wrongSuper(i, dev, raw, rep); err != nil {
				return false, err
			}
			if how = changed(raw, good); i > 0 && good != nil && !w.credible(raw, good) {
				sealed, good = good, nil
			}
		}
		if i > 0 && good == nil {
			made, err := w.lostBacking(i, dev, raw)
			switch {
			case made != nil:
				good, how = made, "made anew from its slot of the cache, in state dirty"
			case sealed != nil && isBacking(sealed):
				good = sealed // better than nothing
			case errors.Is(err, ErrLostSuper): // all else can be mended
				w.once("%v", err)
			case err != nil:
				return false, err
			}
		}
		if good != nil {
			w.saw("%s: superblock: %s", dev.Name, how)
			w.patch(i, ondisk.SuperOffset, good, "superblock")
			did = true
		}
	}
	return did, nil
}

// backingVersion is the superblock of a backing device whose version alone is wrong: where its data start tells it.
func backingVersion(s ondisk.Super) []byte {
	s.Version = ondisk.VersionBacking
	if s.Nbuckets > uint64(ondisk.DataStartDefault) {
		s.Version = ondisk.VersionBackingOffset
	}
	s.Csum = s.Checksum()
	return s.Append(nil)
}

// credible reports whether a backing device's superblock that was put right says what it said: its checksum was right, or
// it still names the set, or surely another. What it says by chance would be sealed for good otherwise.
func (w *Work) credible(raw, good []byte) bool {
	const another = 48 // bits that two sets differ in: 64 on average
	old, err := ondisk.DecodeSuper(raw)
	if err != nil || old.Csum == old.Checksum() {
		return err == nil
	}
	is, err := ondisk.DecodeSuper(good)
	cache, failed := w.super()
	if err != nil || failed != nil || !is.IsBacking() {
		return err == nil && is.IsBacking()
	}
	off := is.SetUUID.Distance(cache.SetUUID)
	return off == 0 || off >= another
}

func isBacking(raw []byte) bool {
	s, err := ondisk.DecodeSuper(raw)
	return err == nil && s.IsBacking()
}

// wrongSuper is a superblock whose fields cannot be, made right; nil where nothing is wrong, or nothing tells. rep is
// what is wrong behind it.
func (w *Work) wrongSuper(i int, dev fsck.Device, raw []byte, rep *fsck.Report) ([]byte, error) {
	s, err := ondisk.DecodeSuper(raw)
	if err != nil {
		return nil, err
	}
	if i == 0 && s.IsBacking() && s.Csum == s.Checksum() && w.given(s.UUID) {
		return w.underBacking(s, dev.Size)
	}
	if i > 0 && s.Magic == ondisk.SuperMagic && s.Csum == s.Checksum() && s.Bucketless() {
		return backingVersion(*s), nil
	}
	limits := superblock.Device{Size: dev.Size, LogicalBlock: dev.LogicalBlock}
	was := damages(s, limits)
	fixed := *s
	if i == 0 && s.Csum == s.Checksum() && !s.IsBacking() {
		if err := w.fixLegal(&fixed, dev.Size); err != nil {
			return nil, err
		}
		switch {
		case was > 0:
		case ringCut(&fixed, rep), shrunk(&fixed, rep, dev.Size), w.shifted(&fixed, rep):
			superblock.SetJournal(&fixed)
		case misled(rep):
			if err := w.fixMoved(&fixed, dev.Size); err != nil {
				return nil, err
			}
		}
	}
	if was == 0 && fixed == *s {
		return nil, nil
	}
	legal := fixed != *s
	if was == 0 {
		was = 1 // of what is legal, or of what the superblock alone does not tell
	} else if s.IsBacking() && s.Csum == s.Checksum() {
		w.fixBacking(&fixed)
	} else if i > 0 && s.IsBacking() {
		w.nearSlot(&fixed)
	} else if i == 0 {
		if ok, err := w.fixCache(&fixed, dev.Size); !ok || err != nil {
			return nil, err
		}
	}
	fixed.Csum = fixed.Checksum()
	if i == 0 && s.Csum == s.Checksum() && fixed.Nbuckets < s.Nbuckets {
		w.counted = s.Nbuckets
	}
	if damages(&fixed, limits) >= was && !legal {
		return nil, nil
	}
	return fixed.Append(nil), nil
}

// underBacking is the cache's superblock where that of a given backing device was written over it: the journal of the set
// that it names stands there. nil where it does not.
func (w *Work) underBacking(s *ondisk.Super, size int64) ([]byte, error) {
	t, err := w.trace(s, size)
	if errors.Is(err, superblock.ErrNoTrace) || err == nil && t.SetMagic != s.SetMagic() {
		return nil, w.ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	fixed := *s
	fixed.Csum = ^s.Csum // none of it is the cache's
	if ok, err := w.fixCache(&fixed, size); !ok || err != nil {
		return nil, err
	}
	fixed.Csum = fixed.Checksum()
	return fixed.Append(nil), nil
}

// damages counts what the kernel would refuse, or trip over.
func damages(s *ondisk.Super, d superblock.Device) (n int) {
	for _, f := range superblock.Check(s, d) {
		if finding.Lookup(f.Code).Severity == finding.Damage {
			n++
		}
	}
	return n
}

func (w *Work) fixBacking(s *ondisk.Super) {
	s.Offset, s.Magic = uint64(ondisk.SuperSector), ondisk.SuperMagic
	if s.Version == ondisk.VersionBackingOffset && s.Nbuckets == 0 {
		s.Version = ondisk.VersionBacking // which has no such field
	}
	if s.UUID.IsZero() {
		s.UUID = derivedUUID(s.SetUUID, "a backing device's uuid")
	}
	if s.CacheMode() > ondisk.None {
		s.SetCacheMode(ondisk.Writethrough)
		if s.State() == ondisk.StateDirty {
			s.SetCacheMode(ondisk.Writeback)
		}
	}
}

// fixCache makes a cache's fields right. ok is false where the rest of the metadata tell nothing.
func (w *Work) fixCache(s *ondisk.Super, size int64) (ok bool, err error) {
	lost := s.Csum != s.Checksum() // no field of it can be believed
	stranger := s.Magic != ondisk.SuperMagic
	s.Offset, s.Magic = uint64(ondisk.SuperSector), ondisk.SuperMagic
	if s.NrInSet != 1 || s.NrThisDev != 0 {
		s.NrInSet, s.NrThisDev = 1, 0
	}
	if s.Replacement() > ondisk.Random {
		s.SetReplacement(ondisk.LRU)
	}
	t, err := w.trace(s, size)
	if errors.Is(err, superblock.ErrNoTrace) {
		if fits := superblock.BucketSectors(s).Bytes(); !lost && fits > 0 && size/fits >= superblock.MinBuckets { // it was never registered
			s.Nbuckets = min(s.Nbuckets, uint64(size/fits))
		}
		return !stranger, w.ctx.Err() // what nothing tells stays; that it was a cache is told by nothing else
	}
	if err != nil {
		return false, err
	}
	if s.SetUUID.IsZero() || s.SetMagic() != t.SetMagic {
		s.SetUUID = w.setUUID(t.SetMagic)
	}
	if s.UUID.IsZero() || lost {
		s.UUID = derivedUUID(s.SetUUID, "a cache's uuid")
	}
	told, err := t.Super(size, s.UUID, s.SetUUID)
	if err != nil {
		return false, nil
	}
	if lost {
		*s = *told
		return w.leads(told, t), nil
	}
	if s.Version != ondisk.VersionCache && s.Version != ondisk.VersionCacheUUID && s.Version != ondisk.VersionCacheFeat ||
		superblock.BucketSectors(s) != t.BucketSectors {
		s.Version, s.BucketSize, s.FeatureIncompat = told.Version, told.BucketSize, told.FeatureIncompat
		s.ObsoBucketSizeHi = 0
	}
	if s.BlockSize == 0 || s.BlockSize > ondisk.PageSectors || s.BlockSize&(s.BlockSize-1) != 0 || 2*ondisk.Sector(s.BlockSize) > t.BucketSectors {
		s.BlockSize = told.BlockSize
	}
	if s.Nbuckets > told.Nbuckets || s.Nbuckets < superblock.MinBuckets {
		s.Nbuckets = told.Nbuckets
	}
	if s.Nbuckets < superblock.MinBuckets {
		w.once("%s: it has room for %d buckets; the kernel takes no cache of fewer than %d", w.dev.Name, s.Nbuckets, superblock.MinBuckets)
	}
	w.fixJournal(s, told, t)
	return true, nil
}

// leads reports whether anything stands where a superblock that was made anew says: with a wrong size or place the ring
// may be found, and all else would be taken for lost.
func (w *Work) leads(s *ondisk.Super, t *superblock.Trace) bool {
	g, err := superblock.NewGeometry(s)
	if err != nil || t.Newest == nil {
		return err == nil // whoever said all of it, where no journal is left, knows
	}
	noted, unknown := len(w.result.Evidence), w.unknown
	b, err := w.chooseBase(&g)
	w.result.Evidence, w.unknown = w.result.Evidence[:noted], unknown
	return err == nil && (b.root && (b.uuids || t.PrioProven) || b.uuids && t.PrioProven)
}

// fixJournal says where the journal is: at the first bucket, as many as the kernel made of the buckets there were. Fewer
// than it makes of the smallest cache there never were, and with two it hangs when the set is stopped.
func (w *Work) fixJournal(s, told *ondisk.Super, t *superblock.Trace) {
	if first := ondisk.Sector(s.FirstBucket) * t.BucketSectors; first < 2*ondisk.SuperSector || first > t.FirstEntry {
		s.FirstBucket = told.FirstBucket
	}
	inOrder := int(s.Keys) >= superblock.JournalCount(superblock.MinBuckets) && s.Keys <= ondisk.JournalBuckets
	for i := range min(s.Keys, ondisk.JournalBuckets) {
		inOrder = inOrder && s.D[i] == uint64(s.FirstBucket)+uint64(i)
	}
	last := ondisk.Sector(s.FirstBucket+s.Keys) * t.BucketSectors
	if !inOrder || uint64(s.FirstBucket)+uint64(s.Keys) > s.Nbuckets || last <= t.LastEntry || !s.Sync() && s.Keys == 0 {
		superblock.SetJournal(s)
	}
}

// trace looks for what the rest of the metadata tell, once.
func (w *Work) trace(s *ondisk.Super, size int64) (*superblock.Trace, error) {
	if w.told != nil {
		return w.told, nil
	}
	limit := w.o.ScanBytes
	if limit == 0 {
		limit = 64 << 30
	}
	magic := uint64(0)
	if s.Csum == s.Checksum() {
		magic = s.SetMagic()
	}
	t, err := superblock.FindTrace(w.ctx, w.dev.R, size, limit, magic)
	if errors.Is(err, superblock.ErrNoTrace) && magic != 0 {
		t, err = superblock.FindTrace(w.ctx, w.dev.R, size, limit, 0)
	}
	if t, err = w.o.Hints.over(t, err); err != nil {
		return nil, err
	}
	w.told = t
	return t, nil
}

// setUUID is the uuid of a set of which the first half is known: that of a backing device of it, if one is given.
func (w *Work) setUUID(magic uint64) (u ondisk.UUID) {
	if w.o.Hints.SetUUID.SetMagic() == magic {
		return w.o.Hints.SetUUID
	}
	for _, d := range w.backing {
		if s, err := superblock.Read(d.R); err == nil && s.SetMagic() == magic {
			return s.SetUUID
		}
	}
	w.saw("the second half of the set's uuid is made up, for no backing device was given that tells it")
	binary.LittleEndian.PutUint64(u[:], magic)
	half := derivedUUID(u, "the second half of a set's uuid")
	copy(u[8:], half[8:])
	return u
}

// derivedUUID is a uuid for what lost its own. It follows from what is known, so that a repair is the same each time.
func derivedUUID(of ondisk.UUID, what string) (u ondisk.UUID) {
	sum := sha256.Sum256([]byte(of.String() + what))
	copy(u[:], sum[:])
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return u
}

// flippedSuper is a damaged superblock as it was written, or nil where it is not damaged, or by too much.
func flippedSuper(raw []byte) []byte {
	s, err := ondisk.DecodeSuper(raw)
	if err != nil || s.Csum == s.Checksum() && s.Magic == ondisk.SuperMagic {
		return nil
	}
	for _, keys := range ondisk.Lengths(uint32(s.Keys), ondisk.JournalBuckets) {
		for _, change := range []func(*ondisk.Super){
			func(s *ondisk.Super) {},
			func(s *ondisk.Super) { s.Magic = ondisk.SuperMagic },
			func(s *ondisk.Super) { s.Offset = uint64(ondisk.SuperSector) },
		} {
			try := *s
			try.Keys = uint16(keys)
			change(&try)
			if try.Csum == try.Checksum() && try.Magic == ondisk.SuperMagic {
				return try.Append(nil)
			}
		}
	}
	n := ondisk.SuperChecked(s)
	good, ok := ondisk.Mend(raw[:n])
	if !ok {
		return nil
	}
	good = append(good, raw[n:]...)
	if s, err := ondisk.DecodeSuper(good); err != nil || s.Magic != ondisk.SuperMagic || len(superblock.Check(s, superblock.Device{})) > 3 {
		return nil
	}
	return good
}
