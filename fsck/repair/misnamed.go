// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
)

// misnamed finds where keys stood that are in no place of their leaf, and name nothing that can be theirs: an inode that
// nobody has, or so. They go, and what is older may not show through there: the journal is asked, as of a damaged leaf's gaps.
func (h *harvest) misnamed() error {
	if h.c.Tree.InOrder() {
		return nil
	}
	rd := btree.NewReader(h.w.dev.R, &h.c.Geo, quiet)
	for _, l := range h.leaves() {
		if err := h.w.ctx.Err(); err != nil {
			return err
		}
		n := rd.Read(l.key, 0)
		g := gaps{lower: l.lower, upper: l.key.Pos(), last: l.lower}
		n.Every(func(k *ondisk.Bkey) {
			if k.Size() > 0 && k.Size() <= k.Offset() {
				g.add(k, h.sound(k))
			}
		})
		if g.end(); len(g.found) == 0 {
			continue
		}
		h.hurt[h.c.Geo.BucketOf(l.key.Ptr[0].Offset())] = true
		h.doubt, h.w.unknown = append(h.doubt, g.found...), true
		n.Every(h.stand)
	}
	h.doubt = joined(h.doubt)
	return nil
}

// gaps are where keys of a leaf are missing, between those before and behind them.
type gaps struct {
	lower, upper, last ondisk.Pos
	open               bool
	found              []inspect.Range
}

// add takes the next key of the leaf's bsets, the oldest first.
func (g *gaps) add(k *ondisk.Bkey, sound bool) {
	start := ondisk.Pos{Inode: k.Inode(), Offset: k.Start()}
	if inside := start.Compare(g.lower) >= 0 && k.Pos().Compare(g.upper) <= 0; !inside {
		g.open = g.open || !sound && k.Dirty()
		return
	}
	switch {
	case !g.open:
	case start.Compare(g.last) >= 0:
		g.found = append(g.found, inspect.Range{From: g.last, To: start})
	default: // a bset begins here: it was the last of the one before, or the first of this one
		g.found = append(g.found, inspect.Range{From: g.last, To: g.upper}, inspect.Range{From: g.lower, To: start})
	}
	g.open, g.last = false, k.Pos()
}

func (g *gaps) end() {
	if g.open {
		g.found = append(g.found, inspect.Range{From: g.last, To: g.upper})
	}
}
