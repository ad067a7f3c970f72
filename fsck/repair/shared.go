// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"sync"

	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/superblock"
)

// A claim is an extent in a bucket where two claim the same sectors.
type claim struct {
	inspect.Extent
	told []told
}

// told are sectors of the cache of which the journal says the same as a claim, and as which key of it, from 1.
type told struct {
	stretch
	order uint64
}

// order is that of the last key of the journal that says the same of a sector; 0: none does.
func (c *claim) order(at ondisk.Sector) (order uint64) {
	for _, t := range c.told {
		if at >= t.from && at < t.to {
			order = max(order, t.order)
		}
	}
	return order
}

func (c *claim) from() ondisk.Sector { return c.Ptr[0].Offset() }

// to is where it ends: with its bucket, if it goes on behind that, which is damage of another kind.
func (c *claim) to(g *superblock.Geometry) ondisk.Sector {
	return min(c.Ptr[0].Offset()+c.Size(), g.Start(g.BucketOf(c.from())+1))
}

// settleShared decides who has the sectors of the cache that several extents claim: the one that the journal has last;
// where it has none of them, a dirty one before a clean one, which the backing device has too, but not unasked: if it is
// the dirty one that is wrong, it will be written over what is right. The others lose these
// sectors, and no more. Where the journal says that they stand elsewhere, they do. Errors: the context's.
func (h *harvest) settleShared() error {
	looked := map[ondisk.Bucket][]claim{}
	for id, i := range h.w.bad.codes {
		if h.w.bad.names[i] == finding.EXShared {
			looked[h.c.Geo.BucketOf(ondisk.Ptr(id.ptr).Offset())] = nil
		}
	}
	if len(looked) == 0 {
		return h.retellBad()
	}
	var mu sync.Mutex
	err := h.c.Walk(func(_ int, e *inspect.Extent) {
		if !e.Live {
			return
		}
		b := h.c.Geo.BucketOf(e.Ptr[0].Offset())
		if _, ok := looked[b]; ok {
			mu.Lock()
			defer mu.Unlock()
			looked[b] = append(looked[b], claim{Extent: *e})
		}
	})
	if err != nil {
		return err
	}
	run, _, err := h.run()
	if err != nil {
		return err
	}
	order := uint64(0)
	for _, j := range slices.Backward(run) {
		if err := h.w.ctx.Err(); err != nil {
			return err
		}
		for i := range j.Keys {
			order++
			for c := range looked[h.c.Geo.BucketOf(j.Keys[i].Ptr[0].Offset())] {
				one, k := &looked[h.c.Geo.BucketOf(j.Keys[i].Ptr[0].Offset())][c], &j.Keys[i]
				if sameMapping(&one.Bkey, k) {
					one.told = append(one.told, told{stretch{k.Ptr[0].Offset(), k.Ptr[0].Offset() + k.Size()}, order})
				}
			}
		}
	}
	h.cuts = map[badKey][]stretch{}
	for _, cs := range looked {
		h.settle(cs)
	}
	h.contradicted(run)
	h.retell(run, h.lostToOthers(), true)
	return h.retellBad()
}

// sameMapping reports whether two keys have some sector of a volume at the same place.
func sameMapping(a, b *ondisk.Bkey) bool {
	return a.Ptrs() == 1 && b.Ptrs() == 1 && a.Inode() == b.Inode() && a.Ptr[0].Gen() == b.Ptr[0].Gen() &&
		a.Ptr[0].Offset()-a.Start() == b.Ptr[0].Offset()-b.Start() && a.Start() < b.Offset() && b.Start() < a.Offset()
}

// settle decides for one bucket: of each sector, for the journal may have a shorter extent than one whose size is damaged.
func (h *harvest) settle(cs []claim) {
	sort.Slice(cs, func(i, j int) bool {
		a, b, dirty := &cs[i], &cs[j], map[bool]int{true: 1}
		return cmp.Or(dirty[b.Dirty()]-dirty[a.Dirty()],
			cmp.Compare(a.from(), b.from()), a.Pos().Compare(b.Pos()), cmp.Compare(a.High, b.High)) < 0
	})
	if len(cs) == 0 {
		return
	}
	cs = slices.CompactFunc(cs, func(a, b claim) bool { return keyOf(&a.Bkey) == keyOf(&b.Bkey) })
	start := h.c.Geo.Start(h.c.Geo.BucketOf(cs[0].from()))
	claims, taker := make([]int, h.c.Geo.BucketSectors), make([]*claim, h.c.Geo.BucketSectors) // of each sector
	for i := range cs {
		for at := cs[i].from(); at < cs[i].to(&h.c.Geo); at++ {
			claims[at-start]++
			if t := taker[at-start]; t == nil || cs[i].order(at) > t.order(at) {
				taker[at-start] = &cs[i]
			}
		}
	}
	for i := range cs {
		c := &cs[i]
		rival, lost := false, []stretch(nil)
		for at := c.from(); at < c.to(&h.c.Geo); at++ {
			rival = rival || claims[at-start] > 1
			t := taker[at-start]
			if t == c {
				continue
			}
			if n := len(lost); n > 0 && lost[n-1].to == at {
				lost[n-1].to++
			} else {
				lost = append(lost, stretch{at, at + 1})
			}
			if t.order(at) == 0 && t.Dirty() && !c.Dirty() {
				h.w.guessDirty(t)
			}
		}
		if !rival {
			continue
		}
		h.cuts[keyOf(&c.Bkey)] = lost
		if len(lost) > 0 { // its leaf cannot stay
			h.w.bad.note(keyOf(&c.Bkey), finding.EXShared)
		}
	}
}

// guessDirty says that nothing tells of sectors that a dirty extent claims whose they are.
func (w *Work) guessDirty(c *claim) {
	w.result.Guess = fmt.Sprintf("nothing tells which of two extents has the sectors of the cache that both claim: the dirty one is taken, "+
		"inode %d from sector %d; compare it with the backing device", c.Inode(), c.Start())
}

// lostToOthers are the pieces of extents whose sectors others have.
func (h *harvest) lostToOthers() (out []ondisk.Bkey) {
	for id, cuts := range h.cuts {
		for _, c := range cuts {
			k := id.key()
			from := k.Start() + c.from - k.Ptr[0].Offset()
			k.CutFront(from)
			k.CutBack(from + c.to - c.from)
			out = append(out, k)
		}
	}
	return out
}

// retellBad has the journal tell of what stands where extents cannot stay. Errors: the context's.
func (h *harvest) retellBad() error {
	var gone []ondisk.Bkey
	for id, i := range h.w.bad.codes {
		k := id.key()
		if code := h.w.bad.names[i]; (retold(code) || code == finding.EXPastEnd && !h.beyond(&k)) && k.Size() > 0 && k.Size() <= k.Offset() {
			gone = append(gone, k)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	run, _, err := h.run()
	if err == nil {
		h.retell(run, gone, false)
	}
	return err
}

// contradicted has extents that lost sectors to others lose all, where the journal says that their data stand elsewhere:
// then it is their place in the volume, or in the cache, that is wrong.
func (h *harvest) contradicted(run []*ondisk.Jset) {
	var ranges []inspect.Range
	for id, cuts := range h.cuts {
		if k := id.key(); len(cuts) > 0 {
			ranges = append(ranges, inspect.Of(k.Inode(), k.Start(), k.Offset()))
		}
	}
	words := h.lastWords(run, joined(ranges))
	var last ondisk.Bkey
	for id, cuts := range h.cuts {
		k := id.key()
		start := ondisk.Pos{Inode: k.Inode(), Offset: k.Start()}
		i := sort.Search(len(words), func(i int) bool { return endOf(&words[i]).Compare(start) > 0 })
		for ; len(cuts) > 0 && i < len(words) && startOf(&words[i]).Compare(k.Pos()) < 0; i++ {
			h.keys.Key(words[i], &last)
			if last.Ptrs() > 0 && !sameMapping(&k, &last) && h.sound(&last) && !h.stale(&last) {
				h.cuts[id] = []stretch{{k.Ptr[0].Offset(), k.Ptr[0].Offset() + k.Size()}}
				break
			}
		}
	}
}

// lastWords are the keys that a run of entries has last of some ranges.
func (h *harvest) lastWords(run []*ondisk.Jset, in []inspect.Range) []btree.Piece {
	var found []btree.Piece
	for _, j := range slices.Backward(run) {
		for i := range j.Keys {
			k := j.Keys[i]
			p := btree.Piece{Start: k.Offset() - min(k.Size(), k.Offset()), End: k.Offset(), Inode: k.Inode()}
			if k.Size() > 0 && k.Size() <= k.Offset() && touches(&p, in) {
				found = append(found, h.hold(&k))
			}
		}
	}
	return slices.DeleteFunc(btree.Resolve(found), func(p btree.Piece) bool { return !touches(&p, in) })
}

// retold are the codes of extents whose pointers say that one of their fields is wrong.
func retold(code finding.Code) bool {
	switch code {
	case finding.EXPtrDev, finding.EXPlaceholder, finding.EXDirtyNoPtr, finding.EXShort, finding.EXCross, finding.EXMetadata, finding.EXReserved, finding.EXAlign:
		return true
	}
	return false
}

// retell looks in the journal for where the data of extents stand that go: elsewhere, if their places are others'.
func (h *harvest) retell(run []*ondisk.Jset, losers []ondisk.Bkey, elsewhere bool) {
	var lost []inspect.Range
	for i := range losers {
		lost = append(lost, inspect.Of(losers[i].Inode(), losers[i].Start(), losers[i].Offset()))
	}
	lost = minus(joined(lost), joined(rangesOf(h.proved)))
	var k ondisk.Bkey
	for _, p := range h.lastWords(run, lost) {
		h.keys.Key(p, &k)
		wrong := elsewhere && slices.ContainsFunc(losers, func(o ondisk.Bkey) bool { return sameMapping(&o, &k) })
		if k.Ptrs() == 0 || wrong || !h.sound(&k) || h.stale(&k) {
			continue
		}
		h.raise(&k)
		mine := within(p, lost)
		h.proved = append(h.proved, mine...)
		h.retold = append(h.retold, rangesOf(mine)...)
	}
	h.retold = joined(h.retold)
	slices.SortFunc(h.proved, func(a, b btree.Piece) int { return startOf(&a).Compare(startOf(&b)) })
}

// A part is a piece of an extent.
type part struct {
	inspect.Extent
	lost bool // another has its sectors of the cache
}

// parts are the pieces of an extent: what it has lost, and what stays between.
func (h *harvest) parts(e *inspect.Extent) (out []part) {
	at := e.Start()
	add := func(to ondisk.Sector, lost bool) {
		if at < to {
			p := part{*e, lost}
			p.CutFront(at)
			p.CutBack(to)
			out = append(out, p)
			at = to
		}
	}
	for _, c := range h.cuts[keyOf(&e.Bkey)] {
		add(e.Start()+c.from-e.Ptr[0].Offset(), false)
		add(e.Start()+c.to-e.Ptr[0].Offset(), true)
	}
	add(e.Offset(), false)
	return out
}

// settled reports whether an extent is one that lost to others, or that others lost to: what it has left is its own.
func (h *harvest) settled(k *ondisk.Bkey) bool {
	_, ok := h.cuts[keyOf(k)]
	return ok
}

// loseBut lists what goes, but for what the journal says of it.
func (h *harvest) loseBut(k *ondisk.Bkey, code finding.Code) {
	start := max(k.Offset(), k.Size()) - k.Size()
	if len(h.retold) == 0 {
		h.w.lose(k, code)
		return
	}
	for _, r := range minus([]inspect.Range{inspect.Of(k.Inode(), start, k.Offset())}, h.retold) {
		gone := *k
		gone.CutBack(r.To.Offset)
		gone.CutFront(max(r.From.Offset, start))
		h.w.lose(&gone, code)
	}
}
