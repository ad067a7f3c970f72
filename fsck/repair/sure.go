// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"slices"

	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// take keeps the keys of a damaged bset; blank is where they lead nowhere.
func (s *scraper) take(keys []stand) (ps []btree.Piece, blank []inspect.Range) {
	for i := range keys {
		k := keys[i].k
		clean := k.Ptrs() > 0 && !k.Dirty() && s.h.sound(&k)
		if clean { // a bit of it may be wrong, and the backing device has the same
			s.h.w.lose(&k, finding.BTChecksum)
			k.SetPtrs(0)
		}
		mine := s.h.pieceOf(&k)
		if ps = append(ps, mine...); !clean && !s.h.sound(&k) {
			blank = append(blank, rangesOf(mine)...)
		}
	}
	return ps, blank
}

// leastRun is how many bytes without a good key are taken for one damage, not for one of several: a damaged word is found by
// the checksum.
const leastRun = 3 * keyBytes

// gaps are the ranges of which a damaged bset does not tell for sure. Where one run of bytes is damaged, the keys beside
// it are right; where the damage is scattered, or does not show, any of them may be wrong that the journal does not have
// likewise: it lay between those that are sure.
func (s *scraper) gaps(keys []stand, behind, end int, sure bool) (out []inspect.Range) {
	runs, missing, at := 0, 0, behind
	for i := range keys {
		if keys[i].from != at {
			runs++
		}
		missing += keys[i].from - at
		at = keys[i].to
	}
	missing += end - at
	s.ran = at != end || !sure
	if !sure && s.others(keys, behind, end) {
		return []inspect.Range{s.span}
	}
	switch {
	case !sure:
		runs = 1 // what stands behind its end is no damage
	case s.ran:
		runs++
	}
	if sure && runs == 1 && missing < leastRun { // some damaged bits, of which those in other keys do not show
		runs++
	}
	lower, open := s.span.From, false
	for i := range keys {
		k := &keys[i].k
		open = open || keys[i].from != behind
		behind = keys[i].to
		if runs != 1 && !s.h.inRing(k) {
			open = true
			continue
		}
		if open {
			out = append(out, inspect.Range{From: lower, To: ondisk.Pos{Inode: k.Inode(), Offset: k.Start()}})
		}
		lower, open = k.Pos(), false
	}
	if open || s.ran {
		out = append(out, inspect.Range{From: lower, To: s.span.To})
	}
	return out
}

// others reports whether a whole head of another bset may be gone between the keys of one of which nothing tells where it
// ends, or behind them: what that had lay anywhere.
func (s *scraper) others(keys []stand, behind, end int) bool {
	block := int(s.h.c.Geo.BlockSectors.Bytes())
	begins := func(from, to int) bool { // between two keys
		at := (from + block - 1) / block * block
		return at+ondisk.BsetBytes <= to
	}
	for i := range keys {
		if keys[i].from != behind && begins(behind, keys[i].from) {
			return true
		}
		behind = keys[i].to
	}
	return end < len(s.raw) && begins(behind, end)
}

// own are the keys of a bset without a header that are taken: those that a good bset of the leaf has too are a copy of it,
// which says nothing of what stood there. Strange ones are of a block that was written to the wrong place: older than what
// they stand on, so none of them hides others.
func (s *scraper) own(keys []stand, strange bool) []stand {
	return slices.DeleteFunc(keys, func(one stand) bool {
		is := inspect.Of(one.k.Inode(), one.k.Start(), one.k.Offset())
		return strange && (!one.k.Dirty() || !s.h.sound(&one.k)) || slices.Contains(s.h.stood[inspect.SourceOf(&one.k)], is)
	})
}

// agreeing leaves out keys whose bucket would have been handed out since dirty data in it were written: those data are
// there, so it is the gen that is damaged. To believe it would make them stale.
func (s *scraper) agreeing(keys []stand) []stand {
	h := s.h
	ahead := func(k *ondisk.Bkey) bool {
		return h.sound(k) && k.Ptr[0].Gen() != h.tx.Gen(h.c.Geo.BucketOf(k.Ptr[0].Offset()))
	}
	dirty := map[ondisk.Bucket]bool{}
	for i := range keys {
		if k := &keys[i].k; k.Dirty() && h.sound(k) && !ahead(k) {
			dirty[h.c.Geo.BucketOf(k.Ptr[0].Offset())] = true
		}
	}
	return slices.DeleteFunc(keys, func(one stand) bool {
		if !ahead(&one.k) || h.inRing(&one.k) {
			return false
		}
		b := h.c.Geo.BucketOf(one.k.Ptr[0].Offset())
		return dirty[b] || h.dirtyIn(b)
	})
}

// journalled reports whether keys that the journal has stand from a place on, as in a bset without a header.
func (s *scraper) journalled(at int) bool {
	keys := stands(s.raw, at+ondisk.BsetBytes, true, s.h.parses)
	return slices.ContainsFunc(keys, func(one stand) bool { return s.h.inRing(&one.k) })
}

// unused reports whether what stands at a place cannot be what damage left of a bset: another node's, from before.
func (s *scraper) unused(at int) bool {
	head, err := ondisk.DecodeBsetHeader(s.raw[at:])
	return err == nil && (head.CheckMagic(s.h.c.Geo.SetMagic) == nil || head == ondisk.BsetHeader{} && !s.zeros)
}
