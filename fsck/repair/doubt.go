// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"slices"
	"sort"

	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/journal"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/finding"
)

// minus are the parts of some ranges that none of the others covers. Both lists are joined.
func minus(rs, others []inspect.Range) (out []inspect.Range) {
	for _, r := range rs {
		i := sort.Search(len(others), func(i int) bool { return others[i].To.Compare(r.From) > 0 })
		for ; i < len(others) && others[i].From.Compare(r.To) < 0; i++ {
			if r.From.Compare(others[i].From) < 0 {
				out = append(out, inspect.Range{From: r.From, To: others[i].From})
			}
			if r.From = others[i].To; r.From.Compare(r.To) >= 0 {
				break
			}
		}
		if r.From.Compare(r.To) < 0 {
			out = append(out, r)
		}
	}
	return out
}

// rangesOf are the ranges of pieces.
func rangesOf(ps []btree.Piece) (out []inspect.Range) {
	for i := range ps {
		out = append(out, inspect.Range{From: startOf(&ps[i]), To: endOf(&ps[i])})
	}
	return out
}

// ringTells looks in the journal for the keys that damaged leaves lost: also in entries that are not live any more,
// whose keys went to the leaves before. Whatever the user writes is journalled, so of a sector the last key in an
// unbroken run of entries up to the newest tells, if its pointer is not stale. A stale one was written back or moved
// since: nothing is known of it.
func (h *harvest) ringTells(wanted []inspect.Range) error {
	if len(wanted) == 0 {
		return nil
	}
	run, oldest, err := h.run()
	if err != nil {
		return err
	}
	if h.base.since > 0 && oldest <= h.base.since {
		h.ex = h.base.ex
	}
	told, written := h.written(run, wanted)
	mask := h.unproven()
	var k ondisk.Bkey
	var settled []btree.Piece
	var unsure []inspect.Range
	stands, gone := uint32(0), ^uint32(0) // the last that the leaf has, the first that it has not
	tree := h.c.Lookup(lookupBytes)
	for _, p := range told {
		h.keys.Key(p, &k)
		switch {
		case k.Ptrs() == 0:
		case h.sound(&k):
			h.raise(&k)
		default:
			continue
		}
		done, err := h.doneWith(tree, &k, p)
		if err != nil {
			return err
		}
		in := wanted
		if len(done) > 0 {
			in = minus(wanted, done)
		}
		if stood := joined(slices.Clone(h.stood[inspect.SourceOf(&k)])); len(stood) > 0 && k.Ptrs() > 0 {
			hidden, other, err := h.hidden(tree, written, &k, p)
			if err != nil {
				return err
			}
			unsure = append(unsure, minus(other, minus(other, stood))...)
			stood = minus(stood, joined(append(hidden, mask...)))
			for _, part := range within(p, stood) { // the leaf has it; what it says later may be newer, after a power cut
				settled = append(settled, within(part, in)...)
				stands = max(stands, p.At)
			}
			in = minus(in, stood)
		}
		mine := within(p, in)
		if h.proved = append(h.proved, mine...); len(mine) > 0 && k.Dirty() {
			gone = min(gone, p.At)
		}
	}
	if len(h.cut) > 0 && gone < stands { // it is not the last of it that is gone: what the journal does not tell of may be, too
		unsure = append(unsure, h.cut...)
	}
	h.tell(rangesOf(settled), joined(unsure))
	return nil
}

// unproven is where a key of a damaged bset that may be wrong itself hides what its leaf has below: of that the journal has
// the last word.
func (h *harvest) unproven() []inspect.Range {
	return minus(h.shaky, minus(h.shaky, joined(slices.Concat(h.doubt, h.blank))))
}

// tell takes from what is in doubt what the journal tells, or the leaf for sure.
func (h *harvest) tell(settled, unsure []inspect.Range) {
	if n := len(h.proved); n > 0 {
		h.w.saw("btree: %d keys of damaged leaves are told by the journal", n)
	}
	if len(h.cut) > 0 && len(unsure) > 0 {
		h.cut, h.w.unknown = minus(h.cut, unsure), true
	}
	sure := minus(joined(slices.Concat(rangesOf(h.proved), settled)), unsure)
	for _, rs := range []*[]inspect.Range{&h.doubt, &h.first, &h.blank} {
		*rs = minus(*rs, sure)
	}
}

// written is what the entries of a run say of some ranges: what each has the last word of, and all that was written there,
// by where it is.
func (h *harvest) written(run []*ondisk.Jset, wanted []inspect.Range) (told []btree.Piece, all map[inspect.Source][]btree.Piece) {
	all = map[inspect.Source][]btree.Piece{}
	for _, j := range slices.Backward(run) {
		for i := range j.Keys {
			k := j.Keys[i]
			if k.Size() == 0 || k.Size() > k.Offset() {
				continue
			}
			if p := (btree.Piece{Start: k.Start(), End: k.Offset(), Inode: k.Inode()}); touches(&p, wanted) {
				p = h.hold(&k)
				told = append(told, p)
				if k.Ptrs() == 1 {
					all[inspect.SourceOf(&k)] = append(all[inspect.SourceOf(&k)], p)
				}
			}
		}
	}
	return btree.Resolve(told), all
}

// lookupBytes is how much of leaves is kept while they are asked.
const lookupBytes = 4 << 20

// doneWith are the parts of a dirty key that the tree has clean, in the same place: they were written back since, which
// is not journalled.
func (h *harvest) doneWith(tree *inspect.Lookup, k *ondisk.Bkey, p btree.Piece) (out []inspect.Range, err error) {
	if !k.Dirty() {
		return nil, nil
	}
	err = tree.Extents(inspect.Of(p.Inode, p.Start, p.End), func(e *inspect.Extent) bool {
		if e.Live && !e.FromJournal && !e.Dirty() && e.Ptr[0].Offset()-e.Start() == k.Ptr[0].Offset()-k.Start() {
			out = append(out, inspect.Of(p.Inode, e.Start(), e.Offset()))
		}
		return true
	})
	return out, err
}

// hidden are the parts of what the journal tells where the tree shows what an entry before it wrote: blocks of a leaf stand
// in each other's place. other are those where it shows dirty data that no entry tells of.
func (h *harvest) hidden(tree *inspect.Lookup, written map[inspect.Source][]btree.Piece, k *ondisk.Bkey, p btree.Piece) (out, other []inspect.Range, err error) {
	err = tree.Extents(inspect.Of(p.Inode, p.Start, p.End), func(e *inspect.Extent) bool {
		from, to := max(e.Start(), p.Start), min(e.Offset(), p.End)
		within := func(o btree.Piece) bool { return o.Start <= from && o.End >= to }
		all := written[inspect.SourceOf(&e.Bkey)]
		switch at := inspect.Of(p.Inode, from, to); {
		case e.FromJournal || inspect.SourceOf(&e.Bkey) == inspect.SourceOf(k):
		case !slices.ContainsFunc(all, within):
			if e.Dirty() { // clean data are read, and moved, without an entry
				other = append(other, minus([]inspect.Range{at}, joined(rangesOf(all)))...)
			}
		case !slices.ContainsFunc(all, func(o btree.Piece) bool { return within(o) && o.At >= p.At }): // it was not written again
			out = append(out, at)
		}
		return true
	})
	return out, other, err
}

// veil are the parts of clean extents that lie where a damaged leaf lost keys: what was lost may have replaced them,
// and the backing device has what they have. Their keys go to hold, without a pointer.
func (h *harvest) veil(ps []btree.Piece, keys btree.Keys, in []inspect.Range, hold func(*ondisk.Bkey) btree.Piece) (out []btree.Piece) {
	if len(in) == 0 {
		return nil
	}
	var k ondisk.Bkey
	for _, p := range ps {
		for _, part := range within(p, in) {
			if keys.Key(part, &k); k.Ptrs() > 0 && !k.Dirty() {
				k.SetPtrs(0)
				out = append(out, hold(&k))
			}
		}
	}
	return out
}

// perhaps notes what may be gone: of keys without a trace nobody knows whether they were dirty.
func (h *harvest) perhaps(rs []inspect.Range, slots uuids.Table, code finding.Code) {
	ends := h.w.volumeEnds(slots)
	for _, r := range rs {
		for i := range slots {
			inode := uint32(i)
			none := slots[i] == (ondisk.UUIDEntry{}) && (i >= len(h.c.UUIDs) || h.c.UUIDs[i] == (ondisk.UUIDEntry{}))
			if inode < r.From.Inode || inode > r.To.Inode || none {
				continue
			}
			from, to := ondisk.Sector(0), h.end(inode, ondisk.MaxKeyOffset)
			if end, ok := ends[inode]; ok {
				to = min(to, end)
			} else if slots[i].FlashOnly() {
				to = min(to, ondisk.Sector(slots[i].Sectors))
			}
			if inode == r.From.Inode {
				from = r.From.Offset
			}
			if inode == r.To.Inode {
				to = min(to, r.To.Offset)
			}
			if from < to {
				h.w.lost[Lost{Inode: inode, Offset: from, Count: to - from, Dirty: true, Code: code}] = true
			}
		}
	}
}

// lostEntries finds where a live journal entry that is not there may have had the last word: everywhere but for what the
// entries behind it tell. What is clean there is not kept: it may be old, and the backing device has the newest.
func (h *harvest) lostEntries() error {
	if !h.w.missing && !h.outdated() && !slices.ContainsFunc(h.w.seen, func(f finding.Finding) bool { return losesKeys(f) && f.Code.Family() == "JR" }) {
		return nil
	}
	run, _, err := h.run()
	if err != nil {
		return err
	}
	var told []inspect.Range
	h.current = map[ondisk.Bucket]bool{}
	for _, j := range run {
		if j.Seq >= h.c.Journal.Newest.LastSeq && !h.newerLost() {
			told = append(told, rangesIn(j)...)
			for i := range j.Keys {
				h.current[h.c.Geo.BucketOf(j.Keys[i].Ptr[0].Offset())] = true
			}
		}
	}
	h.since = minus([]inspect.Range{inspect.Everything}, joined(told))
	return h.damagedEntries()
}

// outdated reports whether what the newest entry leads to was put to another use since, so that there was a newer one: a
// node stands where its prio chain should, or its root's bucket has gone on.
func (h *harvest) outdated() bool {
	at := func(one, two finding.Code) bool {
		return slices.ContainsFunc(h.w.seen, func(a finding.Finding) bool {
			return a.Code == one && a.Bucket != nil && slices.ContainsFunc(h.w.seen, func(b finding.Finding) bool {
				return b.Code == two && b.Bucket != nil && *a.Bucket == *b.Bucket
			})
		})
	}
	if at(finding.BTHeader, finding.GNMetadata) {
		return true
	}
	return (at(finding.PRChecksum, finding.BTReserved) || at(finding.PRMagic, finding.BTReserved)) && h.chainTwice()
}

// chainTwice reports whether two entries name the prio chain that the newest does: then it is not that which is damaged.
func (h *harvest) chainTwice() bool {
	this := h.c.Geo.ThisDev
	newest, _ := h.base.log.Read(h.base.last)
	return newest != nil && slices.ContainsFunc(h.base.log.Entries, func(e journal.Entry) bool {
		j, _ := h.base.log.Read(e)
		return j != nil && j.Seq != newest.Seq && j.PrioBucket[this] == newest.PrioBucket[this]
	})
}

// newerLost reports whether an entry behind the newest that was found is known to be lost, or may stand where the journal
// cannot be read: the kernel puts it directly behind, or at the start of the next bucket.
func (h *harvest) newerLost() bool {
	if _, _, wiped := h.base.log.Wiped(); wiped || h.outdated() {
		return true
	}
	g, last := &h.c.Geo, h.base.last
	bad := h.w.unreadable(g)
	lost := func(from, n ondisk.Sector) bool {
		return slices.ContainsFunc(bad, func(at ondisk.Sector) bool { return at >= from && at < from+n })
	}
	if last.Seq == 0 {
		return true
	}
	from := h.base.log.Sector(last)
	start := g.Start(g.BucketOf(from))
	next := g.Start(g.FirstBucket + ondisk.Bucket((last.Ring+1)%g.NJournal))
	return lost(from, start+g.BucketSectors-from) || lost(next, g.BucketSectors)
}

// tellUnknown notes all that may be gone without a trace: what damaged leaves lost, what nothing leads to any more, and
// everything where a journal entry is missing; but for what the live journal tells.
// slots are those that the uuid bucket will have; nil where it stays.
func (h *harvest) tellUnknown(slots uuids.Table) {
	if !h.w.unknown {
		return
	}
	if slots == nil {
		slots = h.c.UUIDs
	}
	if !slices.ContainsFunc(slots, func(u ondisk.UUIDEntry) bool { return u != (ondisk.UUIDEntry{}) }) {
		h.w.saw("keys are gone, and no uuid slot is left that tells of which volumes: there is nothing to list")
	}
	if len(h.since) > 0 {
		h.perhaps(h.since, slots, finding.JRGap)
		return
	}
	told := joined(journalled(h.c))
	code := finding.BTHeader
	for _, f := range h.w.seen {
		if losesKeys(f) {
			code = f.Code
			break
		}
	}
	spans := []inspect.Range{}
	for i := range h.orphans {
		spans = append(spans, inspect.Range{From: h.orphans[i].lo, To: h.orphans[i].hi})
	}
	gone := minus(h.holes, joined(slices.Concat(spans, slices.Clone(h.doubt))))
	h.perhaps(minus(joined(slices.Concat(gone, h.doubt, h.blank)), told), slots, code)
}
