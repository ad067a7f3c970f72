// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"errors"

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
	lost := s.Seq > 0 && w.o.Wants(finding.SBSyncGone) || w.o.Wants(finding.SBSyncLost)
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

// fixMoved makes right a superblock that says, with a good checksum, sizes or places at which no journal entry of its set
// stands, where some stand elsewhere. Errors: the context's, a hint's.
func (w *Work) fixMoved(s *ondisk.Super, size int64) error {
	t, err := w.trace(s, size)
	if errors.Is(err, superblock.ErrNoTrace) || err == nil && (t.Newest == nil || t.SetMagic != s.SetMagic()) {
		return w.ctx.Err() // they are gone, not elsewhere
	}
	if err != nil {
		return err
	}
	_, err = w.fixCache(s, size)
	return err
}
