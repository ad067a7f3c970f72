// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"slices"
	"sort"

	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
)

// Range is a run of positions: the sectors behind From, up to To.
type Range struct{ From, To ondisk.Pos }

// Everything holds every extent there can be.
var Everything = Range{To: ondisk.MaxKey.Pos()}

// Of is the sectors of a volume from from up to before to.
func Of(inode uint32, from, to ondisk.Sector) Range {
	return Range{ondisk.Pos{Inode: inode, Offset: from}, ondisk.Pos{Inode: inode, Offset: to}}
}

// OfVolume is all sectors of a volume.
func OfVolume(inode uint32) Range { return Of(inode, 0, ondisk.MaxKeyOffset) }

// before reports whether p ends behind the start of r.
func (r Range) before(p *btree.Piece) bool {
	return p.Inode > r.From.Inode || p.Inode == r.From.Inode && p.End > r.From.Offset
}

// behind reports whether p starts behind the end of r.
func (r Range) behind(p *btree.Piece) bool {
	return p.Inode > r.To.Inode || p.Inode == r.To.Inode && p.Start >= r.To.Offset
}

// Holes are the parts of r of which the tree does not tell what the cache holds, in order: nodes that could not be read
// whole, that another part of the tree led to before, or that no key leads to; and what stands in a leaf that it does
// not belong to. Keys of the journal that lie there are known all the same.
func (c *Cache) Holes(r Range) (out []Range) {
	hs := c.Tree.holes
	i := sort.Search(len(hs), func(i int) bool { return hs[i].To.Compare(r.From) > 0 })
	for ; i < len(hs) && hs[i].From.Compare(r.To) < 0; i++ {
		h := hs[i]
		if h.From.Compare(r.From) < 0 {
			h.From = r.From
		}
		if h.To.Compare(r.To) > 0 {
			h.To = r.To
		}
		out = append(out, h)
	}
	return out
}

// hole notes that nothing is known from from to to.
func (t *Tree) hole(from, to ondisk.Pos) {
	if from.Compare(to) < 0 {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.holes = append(t.holes, Range{from, to})
	}
}

// lost notes the ranges of the nodes of a level that are not whole, or are no nodes of that level.
func (t *Tree) lost(nodes []child, lowers []ondisk.Pos, below []branch) {
	for i := range nodes {
		if !below[i].whole || !below[i].fits {
			t.hole(lowers[i], nodes[i].pos())
		}
	}
}

// gap notes what lies between the last of the children that ends before p, or lower, and p: nothing leads there, unless
// one ends there.
func (t *Tree) gap(children []child, lower, p ondisk.Pos) {
	for _, c := range children {
		if at := c.pos(); at.Compare(p) < 0 {
			if at.Compare(lower) > 0 {
				lower = at
			}
		} else if at == p {
			return
		}
	}
	t.hole(lower, p)
}

// stray notes the parts of a leaf's pieces that lie outside of its range: what the leaf of that range says may differ.
func (t *Tree) stray(pieces []btree.Piece, lower, upper ondisk.Pos) {
	t.mu.Lock()
	t.loose = true
	t.mu.Unlock()
	for _, p := range pieces {
		from, to := ondisk.Pos{Inode: p.Inode, Offset: p.Start}, ondisk.Pos{Inode: p.Inode, Offset: p.End}
		if from.Compare(lower) < 0 {
			t.hole(from, least(to, lower))
		}
		if to.Compare(upper) > 0 {
			t.hole(most(from, upper), to)
		}
	}
}

func least(a, b ondisk.Pos) ondisk.Pos {
	if a.Compare(b) < 0 {
		return a
	}
	return b
}

func most(a, b ondisk.Pos) ondisk.Pos {
	if a.Compare(b) > 0 {
		return a
	}
	return b
}

// settle puts the holes in order, and joins those that touch.
func (t *Tree) settle() {
	sort.Slice(t.holes, func(i, j int) bool { return t.holes[i].From.Compare(t.holes[j].From) < 0 })
	out := t.holes[:0]
	for _, h := range t.holes {
		if n := len(out); n > 0 && h.From.Compare(out[n-1].To) <= 0 {
			out[n-1].To = most(out[n-1].To, h.To)
		} else {
			out = append(out, h)
		}
	}
	t.holes = out
	byPos := func(a, b child) int { return a.pos().Compare(b.pos()) }
	if !slices.IsSortedFunc(t.leaves, byPos) {
		t.loose = true
		slices.SortStableFunc(t.leaves, byPos)
	}
}
