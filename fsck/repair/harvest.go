// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"cmp"
	"errors"
	"slices"

	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/finding"
)

// A harvest is every extent that a repair keeps, and what it must give up. It is read again whenever it is wanted, in
// order, and holds nothing but what stands beside the tree:
//
//	newest   keys of the live journal
//	         keys of older entries, where a damaged leaf lost some
//	         keys of bsets that could not be read whole, one by one
//	         keys of the tree; where a newer bset lost some, only dirty ones
//	oldest   keys of leaves that nothing leads to any more, where the tree has a hole
type harvest struct {
	w    *Work
	c    *inspect.Cache
	base *base
	tx   *change.Tx // has the gens of all buckets, raised by every pointer of what is kept

	ground  []uint8                            // of each bucket; nil: not looked at; see ground.go
	faded   bool                               // clean data that may be old are no longer kept
	journal bool                               // its keys go into the tree
	hurt    map[ondisk.Bucket]bool             // buckets that damage is told of
	gone    map[uint32]finding.Code            // inodes whose keys go
	holes   []inspect.Range                    // where leaves that nothing leads to may tell something
	bare    []inspect.Range                    // those of them where the tree has no leaf
	doubt   []inspect.Range                    // where damaged leaves lost keys, and nothing newer tells
	first   []inspect.Range                    // likewise, the keys of their first bset
	shaky   []inspect.Range                    // where a damaged bset has the last word
	since   []inspect.Range                    // where a journal entry that is lost may have had the last word
	current map[ondisk.Bucket]bool             // buckets that entries behind it lead to
	cut     []inspect.Range                    // leaves that lost their last bsets, of which the journal tells all
	blank   []inspect.Range                    // those of them where its key leads nowhere
	scanned map[ondisk.Sector]bool             // those leaves
	stood   map[inspect.Source][]inspect.Range // what keys of their good bsets cover, by where they lead

	ring  map[badKey]bool        // the keys of the journal; nil: not looked for
	dirty map[ondisk.Bucket]bool // buckets with dirty data; nil: likewise

	cuts   map[badKey][]stretch // of extents that claim sectors which others claim too: what they lose, of the cache
	retold []inspect.Range      // of that, what the journal says to be elsewhere

	stump *stump // what is left of buckets that the device's end cuts off; nil: nothing is missing

	nameless bool     // an orphan has keys of an inode that no slot names
	slotless *bool    // no slot is filled; nil: not looked for
	pale     []uint16 // clean sectors in buckets whose gens no prio set tells; nil: none

	keys    btree.Keys    // of the next three
	ex      ondisk.Ptr    // an older leaf, of which the journal tells all that came after
	proved  []btree.Piece // what the journal tells of the doubtful ranges: it is newer than what damaged leaves have
	scraped []btree.Piece
	late    []btree.Piece                      // what damaged entries of the live journal tell, and none behind them
	strays  []btree.Piece                      // keys that stand in the wrong leaf: those of the right one win
	stray   map[inspect.Source][]inspect.Range // where the tree has them
	orphans []orphan                           // by where they begin
}

// gather looks for what the tree does not lead to.
func (w *Work) gather(c *inspect.Cache, tx *change.Tx, b *base) (*harvest, error) {
	h := &harvest{w: w, c: c, tx: tx, base: b, hurt: map[ondisk.Bucket]bool{}, gone: w.unwanted()}
	for _, f := range w.seen {
		if f.Severity == finding.Damage && f.Bucket != nil && f.Code != finding.BTMissing {
			h.hurt[ondisk.Bucket(*f.Bucket)] = true
		}
	}
	h.findStump()
	if err := h.damagedLeaves(); err != nil {
		return nil, err
	}
	if err := h.cutLeaves(); err != nil {
		return nil, err
	}
	if err := h.misnamed(); err != nil {
		return nil, err
	}
	if err := h.ringTells(joined(slices.Concat(h.doubt, h.shaky))); err != nil {
		return nil, err
	}
	if err := h.settleShared(); err != nil {
		return nil, err
	}
	h.doubt, h.cut = minus(h.doubt, h.cut), nil
	h.holes = h.doubtful()
	if !c.Tree.InOrder() || slices.ContainsFunc(w.seen, func(f finding.Finding) bool { return f.Code == finding.BTLevel }) {
		if err := h.findStrays(); err != nil {
			return nil, err
		}
	}
	if err := h.lostEntries(); err != nil {
		return nil, err
	}
	if len(h.holes) > 0 {
		if err := cmp.Or(h.findOrphans(), h.damagedOrphans(), h.cutOrphans()); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// take judges an extent of the tree or the journal: k is what is kept of it. Where nothing is, it still hides what is
// older.
func (h *harvest) take(e *inspect.Extent, k *ondisk.Bkey) bool {
	*k = e.Bkey
	code, damaged := h.w.bad.of(k)
	damaged = damaged && (code != finding.EXShared || !h.settled(k)) // what it lost is taken from it
	switch {
	case code == finding.EXPtrDev && e.Live: // there is one cache in a set: the kernel reads it whatever the number
		k.Ptr[0] = ondisk.MakePtr(k.Ptr[0].Gen(), k.Ptr[0].Offset(), uint64(h.c.Geo.ThisDev))
	case code == finding.EXPastEnd && h.beyond(k):
		return h.takeBeyond(k)
	case code == finding.EXStaleDirty:
		return false // somebody named it: the key has led nowhere since its bucket was reused
	case (code == finding.EXPastBacking || code == finding.UUFlashEnd) && k.Start() < h.end(k.Inode(), 0):
		end := h.end(k.Inode(), 0)
		gone := *k
		gone.CutFront(end)
		h.w.lose(&gone, code)
		k.CutBack(end)
	case damaged && (code != finding.EXAlign || !e.Live || !k.Dirty() || !h.align(k)):
		h.loseBut(k, code)
		return false
	case h.gone[k.Inode()] != "" && e.Live:
		h.w.lose(k, h.gone[k.Inode()])
		return false
	case !e.Live:
		if code, left := h.w.left.of(k); left { // it goes all the same: no key leads nowhere in what is made anew
			h.w.lose(k, code)
		}
		return false // stale, or it points nowhere: the kernel has no data there either
	case int(k.Inode()) >= h.c.Geo.NrUUIDs():
		h.w.lose(k, finding.UUInode)
		return false
	case !k.Dirty() && h.faded && !h.told(h.c.Geo.BucketOf(k.Ptr[0].Offset())):
		return false // it may be of an older use of its bucket; the backing device has it
	}
	k.ClearPads()
	return true
}

// end is where a volume ends: its backing device, or a flash-only one by its slot; unknown where neither tells.
func (h *harvest) end(inode uint32, unknown ondisk.Sector) ondisk.Sector {
	if end, ok := h.w.ends[inode]; ok {
		return end
	}
	if int64(inode) < int64(len(h.c.UUIDs)) && h.c.UUIDs[inode].FlashOnly() {
		return ondisk.Sector(h.c.UUIDs[inode].Sectors)
	}
	return unknown
}

// lose notes an extent that is given up.
func (w *Work) lose(k *ondisk.Bkey, code finding.Code) {
	start := max(k.Offset(), k.Size()) - k.Size()
	l := Lost{Inode: k.Inode(), Offset: start, Count: k.Size(), Dirty: k.Dirty(), Known: true, Code: code}
	w.lost[l] = true
}

// stale reports whether a newer pointer than k's was found for its bucket.
func (h *harvest) stale(k *ondisk.Bkey) bool {
	return ondisk.GenAfter(h.tx.Gen(h.c.Geo.BucketOf(k.Ptr[0].Offset())), k.Ptr[0].Gen()) > 0
}

// sorted yields what is kept, in order.
func (h *harvest) sorted(yield func(*ondisk.Bkey, error) bool) {
	err := h.each(inspect.Everything, func(k *ondisk.Bkey) error {
		if !yield(k, nil) {
			return errStopped
		}
		return nil
	})
	if err != nil && !errors.Is(err, errStopped) {
		yield(nil, err)
	}
}

// errStopped says that whoever gets the extents wants no more.
var errStopped = errors.New("stopped")
