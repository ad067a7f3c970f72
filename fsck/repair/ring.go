// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"slices"
	"sync"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// run are the entries of the journal's unbroken run, the newest first, and the seq of the last.
func (h *harvest) run() (out []*ondisk.Jset, oldest uint64, err error) {
	for j := range h.c.Journal.Run() {
		oldest = j.Seq
		out = append(out, j)
	}
	return out, oldest, h.w.ctx.Err()
}

// inRing reports whether the journal has a key as it is, in an unbroken run of entries up to the newest.
func (h *harvest) inRing(k *ondisk.Bkey) bool {
	if h.ring == nil {
		h.ring = map[badKey]bool{}
		run, _, _ := h.run()
		for _, j := range run {
			for i := range j.Keys {
				h.ring[keyOf(&j.Keys[i])] = true
			}
		}
	}
	return h.ring[keyOf(k)]
}

// dirtyIn reports whether live dirty data are in a bucket, by the tree as far as it can be read and by the journal.
func (h *harvest) dirtyIn(b ondisk.Bucket) bool {
	if h.dirty == nil {
		h.dirty = map[ondisk.Bucket]bool{}
		var mu sync.Mutex
		_ = h.c.Walk(func(_ int, e *inspect.Extent) { // who is cut short is told so elsewhere
			if e.Live && e.Dirty() {
				mu.Lock()
				defer mu.Unlock()
				h.dirty[h.c.Geo.BucketOf(e.Ptr[0].Offset())] = true
			}
		})
		run, _, _ := h.run()
		for _, j := range run {
			for i := range j.Keys {
				k := &j.Keys[i]
				if b := h.c.Geo.BucketOf(k.Ptr[0].Offset()); k.Dirty() && h.sound(k) && k.Ptr[0].Gen() == h.tx.Gen(b) {
					h.dirty[b] = true
				}
			}
		}
	}
	return h.dirty[b]
}

// misses reports whether a check found that leaves lost keys without a trace. Of the devices as they were it notes which.
func (w *Work) misses(rep *fsck.Report) (any bool) {
	for _, f := range rep.Findings {
		e, ok := f.Subject.(finding.Extent)
		if !ok || f.Code != finding.BTMissing || f.Severity != finding.Damage {
			continue
		}
		if any = true; !w.rebuilt {
			w.missed = append(w.missed, e.Key.Pos())
		}
	}
	slices.SortFunc(w.missed, ondisk.Pos.Compare)
	return any
}

// missesOf notes which keys leaves lost without a trace by what was read now: the check could not look for them, because the
// slots or a root were not where the newest entry says. Errors: the context's, and inspect.ErrChanged.
func (w *Work) missesOf(c *inspect.Cache) error {
	if w.rebuilt || slices.ContainsFunc(w.seen, func(f finding.Finding) bool { return f.Code == finding.BTOrder || f.Code == finding.BTOverlap }) {
		return nil
	}
	var found finding.Collector
	if err := fsck.Missing(c, found.Add); err != nil {
		return err
	}
	w.misses(&fsck.Report{Findings: found.Findings()})
	return nil
}

// cutLeaves are those whose last bsets are gone, so that nothing shows it but the journal. What it has of them is the
// newest there is. If it reaches back to keys that are still there, it has all; if not, nobody knows what came between.
func (h *harvest) cutLeaves() error {
	at := h.w.missed
	if len(at) == 0 {
		return nil
	}
	run, _, err := h.run()
	if err != nil {
		return err
	}
	rd := btree.NewReader(h.w.dev.R, &h.c.Geo, quiet)
	for _, l := range h.leaves() {
		i, _ := slices.BinarySearchFunc(at, l.lower, ondisk.Pos.Compare)
		for i < len(at) && at[i] == l.lower { // it ends where the leaf begins
			i++
		}
		if i == len(at) || at[i].Compare(l.key.Pos()) > 0 {
			continue
		}
		h.hurt[h.c.Geo.BucketOf(l.key.Ptr[0].Offset())] = true
		h.doubt = append(h.doubt, l.span())
		rd.Read(l.key, 0).Every(h.stand)
		all, err := h.reaches(run, l.span())
		switch {
		case err != nil:
			return err
		case all:
			h.cut = append(h.cut, l.span())
		default:
			h.w.unknown = true
		}
		h.w.saw("btree node at bucket %d: its last keys are gone, the journal has them", h.c.Geo.BucketOf(l.key.Ptr[0].Offset()))
	}
	h.doubt = joined(h.doubt)
	return h.w.ctx.Err()
}

// reaches reports whether the oldest dirty key of a run of entries in a range, if any is not stale, is in the tree still.
func (h *harvest) reaches(run []*ondisk.Jset, span inspect.Range) (bool, error) {
	for _, j := range slices.Backward(run) {
		for i := range j.Keys {
			k := &j.Keys[i]
			start := ondisk.Pos{Inode: k.Inode(), Offset: max(k.Offset(), k.Size()) - k.Size()}
			if !k.Dirty() || start.Compare(span.From) < 0 || k.Pos().Compare(span.To) > 0 || !h.sound(k) {
				continue
			}
			for e, err := range h.c.Extents(inspect.Of(k.Inode(), k.Start(), k.Offset())) {
				if err != nil {
					return false, err
				}
				if !e.FromJournal {
					return true, nil
				}
			}
			return false, nil
		}
	}
	return false, nil
}
