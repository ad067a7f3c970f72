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

// A leaf is one of the tree's: the extents between lower and its key's position are in it.
type leaf struct {
	key   ondisk.Bkey
	lower ondisk.Pos
}

func (l *leaf) span() inspect.Range { return inspect.Range{From: l.lower, To: l.key.Pos()} }

// leaves are the tree's, in order. It reads none.
func (h *harvest) leaves() (out []leaf) {
	lower := ondisk.Pos{}
	for level, k := range h.c.NodeKeys() {
		if level > 0 {
			continue
		}
		one := ondisk.MakeKey(k.Inode(), k.Offset(), h.c.Geo.NodeSectors)
		one.SetPtrs(1)
		one.Ptr[0] = k.Ptr[0]
		out = append(out, leaf{one, lower})
		lower = k.Pos()
	}
	return out
}

// staying are the leaves that can stay where they are, with all that they hold, in order: those of the tree of which
// nothing is wrong, and those that nothing leads to, where no other source has anything to say. A repair then makes
// the other leaves anew, and the nodes above.
func (h *harvest) staying() []leaf {
	if h.w.heavy || !h.c.Tree.InOrder() {
		return nil
	}
	over := h.overlays()
	rd := btree.NewReader(h.w.dev.R, &h.c.Geo, quiet)
	var stay []leaf
	var spans []inspect.Range // of all leaves
	for _, l := range h.leaves() {
		holes := h.holesIn(l.span())
		if len(holes) == 1 && holes[0].From == l.lower && holes[0].To.Compare(l.key.Pos()) < 0 && !h.reachesInto(rd, &l, holes[0]) {
			l.lower, holes = holes[0].To, nil // a leaf is missing before it
		}
		spans = append(spans, l.span())
		p := l.key.Ptr[0]
		b := h.c.Geo.BucketOf(p.Offset())
		if len(holes) == 0 && !h.hurt[b] && ondisk.GenAfter(h.tx.Gen(b), p.Gen()) == 0 && !h.w.bad.in(l.span()) && !meets(over, l.span()) && !h.mayBeOld(rd, l.key, l.span()) {
			stay = append(stay, l)
		}
	}
	for _, o := range h.alone(spans, over) {
		if !h.mayBeOld(rd, o.key(&h.c.Geo), o.span()) {
			stay = append(stay, leaf{o.key(&h.c.Geo), o.lo})
		}
	}
	sort.Slice(stay, func(i, j int) bool { return stay[i].lower.Compare(stay[j].lower) < 0 })
	return stay
}

// alone are the sound leaves that nothing leads to and where no other source has anything to say: neither the tree's
// leaves, whose spans are given, nor what lies over them.
func (h *harvest) alone(spans, over []inspect.Range) (out []*orphan) {
	last := ondisk.Pos{}
	for i := range h.orphans {
		o := &h.orphans[i]
		span := o.span()
		free := o.lo.Compare(last) >= 0 && (i+1 == len(h.orphans) || h.orphans[i+1].lo.Compare(o.hi) >= 0)
		if last.Compare(o.hi) < 0 {
			last = o.hi
		}
		if free && o.sound && o.age == 0 && !h.hurt[o.bucket] && h.inOneHole(span) && !meets(h.doubt, span) && !meets(spans, span) && !meets(over, span) {
			out = append(out, o)
		}
	}
	return out
}

// reachesInto reports whether a leaf has extents in a hole before it: no leaf is missing there, the key above is wrong.
func (h *harvest) reachesInto(rd *btree.Reader, l *leaf, hole inspect.Range) bool {
	all := rd.Read(l.key, 0).Extents()
	return len(all) > 0 && startOf(&all[0]).Compare(hole.To) < 0
}

// mayBeOld reports whether a leaf leads to clean data that a journal entry which is lost may have replaced, and that were
// not made stale.
func (h *harvest) mayBeOld(rd *btree.Reader, leaf ondisk.Bkey, r inspect.Range) bool {
	if !meets(h.since, r) {
		return false
	}
	n := rd.Read(leaf, 0)
	var k ondisk.Bkey
	for _, p := range n.Extents() {
		n.Keys.Key(p, &k)
		if k.Ptrs() > 0 && !k.Dirty() && meets(h.since, inspect.Of(k.Inode(), k.Start(), k.Offset())) && (!h.inBucket(&k) || !h.stale(&k)) {
			return true
		}
	}
	return false
}

func (h *harvest) inOneHole(r inspect.Range) bool {
	holes := h.holesIn(r)
	return len(holes) == 1 && holes[0] == r
}

// meets reports whether one of some ranges, which come in order and do not overlap, meets r.
func meets(rs []inspect.Range, r inspect.Range) bool {
	i := sort.Search(len(rs), func(i int) bool { return rs[i].To.Compare(r.From) > 0 })
	return i < len(rs) && rs[i].From.Compare(r.To) < 0
}

// overlays are the ranges of what lies over the tree or beside it, joined where they overlap.
func (h *harvest) overlays() []inspect.Range {
	var rs []inspect.Range
	for _, ps := range [][]btree.Piece{h.scraped, h.strays, h.proved, h.late} {
		rs = append(rs, rangesOf(ps)...)
	}
	if h.journal {
		rs = append(rs, journalled(h.c)...)
	}
	return joined(rs)
}

// joined are ranges in order, those that meet or touch as one.
func joined(rs []inspect.Range) []inspect.Range {
	slices.SortFunc(rs, func(a, b inspect.Range) int { return a.From.Compare(b.From) })
	out := rs[:0]
	for _, r := range rs {
		if n := len(out); n > 0 && r.From.Compare(out[n-1].To) <= 0 {
			if out[n-1].To.Compare(r.To) < 0 {
				out[n-1].To = r.To
			}
			continue
		}
		out = append(out, r)
	}
	return out
}

// doubtful are the ranges of which the tree does not tell all: its holes, and leaves whose keys cannot all be right.
func (h *harvest) doubtful() []inspect.Range {
	hurt := map[ondisk.Sector]bool{}
	for _, f := range h.w.seen {
		if f.Severity != finding.Damage || f.Code.Family() != "BT" {
			continue
		}
		switch s := f.Subject.(type) {
		case finding.Bset:
			hurt[s.Sector] = true
		case finding.Node:
			hurt[s.Sector] = true
		}
	}
	rs := append(h.c.Holes(inspect.Everything), h.passedOver()...)
	var scanned []inspect.Range // of these it is known what they lost
	for _, l := range h.leaves() {
		switch at := l.key.Ptr[0].Offset(); {
		case h.scanned[at]:
			scanned = append(scanned, l.span())
		case hurt[at]:
			rs = append(rs, l.span())
		}
	}
	scanned = joined(scanned)
	h.bare = minus(joined(h.c.Holes(inspect.Everything)), scanned)
	return joined(slices.Concat(minus(joined(rs), scanned), h.first))
}

// passedOver are the ranges of leaves that end where another does, which the tree takes: of these either may be right.
func (h *harvest) passedOver() (rs []inspect.Range) {
	rd := btree.NewReader(h.w.dev.R, &h.c.Geo, quiet)
	for _, f := range h.w.seen {
		node, ok := f.Subject.(finding.Node)
		if !ok || f.Code != finding.BTDuplicate || node.Level != 1 || node.Key == nil {
			continue
		}
		if all := rd.Read(*node.Key, 0).Extents(); len(all) > 0 {
			rs = append(rs, inspect.Range{From: startOf(&all[0]), To: node.Key.Pos()})
		}
	}
	return rs
}

// holesIn are the parts of the holes in r.
func (h *harvest) holesIn(r inspect.Range) (out []inspect.Range) {
	i := sort.Search(len(h.holes), func(i int) bool { return h.holes[i].To.Compare(r.From) > 0 })
	for ; i < len(h.holes) && h.holes[i].From.Compare(r.To) < 0; i++ {
		hole := h.holes[i]
		if hole.From.Compare(r.From) < 0 {
			hole.From = r.From
		}
		if hole.To.Compare(r.To) > 0 {
			hole.To = r.To
		}
		out = append(out, hole)
	}
	return out
}

// journalled are the ranges of the live journal's keys.
func journalled(c *inspect.Cache) (rs []inspect.Range) {
	for j := range c.Entries() { //nolint:errcheck // what could be read of an entry is what is replayed
		if j != nil {
			rs = append(rs, rangesIn(j)...)
		}
	}
	return rs
}

// rangesIn are those of a journal entry's keys.
func rangesIn(j *ondisk.Jset) (rs []inspect.Range) {
	for i := range j.Keys {
		if k := &j.Keys[i]; k.Size() > 0 && k.Size() <= k.Offset() {
			rs = append(rs, inspect.Of(k.Inode(), k.Start(), k.Offset()))
		}
	}
	return rs
}

// gensKnown reports whether the prio chain could be read for all buckets.
func gensKnown(c *inspect.Cache) bool {
	for b := ondisk.Bucket(0); b < c.Geo.NBuckets; b += ondisk.Bucket(c.Geo.PriosPerBucket()) {
		if !c.Buckets.GenKnown(b) {
			return false
		}
	}
	return true
}

// build makes the tree of what is kept: leaves that stay, and new ones for what lies between.
func (h *harvest) build(tree *btree.Builder, stay []leaf) error {
	at := ondisk.Pos{}
	fill := func(to ondisk.Pos) error {
		if at.Compare(to) >= 0 {
			return nil
		}
		return h.each(inspect.Range{From: at, To: to}, tree.Add)
	}
	for i := range stay {
		if err := fill(stay[i].lower); err != nil {
			return err
		}
		if err := tree.Keep(&stay[i].key); err != nil {
			return err
		}
		at = stay[i].key.Pos()
	}
	return fill(inspect.Everything.To)
}
