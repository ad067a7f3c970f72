// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"slices"
	"sort"

	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
)

// A loader hands out the extents of orphans, in order, as far as the tree has a hole there. Of two that overlap the newer
// one tells alone where both do.
type loader struct {
	h     *harvest
	next  []*orphan
	holes []inspect.Range
	rd    *btree.Reader

	pending []btree.Piece // At is a place in keys
	keys    []ondisk.Bkey
	of      []*orphan // the orphan of each key, or of each blank
}

// load starts where a range does; nil where there are none in it.
func (h *harvest) load(r inspect.Range) *loader {
	holes := h.holesIn(r)
	if len(holes) == 0 {
		return nil
	}
	l := &loader{h: h, holes: holes, rd: btree.NewReader(h.w.dev.R, &h.c.Geo, quiet)}
	for i := range h.orphans {
		if o := &h.orphans[i]; o.hi.Compare(r.From) > 0 && o.lo.Compare(r.To) < 0 {
			l.next = append(l.next, o)
		}
	}
	if len(l.next) == 0 {
		return nil
	}
	return l
}

// many reports whether more than a few orphans begin before to that were not read yet.
func (l *loader) many(to ondisk.Pos) bool {
	return l != nil && len(l.next) > fewOrphans && l.next[fewOrphans].lo.Compare(to) < 0
}

// behind is where the next few orphans are behind: the first place after at where one begins that is none of them.
func (l *loader) behind(at ondisk.Pos) ondisk.Pos {
	for _, o := range l.next[fewOrphans:] {
		if o.lo.Compare(at) > 0 {
			return o.lo
		}
	}
	return inspect.Everything.To
}

// upTo hands out, as pieces of s, all before to.
func (l *loader) upTo(to ondisk.Pos, s *stream) (out []btree.Piece, err error) {
	for len(l.next) > 0 && l.next[0].lo.Compare(to) < 0 {
		l.read(l.next[0])
		l.next = l.next[1:]
		if err := l.h.w.ctx.Err(); err != nil {
			return nil, err
		}
	}
	n := 0
	if len(l.pending) > 0 {
		out = make([]btree.Piece, 0, len(l.pending))
	}
	for n < len(l.pending) && startOf(&l.pending[n]).Compare(to) < 0 {
		p := l.pending[n]
		if k := l.keys[p.At]; k.Ptrs() > 0 { // else its leaf has nothing there
			k.CutFront(p.Start)
			k.CutBack(min(p.End, cutAt(&p, to)))
			out = append(out, s.piece(&k))
		}
		if endOf(&p).Compare(to) > 0 {
			l.pending[n].Start = to.Offset
			break
		}
		n++
	}
	l.pending = l.pending[n:]
	l.compact()
	return out, nil
}

// cutAt is where to cuts a piece that starts before it.
func cutAt(p *btree.Piece, to ondisk.Pos) ondisk.Sector {
	if p.Inode == to.Inode {
		return to.Offset
	}
	return p.End
}

// read adds an orphan's extents, and that it has nothing beside them.
func (l *loader) read(o *orphan) {
	n := l.rd.Read(o.key(&l.h.c.Geo), 0)
	if l.stands(o) {
		l.pending = l.extents(l.pending, n, o)
		return
	}
	var blank []btree.Piece
	for inode := o.lo.Inode; inode <= o.hi.Inode; inode++ {
		p := btree.Piece{End: ondisk.MaxKeyOffset, Inode: inode}
		for _, cut := range within(p, []inspect.Range{{From: o.lo, To: o.hi}}) {
			blank = append(blank, l.note(cut, &ondisk.Bkey{}, o))
		}
	}
	mine := btree.Overlay(nil, l.extents(nil, n, o), blank)
	var newer, older []btree.Piece
	for _, p := range l.pending {
		if l.of[p.At].newer(o) {
			newer = append(newer, p)
		} else {
			older = append(older, p)
		}
	}
	l.pending = btree.Overlay(nil, newer, btree.Overlay(nil, mine, older))
}

// stands reports whether no other orphan overlaps the next one: what was read is before it, and what follows behind.
func (l *loader) stands(o *orphan) bool {
	if n := len(l.pending); n > 0 && endOf(&l.pending[n-1]).Compare(o.lo) > 0 {
		return false
	}
	return len(l.next) < 2 || l.next[1].lo.Compare(o.hi) >= 0
}

// extents adds those of an orphan to a list, as far as the tree has holes there.
func (l *loader) extents(to []btree.Piece, n *btree.Node, o *orphan) []btree.Piece {
	all := n.Extents()
	to = slices.Grow(to, len(all))
	l.keys, l.of = slices.Grow(l.keys, len(all)), slices.Grow(l.of, len(all))
	var k ondisk.Bkey
	for i, p := range all {
		l.h.c.Fetch(n.Keys, all, i)
		n.Keys.Key(p, &k)
		if !l.h.legal(&k) {
			if !touches(&p, l.holes) || !l.h.beyond(&k) || !l.h.takeBeyond(&k) {
				continue
			}
			p.End = k.Offset()
		}
		if inOne(&p, l.holes) { // as nearly all are
			to = l.extent(to, p, &k, o)
			continue
		}
		for _, cut := range within(p, l.holes) {
			to = l.extent(to, cut, &k, o)
		}
	}
	return to
}

// extent adds a part of one.
func (l *loader) extent(to []btree.Piece, cut btree.Piece, k *ondisk.Bkey, o *orphan) []btree.Piece {
	if !k.Dirty() && o.ptr != l.h.ex && (o.age > 0 || touches(&cut, l.h.doubt)) {
		return to // what was there after may have replaced it
	}
	return append(to, l.note(cut, k, o))
}

// inOne reports whether a piece lies in a single hole.
func inOne(p *btree.Piece, holes []inspect.Range) bool {
	i := sort.Search(len(holes), func(i int) bool { return holes[i].To.Compare(startOf(p)) > 0 })
	return i < len(holes) && holes[i].From.Compare(startOf(p)) <= 0 && holes[i].To.Compare(endOf(p)) >= 0
}

func (l *loader) note(p btree.Piece, k *ondisk.Bkey, o *orphan) btree.Piece {
	p.At = uint32(len(l.keys))
	l.keys, l.of = append(l.keys, *k), append(l.of, o)
	return p
}

// compact forgets the keys of what was handed out.
func (l *loader) compact() {
	if len(l.pending) == 0 {
		l.keys, l.of, l.pending = l.keys[:0], l.of[:0], nil
	}
	if len(l.keys) < 4*len(l.pending)+chunk {
		return
	}
	keys, of := make([]ondisk.Bkey, len(l.pending)), make([]*orphan, len(l.pending))
	for i := range l.pending {
		p := &l.pending[i]
		keys[i], of[i] = l.keys[p.At], l.of[p.At]
		p.At = uint32(i)
	}
	l.keys, l.of, l.pending = keys, of, slices.Clone(l.pending)
}

// within are the parts of a piece that lie in the holes.
func within(p btree.Piece, holes []inspect.Range) (out []btree.Piece) {
	i := sort.Search(len(holes), func(i int) bool { return holes[i].To.Compare(startOf(&p)) > 0 })
	for ; i < len(holes) && holes[i].From.Compare(endOf(&p)) < 0; i++ {
		part, r := p, holes[i]
		if r.From.Inode == p.Inode {
			part.Start = max(part.Start, r.From.Offset)
		}
		if r.To.Inode == p.Inode {
			part.End = min(part.End, r.To.Offset)
		}
		if part.Start < part.End {
			out = append(out, part)
		}
	}
	return out
}

// touches reports whether a piece lies in a hole, in part at least.
func touches(p *btree.Piece, holes []inspect.Range) bool {
	i := sort.Search(len(holes), func(i int) bool { return holes[i].To.Compare(startOf(p)) > 0 })
	return i < len(holes) && holes[i].From.Compare(endOf(p)) < 0
}
