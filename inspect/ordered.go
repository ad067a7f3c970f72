// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"errors"
	"fmt"
	"iter"
	"sort"

	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/workers"
)

// ErrChanged says that a leaf that was read once cannot be read again.
var ErrChanged = errors.New("a btree node could be read before")

// Extents yields the surviving pieces of the tree and the journal that reach into r, those that are not live too, in
// the order of their keys; a piece is not cut to r, and is valid until the next. Where a leaf holds keys that are not of
// its range, which is damage and a hole, they come with their leaf. It reads the leaves in order, some ahead, and keeps
// nothing of those behind. An error ends it: the context's, or ErrChanged.
func (c *Cache) Extents(r Range) iter.Seq2[*Extent, error] {
	return func(yield func(*Extent, error) bool) { c.extents(r, yield) }
}

// extents is Extents. Without the directive each of its many callers would have a copy of it.
//
//go:noinline
func (c *Cache) extents(r Range, yield func(*Extent, error) bool) {
	m := c.merge(r, func(e *Extent) bool { return yield(e, nil) })
	first, last := c.leavesOf(r)
	err := c.eachLeaf(first, last, func(l *leaf) bool { return m.leaf(l) })
	switch {
	case errors.Is(err, errStopped):
	case err != nil:
		yield(nil, err)
	default:
		m.rest()
	}
}

// leavesOf are the leaves whose range meets r, from first up to before last.
func (c *Cache) leavesOf(r Range) (first, last int) {
	ls := c.Tree.leaves
	if c.Tree.loose {
		return 0, len(ls)
	}
	first = sort.Search(len(ls), func(i int) bool { return ls[i].pos().Compare(r.From) > 0 })
	last = sort.Search(len(ls), func(i int) bool { return ls[i].pos().Compare(r.To) >= 0 })
	return first, min(last+1, len(ls))
}

// A leaf is what one leaf holds once the journal lies over it.
type leaf struct {
	keys    btree.Keys
	left    []btree.Piece
	partial bool // not all of its bsets could be read
}

// leafReader reads leaves, one at a time: give every goroutine its own.
type leafReader struct {
	c    *Cache
	rd   *btree.Reader
	why  string // it could not be read whole
	leaf leaf
}

func (c *Cache) leafReader() *leafReader {
	l := &leafReader{c: c}
	l.rd = btree.NewReader(c.r, &c.Geo, func(f finding.Finding) { l.why = f.Message }) // the first walk reported it
	return l
}

// read reads leaf i. It is valid until the next read.
func (l *leafReader) read(i int) *leaf {
	n := l.rd.Read(l.c.Tree.leaves[i].key(), 0)
	own := n.Extents()
	l.leaf = leaf{n.Keys, btree.Under(l.leaf.left[:0], l.c.newer(own), own), !n.Whole}
	return &l.leaf
}

// again is read for one who must not miss anything: a leaf that was whole at first has to be whole still.
func (l *leafReader) again(i int) (*leaf, error) {
	if err := l.c.ctx.Err(); err != nil {
		return nil, err
	}
	got := l.read(i)
	if got.partial && !l.c.inHole(l.c.Tree.leaves[i].pos()) {
		return nil, fmt.Errorf("%w: %s", ErrChanged, l.why)
	}
	return got, nil
}

func (c *Cache) inHole(p ondisk.Pos) bool {
	hs := c.Tree.holes
	i := sort.Search(len(hs), func(i int) bool { return hs[i].To.Compare(p) >= 0 })
	return i < len(hs) && hs[i].From.Compare(p) < 0
}

// errStopped says that whoever gets the leaves wants no more.
var errStopped = errors.New("stopped")

// readAhead is how many leaves are read before their turn.
const readAhead = 3

// eachLeaf reads leaves in order and hands them to do, until that says no (errStopped).
func (c *Cache) eachLeaf(first, last int, do func(*leaf) bool) error {
	return workers.InOrder(last-first, readAhead, func() (func(int), func() error) {
		rd := c.leafReader()
		var (
			l   *leaf
			err error
		)
		read := func(i int) { l, err = rd.again(first + i) }
		return read, func() error {
			if err == nil && !do(l) {
				return errStopped
			}
			return err
		}
	})
}

// A merger hands out the pieces of a range, of the leaves and of the journal, in order.
type merger struct {
	c       *Cache
	r       Range
	journal []btree.Piece
	yield   func(*Extent) bool
	e       Extent
}

func (c *Cache) merge(r Range, yield func(*Extent) bool) *merger {
	js := c.keys.pieces
	i := sort.Search(len(js), func(i int) bool { return r.before(&js[i]) })
	return &merger{c: c, r: r, journal: js[i:], yield: yield}
}

// leaf hands out the pieces of the next leaf, and those of the journal that stand before them. It is false once no more
// are wanted.
func (m *merger) leaf(l *leaf) bool {
	at := sort.Search(len(l.left), func(i int) bool { return m.r.before(&l.left[i]) })
	for ; at < len(l.left) && !m.r.behind(&l.left[at]); at++ {
		m.c.Fetch(l.keys, l.left, at)
		p := &l.left[at]
		for len(m.journal) > 0 && m.journal[0].Before(p) {
			if !m.fromJournal() {
				return false
			}
		}
		if !m.hand(l.keys, p, false, l.partial) {
			return false
		}
	}
	return true
}

// rest hands out the pieces of the journal behind the last leaf.
func (m *merger) rest() {
	for len(m.journal) > 0 && m.fromJournal() {
	}
}

func (m *merger) fromJournal() bool {
	p := &m.journal[0]
	m.journal = m.journal[1:]
	if m.r.behind(p) {
		m.journal = nil
		return true
	}
	return m.hand(m.c.keys.keys, p, true, false)
}

func (m *merger) hand(keys btree.Keys, p *btree.Piece, fromJournal, partial bool) bool {
	m.e.Partial = partial
	return !m.c.extent(&m.e, keys, *p, fromJournal) || m.yield(&m.e)
}
