// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"maps"
	"slices"
	"sync"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/prio"
)

// mendLeapt corrects gens of which all pointers to their bucket say that they are wrong: dirty data are there, and every
// pointer is further behind than the kernel ever lets one fall. One that is so far behind beside others that are not is
// damaged itself. A gen is put right where it stands, to that of the newest pointer. Nothing else tells that the data were
// not written back, so they are told of.
func mendLeapt(w *Work, rep *fsck.Report) (did bool, err error) {
	if rep == nil || w.whole != nil || w.c == nil || w.o.Rewind != 0 || !w.asks(rep, finding.Gens) {
		return false, nil
	}
	newest, err := w.leapt(rep)
	if err != nil {
		return false, err
	}
	for _, b := range slices.Sorted(maps.Keys(newest)) {
		lag := ondisk.GenAfter(w.c.Buckets.Gen(b), newest[b])
		if w.c.Buckets.Mark(b) == inspect.Metadata || lag <= ondisk.GenLimit || !w.setGen(b, newest[b]) {
			delete(newest, b)
			continue
		}
		w.saw("bucket %d: its gen is %d ahead of all that leads there, so it is %d", b, lag, newest[b])
	}
	if len(newest) == 0 {
		return false, nil
	}
	return true, w.revived(newest)
}

// leapt are the buckets of dirty data that are too far behind, each with the gen of the newest pointer that leads there.
func (w *Work) leapt(rep *fsck.Report) (map[ondisk.Bucket]uint8, error) {
	newest := map[ondisk.Bucket]uint8{}
	for _, f := range rep.Findings {
		if e, ok := f.Subject.(finding.Extent); ok && f.Code == finding.GNStale && f.Severity == finding.Damage && e.Key.Dirty() && e.Key.Ptrs() == 1 {
			newest[w.c.Geo.BucketOf(e.Key.Ptr[0].Offset())] = e.Key.Ptr[0].Gen()
		}
	}
	return newest, w.leading(newest, func(_ *inspect.Extent, b ondisk.Bucket, gen uint8) {
		newest[b] += ondisk.GenAfter(gen, newest[b])
	})
}

// revived notes the dirty data that count again, but for what the backing devices hold too.
func (w *Work) revived(gens map[ondisk.Bucket]uint8) error {
	if w.again == nil {
		w.again = newDubious(w.c.Geo.NBuckets)
	}
	under := below(w.c, w.backing)
	return w.leading(gens, func(e *inspect.Extent, b ondisk.Bucket, gen uint8) {
		if e.Dirty() && gen == gens[b] && !sameBelow(w.c, &e.Bkey, under) {
			w.again.add(b, &e.Bkey)
		}
	})
}

// leading visits each pointer to one of some buckets.
func (w *Work) leading(to map[ondisk.Bucket]uint8, visit func(e *inspect.Extent, b ondisk.Bucket, gen uint8)) error {
	if len(to) == 0 {
		return nil
	}
	var mu sync.Mutex
	return w.c.Walk(func(_ int, e *inspect.Extent) {
		for _, p := range e.Ptr[:e.Ptrs()] {
			b := w.c.Geo.BucketOf(p.Offset())
			mu.Lock()
			if _, ok := to[b]; ok && p.Dev() == uint64(w.c.Geo.ThisDev) {
				visit(e, b, p.Gen())
			}
			mu.Unlock()
		}
	})
}

// setGen corrects the gen of a bucket in its prio set.
func (w *Work) setGen(b ondisk.Bucket, gen uint8) bool {
	g := &w.c.Geo
	set, at := g.PrioPlace(b)
	if set >= len(w.c.Chain.Links) || !w.c.Buckets.GenKnown(b) {
		return false
	}
	in := w.c.Chain.Links[set].Bucket
	p, err := prio.Read(w.dev.R, g, in)
	if err != nil || p.Data[at].Gen == gen {
		return false
	}
	p.Data[at].Gen = gen
	raw, err := p.Sealed(g.SetMagic)
	if err != nil {
		return false
	}
	w.patch(0, g.Start(in).Bytes(), raw, "prio set")
	return true
}
