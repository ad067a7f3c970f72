// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"cmp"
	"slices"
	"sync"

	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// A harvest is every extent that a repair keeps, and what it must give up.
//
//	newest   keys of the live journal
//	         keys of bsets that could not be read whole, one by one
//	         keys of the tree
//	oldest   keys of leaves that nothing leads to any more
type harvest struct {
	w     *Work
	c     *inspect.Cache
	gens  []uint8 // of all buckets, raised by every pointer of what is kept
	keys  btree.Keys
	tree  []btree.Piece
	jrnl  []btree.Piece
	found []btree.Piece // the result, in order
}

// bad says which extents a check called damaged, and by which code.
type bad map[ondisk.Bkey]finding.Code

// add notes the extents of a report that must not stay as they are.
func (b bad) add(findings []finding.Finding) {
	for _, f := range findings {
		if e, ok := f.Subject.(finding.Extent); ok && f.Severity == finding.Damage {
			b[e.Key] = f.Code
		}
	}
}

// reap collects what can be kept.
func (w *Work) reap(c *inspect.Cache, lostNodes bool) (*harvest, error) {
	h := &harvest{w: w, c: c, gens: make([]uint8, c.Geo.NBuckets)}
	for b := range c.Geo.NBuckets {
		h.gens[b] = c.Buckets.Gen(b)
	}
	var mu sync.Mutex
	err := c.Walk(func(_ int, e *inspect.Extent) {
		mu.Lock()
		defer mu.Unlock()
		h.take(e)
	})
	if err != nil {
		return nil, err
	}
	order(h.tree)
	order(h.jrnl)
	h.found = btree.Overlay(nil, h.jrnl, h.tree)
	if lostNodes {
		if err := h.glean(); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func order(ps []btree.Piece) {
	slices.SortFunc(ps, func(a, b btree.Piece) int { return cmp.Or(cmp.Compare(a.Inode, b.Inode), cmp.Compare(a.End, b.End)) })
}

// take judges an extent of the tree or the journal.
func (h *harvest) take(e *inspect.Extent) {
	k := e.Bkey
	code, damaged := h.w.bad[k]
	switch {
	case code == finding.EXPtrDev && e.Live: // there is one cache in a set: the kernel reads it whatever the number
		k.Ptr[0] = ondisk.MakePtr(k.Ptr[0].Gen(), k.Ptr[0].Offset(), uint64(h.c.Geo.ThisDev))
	case code == finding.EXPastBacking && k.Start() < h.w.ends[k.Inode()]:
		end := h.w.ends[k.Inode()]
		gone := k
		gone.CutFront(end)
		h.w.lose(&gone, code)
		k.CutBack(end)
	case damaged:
		h.w.lose(&k, code)
		return
	case !e.Live:
		return // stale, or it points nowhere: the kernel has no data there either
	case int(k.Inode()) >= h.c.Geo.NrUUIDs():
		h.w.lose(&k, finding.UUInode)
		return
	case !k.Dirty() && !h.c.Buckets.GenKnown(h.c.Geo.BucketOf(k.Ptr[0].Offset())):
		return // it may be of an older use of its bucket; the backing device has it
	}
	k.ClearPads()
	h.put(e.FromJournal, &k)
}

// put keeps a key.
func (h *harvest) put(journal bool, k *ondisk.Bkey) {
	p := btree.Piece{Start: k.Start(), End: k.Offset(), Inode: k.Inode(), At: uint32(len(h.keys))}
	h.keys = k.Append(h.keys)
	if journal {
		h.jrnl = append(h.jrnl, p)
	} else {
		h.tree = append(h.tree, p)
	}
}

// lose notes an extent that is given up.
func (w *Work) lose(k *ondisk.Bkey, code finding.Code) {
	start := max(k.Offset(), k.Size()) - k.Size()
	l := Lost{Inode: k.Inode(), Offset: start, Count: k.Size(), Dirty: k.Dirty(), Known: true, Code: code}
	w.lost[l] = true
}

// sorted yields what is kept, in order.
func (h *harvest) sorted(yield func(*ondisk.Bkey, error) bool) {
	var k ondisk.Bkey
	for _, p := range h.found {
		h.keys.Key(p, &k)
		if h.stale(&k) {
			continue
		}
		if !yield(&k, nil) {
			return
		}
	}
}

// stale reports whether a newer pointer than k's was found for its bucket.
func (h *harvest) stale(k *ondisk.Bkey) bool {
	return ondisk.GenAfter(h.gens[h.c.Geo.BucketOf(k.Ptr[0].Offset())], k.Ptr[0].Gen()) > 0
}
