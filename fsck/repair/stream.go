// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"slices"
	"sort"

	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// chunk is how many extents are laid over one another at a time.
const chunk = 4096

// each hands out what is kept of a range, in order. Of the tree and the orphans a few nodes are in memory at a time.
// Errors: yield's, the context's, and inspect.ErrChanged.
func (h *harvest) each(r inspect.Range, yield func(k *ondisk.Bkey) error) error {
	s := &stream{h: h, yield: yield, at: r.From, scraped: reach(h.scraped, r), proved: reach(h.proved, r), strays: reach(h.strays, r), late: reach(h.late, r), orphans: h.load(r)}
	alone := s.orphans == nil && len(s.scraped) == 0 && len(s.strays) == 0 && len(s.proved) == 0 && len(s.late) == 0 && len(h.cuts) == 0 && !meets(h.doubt, r) && !meets(h.since, r)
	var k ondisk.Bkey
	for e, err := range h.c.Extents(r) {
		if err != nil {
			return err
		}
		if e.FromJournal && !h.journal || !e.FromJournal && h.isStray(&e.Bkey) {
			continue
		}
		if len(h.cuts[keyOf(&e.Bkey)]) > 0 {
			err = s.addParts(e)
		} else if keep := h.take(e, &k); !alone {
			err = s.add(e.FromJournal, keep, &k)
		} else if keep && !h.stale(&k) {
			err = yield(&k)
		}
		if err != nil {
			return err
		}
	}
	if alone {
		return h.w.ctx.Err()
	}
	if err := s.ahead(r.To); err != nil {
		return err
	}
	if err := s.flush(r.To); err != nil {
		return err
	}
	return s.emit(nil)
}

func startOf(p *btree.Piece) ondisk.Pos { return ondisk.Pos{Inode: p.Inode, Offset: p.Start} }
func endOf(p *btree.Piece) ondisk.Pos   { return ondisk.Pos{Inode: p.Inode, Offset: p.End} }

// reach are the pieces, in order, that reach into r.
func reach(ps []btree.Piece, r inspect.Range) []btree.Piece {
	from := sort.Search(len(ps), func(i int) bool { return endOf(&ps[i]).Compare(r.From) > 0 })
	to := sort.Search(len(ps), func(i int) bool { return startOf(&ps[i]).Compare(r.To) >= 0 })
	return ps[from:max(from, to)]
}

// A stream lays the sources over one another.
type stream struct {
	h     *harvest
	yield func(*ondisk.Bkey) error
	at    ondisk.Pos // all before is handed out

	keys       btree.Keys // of this chunk
	tree, jrnl []btree.Piece
	scraped    []btree.Piece // those that are left
	proved     []btree.Piece // likewise
	strays     []btree.Piece // likewise
	late       []btree.Piece // likewise
	orphans    *loader       // nil: there are none

	held  ondisk.Bkey // what comes next, unless it goes on
	last  ondisk.Bkey // what came before
	holds bool
	seam  bool // a chunk ended behind it, which may have cut it
}

// add takes the next extent of the tree or the journal; one that is not kept hides what is older.
func (s *stream) add(journal, keep bool, k *ondisk.Bkey) error {
	if k.Size() == 0 || k.Size() > k.Offset() {
		return nil
	}
	if s.clear(k) {
		s.at = k.Pos()
		if !keep || s.h.stale(k) {
			return nil
		}
		return s.emit(k)
	}
	if err := s.ahead(ondisk.Pos{Inode: k.Inode(), Offset: k.Start()}); err != nil {
		return err
	}
	if !keep {
		k.SetPtrs(0)
	}
	p := s.piece(k)
	if journal {
		s.jrnl = append(s.jrnl, p)
	} else {
		s.tree = append(s.tree, p)
	}
	if len(s.tree)+len(s.jrnl) < chunk {
		return nil
	}
	return s.flush(k.Pos())
}

// addParts takes what is left of an extent of which others have a part.
func (s *stream) addParts(e *inspect.Extent) error {
	for _, p := range s.h.parts(e) {
		k := p.Bkey
		if p.lost {
			s.h.loseBut(&k, finding.EXShared)
		}
		keep := !p.lost && s.h.take(&p.Extent, &k)
		if err := s.add(e.FromJournal, keep, &k); err != nil {
			return err
		}
	}
	return nil
}

// fewOrphans are in memory at a time.
const fewOrphans = 2

// ahead hands out, where many orphans begin before to and nothing else does any more, all but the last of them: they may
// be all that is left of the tree.
func (s *stream) ahead(to ondisk.Pos) error {
	for s.orphans.many(to) {
		step := s.at
		for _, ps := range [][]btree.Piece{s.tree, s.jrnl} { // first what stands before them
			if n := len(ps); n > 0 && step.Compare(endOf(&ps[n-1])) < 0 {
				step = endOf(&ps[n-1])
			}
		}
		if step == s.at {
			if step = s.orphans.behind(s.at); step.Compare(to) >= 0 {
				return nil
			}
		}
		if err := s.flush(step); err != nil {
			return err
		}
	}
	return nil
}

// clear reports whether nothing that is to be laid over or under anything stands before the end of k.
func (s *stream) clear(k *ondisk.Bkey) bool {
	span := inspect.Of(k.Inode(), k.Start(), k.Offset())
	return s.orphans == nil && len(s.tree) == 0 && len(s.jrnl) == 0 &&
		behind(s.scraped, k) && behind(s.strays, k) && behind(s.proved, k) && behind(s.late, k) &&
		!meets(s.h.doubt, span) && (k.Dirty() || !meets(s.h.since, span))
}

// behind reports whether what is left of a list starts behind k.
func behind(list []btree.Piece, k *ondisk.Bkey) bool {
	return len(list) == 0 || startOf(&list[0]).Compare(k.Pos()) >= 0
}

func (s *stream) piece(k *ondisk.Bkey) btree.Piece {
	p := btree.Piece{Start: k.Start(), End: k.Offset(), Inode: k.Inode(), At: uint32(len(s.keys))}
	s.keys = k.Append(s.keys)
	return p
}

// flush hands out all before to.
func (s *stream) flush(to ondisk.Pos) error {
	tree := btree.Overlay(nil, s.tree, s.upTo(&s.strays, to))
	tree = btree.Overlay(nil, s.h.veil(tree, s.keys, s.h.doubt, s.piece), tree)
	tree = btree.Overlay(nil, s.upTo(&s.scraped, to), tree)
	tree = btree.Overlay(nil, s.upTo(&s.proved, to), tree)
	out := btree.Overlay(nil, s.upTo(&s.late, to), btree.Overlay(nil, s.jrnl, tree))
	if s.orphans != nil {
		under, err := s.orphans.upTo(to, s)
		if err != nil {
			return err
		}
		if len(out) == 0 {
			out = under
		} else {
			out = btree.Overlay(nil, out, btree.Under(nil, out, under))
		}
	}
	out = btree.Overlay(nil, s.h.veil(out, s.keys, s.h.since, s.piece), out)
	for some := range slices.Chunk(out, fewKeys) {
		if err := s.hand(some); err != nil {
			return err
		}
	}
	s.keys, s.tree, s.jrnl, s.at, s.seam = s.keys[:0], s.tree[:0], s.jrnl[:0], to, true
	return s.h.w.ctx.Err()
}

// fewKeys are judged at a time, so that the processor fetches the gens of all of them at once.
const fewKeys = 64

// hand hands out the pieces that are not stale.
func (s *stream) hand(ps []btree.Piece) error {
	var keys [fewKeys]ondisk.Bkey
	var live [fewKeys]bool
	for i := range ps {
		s.keys.Key(ps[i], &keys[i])
	}
	for i := range ps {
		live[i] = keys[i].Ptrs() > 0 && !s.h.stale(&keys[i])
	}
	for i := range ps {
		if !live[i] {
			continue
		}
		k := &keys[i]
		if code, damaged := s.h.w.bad.of(k); damaged && !(code == finding.EXShared && s.h.settled(k)) { // as it was laid over others the last time
			if code != finding.EXAlign || !s.h.align(k) {
				s.h.w.lose(k, code)
				continue
			}
		}
		if err := s.emit(k); err != nil {
			return err
		}
	}
	return nil
}

// align cuts an extent to whole blocks, where another has cut it inside of one, and gives up the rest. It reports whether
// anything is left.
func (h *harvest) align(k *ondisk.Bkey) bool {
	block := h.c.Geo.BlockSectors
	from, to := (k.Start()+block-1)/block*block, k.Offset()/block*block
	if from >= to || (k.Ptr[0].Offset()-k.Start())%block != 0 {
		return false
	}
	head, tail := *k, *k
	if head.CutBack(from); k.Start() < from {
		h.w.lose(&head, finding.EXAlign)
	}
	if tail.CutFront(to); k.Offset() > to {
		h.w.lose(&tail, finding.EXAlign)
	}
	k.CutFront(from)
	k.CutBack(to)
	return true
}

// upTo takes the pieces before to off a list, and leaves the rest for the next time.
func (s *stream) upTo(list *[]btree.Piece, to ondisk.Pos) (out []btree.Piece) {
	var k ondisk.Bkey
	for len(*list) > 0 && startOf(&(*list)[0]).Compare(to) < 0 {
		p := &(*list)[0]
		s.h.keys.Key(*p, &k)
		if p.Inode == s.at.Inode && p.Start < s.at.Offset {
			k.CutFront(s.at.Offset)
		}
		cut := endOf(p).Compare(to) > 0 // so it is of the same inode
		if cut {
			k.CutBack(to.Offset)
		}
		out = append(out, s.piece(&k))
		if cut {
			break
		}
		*list = (*list)[1:]
	}
	return out
}

// emit hands out the extent before k, or both as one where a chunk's end has cut them; nil for the last.
func (s *stream) emit(k *ondisk.Bkey) error {
	seam := s.seam
	s.seam = false
	if s.holds && k != nil && seam && follows(&s.held, k) {
		s.held.SetSize(s.held.Size() + k.Size())
		s.held.Low = k.Low
		return nil
	}
	had := s.holds
	s.last = s.held
	if s.holds = k != nil; s.holds {
		s.held = *k
	}
	if !had {
		return nil
	}
	return s.yield(&s.last)
}

// follows reports whether b goes on where a ends, in its volume and on the cache, as the two parts of one extent do.
func follows(a, b *ondisk.Bkey) bool {
	if a.Inode() != b.Inode() || a.Offset() != b.Start() || a.Dirty() != b.Dirty() || a.Ptrs() != 1 || b.Ptrs() != 1 || a.Csum()+b.Csum() > 0 {
		return false
	}
	p, q := a.Ptr[0], b.Ptr[0]
	return p.Gen() == q.Gen() && p.Dev() == q.Dev() && p.Offset()+a.Size() == q.Offset() && a.Size()+b.Size() <= maxSize
}

// maxSize is what a key's size can say.
const maxSize = 1<<16 - 1
