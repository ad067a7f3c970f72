// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/journal"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/superblock"
)

// ErrNoCandidate says that a cache cannot be rewound to a journal entry.
var ErrNoCandidate = errors.New("not an entry to rewind to")

// A Candidate is a journal entry whose root, uuid bucket and prio chain can be read, and what would be lost if the
// cache were as it says.
type Candidate struct {
	Seq     uint64        `json:"seq"`
	LastSeq uint64        `json:"last_seq"`
	Bucket  ondisk.Bucket `json:"bucket"`
	Offset  ondisk.Sector `json:"bucket_offset_sectors"`
	Root    ondisk.Bucket `json:"root"`
	UUIDs   ondisk.Bucket `json:"uuids"`
	Prios   ondisk.Bucket `json:"prios"`
	Cost
}

// Cost is what differs from the state that the best evidence gives.
type Cost struct {
	Keys    int64         `json:"lost_keys"`          // extents, or parts of them
	Dirty   ondisk.Sector `json:"lost_dirty_sectors"` // the only copies
	Clean   ondisk.Sector `json:"lost_clean_sectors"`
	Old     ondisk.Sector `json:"old_dirty_sectors"` // dirty data that were done with, and would be dirty again
	Unknown bool          `json:"unknown"`           // a part of the tree cannot be read: nobody knows what was there
}

// Candidates yields the entries that a cache can be rewound to, the newest first; each takes a walk through the whole
// tree. Errors: superblock.NewGeometry's, the ring's, the context's.
func Candidates(ctx context.Context, dev fsck.Device, o Options) iter.Seq2[Candidate, error] {
	return func(yield func(Candidate, error) bool) {
		if err := newWork(ctx, dev, nil, o).candidates(yield); err != nil {
			yield(Candidate{}, err)
		}
	}
}

func (w *Work) candidates(yield func(Candidate, error) bool) error {
	s, err := w.super()
	if err != nil {
		return err
	}
	g, err := superblock.NewGeometry(s)
	if err != nil {
		return err
	}
	best, err := w.best(s, &g)
	if err != nil {
		return err
	}
	log, err := journal.Scan(w.dev.R, &g, max(1, w.o.Workers), func(finding.Finding) {})
	if log == nil {
		return err
	}
	all := log.BySeq()
	for i := len(all) - 1; i >= 0 && w.ctx.Err() == nil; i-- {
		e := all[i]
		j, why := w.verified(&g, log, e)
		if why != "" {
			continue
		}
		c, err := w.open(s, &base{log: log.From(e, j)}, func(finding.Finding) {}, nil)
		if err != nil {
			return err
		}
		cost, err := costOf(best, c)
		if err != nil {
			return err
		}
		at := func(k *ondisk.Bkey) ondisk.Bucket { return g.BucketOf(k.Ptr[0].Offset()) }
		sector := log.Sector(e)
		if !yield(Candidate{
			Seq: e.Seq, LastSeq: e.LastSeq, Bucket: g.BucketOf(sector), Offset: g.Remainder(sector),
			Root: at(&j.BtreeRoot.Bkey), UUIDs: at(&j.UUIDBucket.Bkey), Prios: ondisk.Bucket(j.PrioBucket[g.ThisDev]), Cost: cost,
		}, nil) {
			return nil
		}
	}
	return w.ctx.Err()
}

// best is the cache as the best evidence has it: what a rewind is held against.
func (w *Work) best(s *ondisk.Super, g *superblock.Geometry) (*inspect.Cache, error) {
	b, err := w.chooseBase(g)
	if err != nil {
		return nil, err
	}
	return w.open(s, b, func(finding.Finding) {}, nil)
}

// verified reads entry e, and says why the cache cannot be rewound to it, or nothing.
func (w *Work) verified(g *superblock.Geometry, log *journal.Log, e journal.Entry) (j *ondisk.Jset, why string) {
	j, err := log.Read(e)
	switch {
	case j == nil || err != nil:
		return nil, fmt.Sprintf("it cannot be read: %v", err)
	case journal.RootFault(g, &j.BtreeRoot.Bkey) != "":
		return nil, "its btree root is " + journal.RootFault(g, &j.BtreeRoot.Bkey)
	case j.Level > maxDepth || w.depths(g, j.BtreeRoot.Bkey)>>j.Level&1 == 0:
		return nil, fmt.Sprintf("no btree of %d levels stands where its root was", j.Level)
	case !w.slotsRead(g, j, true):
		return nil, "its uuid bucket holds something else by now"
	case !w.chainReads(g, j):
		return nil, "its prio chain is not whole any more"
	}
	return j, ""
}

// mustRewind reports whether a rewind was asked for that is not planned yet.
func (w *Work) mustRewind() bool { return w.o.Rewind != 0 && w.whole == nil }

// baseOf is where the repair starts: at the best there is, or where somebody said.
func (w *Work) baseOf(g *superblock.Geometry) (*base, error) {
	if w.o.Rewind != 0 {
		return w.rewindBase(g)
	}
	return w.chooseBase(g)
}

// rewindBase is the base that somebody chose. Errors wrap ErrNoCandidate.
func (w *Work) rewindBase(g *superblock.Geometry) (*base, error) {
	log, err := journal.Scan(w.dev.R, g, max(1, w.o.Workers), func(finding.Finding) {})
	if log == nil {
		return nil, err
	}
	all := log.BySeq()
	for _, e := range all {
		if e.Seq != w.o.Rewind {
			continue
		}
		j, why := w.verified(g, log, e)
		if why != "" {
			return nil, fmt.Errorf("journal entry %d: %w: %s", e.Seq, ErrNoCandidate, why)
		}
		last, _ := log.Top()
		w.saw("rewound to journal entry %d, the newest is %d", e.Seq, last.Seq)
		return &base{log: log.From(e, j), top: all[len(all)-1].Seq, root: true, uuids: true, last: last}, nil
	}
	return nil, fmt.Errorf("journal entry %d: %w: the ring does not hold it", w.o.Rewind, ErrNoCandidate)
}

// rewound says what the harvest of an older entry does not have of the best state, and keeps what that state needs
// until the switch. A key whose bucket was handed out since points at foreign data: the newer gens tell.
func (w *Work) rewound(h *harvest, s *ondisk.Super, from *base) error {
	if w.o.Rewind == 0 {
		return nil
	}
	noted, unknown := len(w.result.Evidence), w.unknown
	best, err := w.best(s, &h.c.Geo)
	w.result.Evidence, w.unknown = w.result.Evidence[:noted], unknown // it is only compared with
	if err != nil {
		return err
	}
	from.older = !gensKnown(best)
	for b := range h.c.Geo.NBuckets {
		if newer := best.Buckets.Gen(b); ondisk.GenAfter(newer, h.tx.Gen(b)) > 0 {
			h.tx.SetGen(b, newer)
		}
		if best.Buckets.Mark(b) != inspect.Free {
			h.tx.Avoid(b)
		}
	}
	w.result.Old = 0
	err = compare(liveOf(best), h.sorted, func(k *ondisk.Bkey) { w.lose(k, finding.JRLost) })
	if err != nil {
		return err
	}
	return compare(dirtyOf(h.sorted), liveOf(best), func(k *ondisk.Bkey) { w.result.Old += k.Size() })
}

// costOf holds a candidate against the best state.
func costOf(best, c *inspect.Cache) (cost Cost, err error) {
	g := &c.Geo
	kept := func(yield func(*ondisk.Bkey, error) bool) {
		for k, err := range liveOf(c) {
			if err == nil && ondisk.GenAfter(best.Buckets.Gen(g.BucketOf(k.Ptr[0].Offset())), k.Ptr[0].Gen()) > 0 {
				continue // its bucket was handed out since
			}
			if !yield(k, err) {
				return
			}
		}
	}
	cost.Unknown = len(c.Holes(inspect.Everything)) > 0
	err = compare(liveOf(best), kept, func(k *ondisk.Bkey) {
		cost.Keys++
		if k.Dirty() {
			cost.Dirty += k.Size()
		} else {
			cost.Clean += k.Size()
		}
	})
	if err != nil {
		return cost, err
	}
	return cost, compare(dirtyOf(kept), liveOf(best), func(k *ondisk.Bkey) { cost.Old += k.Size() })
}

type keys = iter.Seq2[*ondisk.Bkey, error]

// liveOf are the live extents of a cache, in order.
func liveOf(c *inspect.Cache) keys {
	return func(yield func(*ondisk.Bkey, error) bool) {
		for e, err := range c.Extents(inspect.Everything) {
			switch {
			case err != nil:
				yield(nil, err)
				return
			case e.Live && !yield(&e.Bkey, nil):
				return
			}
		}
	}
}

func dirtyOf(all keys) keys {
	return func(yield func(*ondisk.Bkey, error) bool) {
		for k, err := range all {
			if (err != nil || k.Dirty()) && !yield(k, err) {
				return
			}
		}
	}
}

// compare calls missing for each part of an extent of a that b does not have at the same place of the cache, or has
// clean where it is dirty in a. Both are in order, and no two extents of one overlap.
func compare(a, b keys, missing func(*ondisk.Bkey)) error {
	next, stop := iter.Pull2(b)
	defer stop()
	var other ondisk.Bkey
	more, failed := true, error(nil)
	advance := func() {
		k, err, ok := next()
		if more = ok && err == nil; more {
			other = *k
		} else if failed == nil {
			failed = err
		}
	}
	advance()
	for k, err := range a {
		if err = errors.Join(err, failed); err != nil {
			return err
		}
		for rest := *k; rest.Size() > 0; {
			for more && (other.Inode() < rest.Inode() || other.Inode() == rest.Inode() && other.Offset() <= rest.Start()) {
				advance()
			}
			end, same := rest.Offset(), false
			switch {
			case !more || other.Inode() > rest.Inode() || other.Start() >= end: // nothing of it
			case other.Start() > rest.Start():
				end = other.Start()
			default:
				end = min(end, other.Offset())
				same = other.Ptr[0].Offset()+rest.Start()-other.Start() == rest.Ptr[0].Offset() && (other.Dirty() || !rest.Dirty())
			}
			part := rest
			part.CutBack(end)
			if !same {
				missing(&part)
			}
			if end == rest.Offset() {
				break
			}
			rest.CutFront(end)
		}
	}
	return failed
}
