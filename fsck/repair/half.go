// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"slices"

	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
)

// damagedOrphans takes the keys of leaves that nothing leads to behind what a reader takes of them, as damagedLeaves does
// of the tree's: where such a leaf is the newest that is found, and the tree has none. What it lost lay between the leaves
// beside it. Errors: the context's.
func (h *harvest) damagedOrphans() error {
	bare := h.bare
	rd := btree.NewReader(h.w.dev.R, &h.c.Geo, quiet)
	var all []btree.Piece
	var doubt, shaky []inspect.Range
	for i := range h.orphans {
		o := &h.orphans[i]
		if o.whole || o.age > 0 || !meets(bare, inspect.Range{From: o.lo, To: o.hi}) {
			continue
		}
		n := rd.Read(o.key(&h.c.Geo), 0)
		n.Every(h.stand)
		s := &scraper{h: h, raw: h.readable(o.ptr.Offset().Bytes(), int(h.c.Geo.NodeSectors.Bytes())), parent: o.ptr, span: h.around(i, bare)}
		s.leaf(n)
		for _, p := range btree.Resolve(s.out) {
			all = append(all, within(p, bare)...)
		}
		doubt, shaky = append(doubt, s.doubt...), append(shaky, s.shaky...)
		h.blank = append(h.blank, s.blank...)
		if err := h.w.ctx.Err(); err != nil {
			return err
		}
	}
	if len(all)+len(doubt) == 0 {
		return nil
	}
	h.w.saw("btree: %d keys of damaged leaves that nothing leads to are taken one by one", len(all))
	h.scraped = btree.Overlay(nil, h.scraped, btree.Resolve(all))
	doubt = joined(doubt)
	h.doubt, h.blank = joined(append(h.doubt, minus(doubt, minus(doubt, bare))...)), joined(h.blank)
	h.shaky = joined(append(h.shaky, shaky...))
	if err := h.ringTells(minus(joined(slices.Concat(doubt, shaky)), joined(rangesOf(h.proved)))); err != nil {
		return err
	}
	slices.SortFunc(h.proved, func(a, b btree.Piece) int { return startOf(&a).Compare(startOf(&b)) })
	return nil
}

// around is where the keys of an orphan may have lain: between the other newest ones, in a hole of the tree.
func (h *harvest) around(i int, bare []inspect.Range) inspect.Range {
	o := &h.orphans[i]
	r := inspect.Everything
	for _, hole := range bare {
		if hole.From.Compare(o.hi) < 0 && hole.To.Compare(o.lo) > 0 {
			r = hole
			break
		}
	}
	for j := range h.orphans {
		switch p := &h.orphans[j]; {
		case j == i || p.age > 0:
		case p.hi.Compare(o.lo) <= 0 && p.hi.Compare(r.From) > 0:
			r.From = p.hi
		case p.lo.Compare(o.hi) >= 0 && p.lo.Compare(r.To) < 0:
			r.To = p.lo
		}
	}
	return r
}

// mostSettled is how many keys of entries leaves that nothing leads to are asked for: the newest, for a leaf loses its last.
const mostSettled = 8192

// cutOrphans finds dirty data that the journal has last, and of which leaves that nothing leads to have nothing, or what an
// entry before says: their last bsets are gone, and nothing shows it. Where no such leaf has what an entry before that said,
// nobody knows what else they had. Errors: the context's.
func (h *harvest) cutOrphans() error {
	bare := minus(h.bare, joined(slices.Concat(h.doubt, rangesOf(h.proved))))
	if len(bare) == 0 || len(h.orphans) == 0 {
		return nil
	}
	run, _, err := h.run()
	if err != nil {
		return err
	}
	n := 0
	for i, j := range run {
		if n += len(j.Keys); n > mostSettled {
			run = run[:i]
			break
		}
	}
	told, written := h.written(run, bare)
	told = slices.DeleteFunc(told, func(p btree.Piece) bool {
		var k ondisk.Bkey
		h.keys.Key(p, &k)
		return !k.Dirty() || !h.sound(&k)
	})
	rd := btree.NewReader(h.w.dev.R, &h.c.Geo, quiet)
	gone := 0
	for i := range h.orphans {
		if o := &h.orphans[i]; o.age == 0 {
			gone += h.cutOrphan(rd, i, reach(told, inspect.Range{From: o.lo, To: o.hi}), written, bare)
		}
		if err := h.w.ctx.Err(); err != nil {
			return err
		}
	}
	h.blank = joined(h.blank)
	if gone > 0 {
		h.w.saw("btree: %d keys that leaves had last to which nothing leads are gone; the journal has them", gone)
		h.doubt = joined(h.doubt)
		h.proved = btree.Resolve(h.proved) // a key that reaches over two leaves is told of each
	}
	return nil
}

// cutOrphan does it for one, and returns how many keys it lacks.
func (h *harvest) cutOrphan(rd *btree.Reader, i int, told []btree.Piece, written map[inspect.Source][]btree.Piece, bare []inspect.Range) (gone int) {
	if len(told) == 0 {
		return 0
	}
	n := rd.Read(h.orphans[i].key(&h.c.Geo), 0)
	has := n.Extents()
	oldest, lacks := ^uint32(0), ^uint32(0) // of the told ones that it has, and lacks
	var k, is ondisk.Bkey
	for _, p := range told {
		h.keys.Key(p, &k)
		there, before := false, true // before: all that it has there an entry before says
		for _, o := range reach(has, inspect.Of(p.Inode, p.Start, p.End)) {
			n.Keys.Key(o, &is)
			there = there || is.Ptrs() == 0 || inspect.SourceOf(&is) == inspect.SourceOf(&k)
			before = before && is.Ptrs() == 1 && slices.ContainsFunc(written[inspect.SourceOf(&is)], func(w btree.Piece) bool {
				return w.At < p.At && w.Start <= max(o.Start, p.Start) && w.End >= min(o.End, p.End)
			})
		}
		switch {
		case there:
			oldest = min(oldest, p.At)
			continue
		case !before: // as after a power cut, when a leaf was written before the journal; or not
			h.blank = append(h.blank, inspect.Of(p.Inode, p.Start, p.End))
			continue
		}
		h.raise(&k)
		h.proved = append(h.proved, within(p, bare)...)
		lacks = min(lacks, p.At)
		gone++
	}
	if gone > 0 && oldest > lacks {
		h.w.unknown = true
		h.doubt = append(h.doubt, minus([]inspect.Range{h.around(i, bare)}, joined(rangesOf(told)))...)
	}
	return gone
}
