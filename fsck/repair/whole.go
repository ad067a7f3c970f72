// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"cmp"
	"errors"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/journal"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/change"
	"bctl/internal/disk/plan"
	"bctl/internal/finding"
	"bctl/superblock"
)

// mendWhole makes anew what is damaged, and all that leads to it, from everything that is proven: the newest sound root,
// uuid bucket and chain, the live journal, and what can be read of damaged nodes. What nothing is wrong with stays where
// it is, unless that does not end clean: then everything is made anew. It starts each time from the device as it is, but
// for what was corrected in place, and leaves out what an earlier try was told is damaged.
func mendWhole(w *Work, rep *fsck.Report) (bool, error) {
	s, err := w.super()
	if err != nil || s.IsBacking() || rep == nil {
		return false, err
	}
	g, err := superblock.NewGeometry(s)
	if err != nil || g.NJournal == 0 || !w.wantsWhole(rep) { // without a journal it was never registered: nothing can be led to
		return false, nil
	}
	known := len(w.bad.codes)
	w.bad.merge(&w.fresh)
	missed := w.misses(rep)
	if w.rebuilt && len(w.bad.codes) == known && w.under == w.patches {
		switch {
		case w.heavy:
			return false, nil // nothing new: another try would end the same
		case missed && !w.alone:
			w.alone = true // the journal has what was given up: no entry of it may stay
		default:
			w.heavy = true
		}
	}
	lost, node, evidence, unknown, unsure, faded := w.lost, w.node, w.result.Evidence, w.unknown, w.dubious, w.faded
	p, err := w.rebuild(s, &g, rep)
	if errors.Is(err, change.ErrJournalFull) {
		w.alone = true
		p, err = w.rebuild(s, &g, rep)
	}
	if errors.Is(err, change.ErrNoSpace) && w.refused && !w.starved {
		w.starved = true
		p, err = w.rebuild(s, &g, rep)
	}
	if errors.Is(err, change.ErrNoSpace) && w.counted > 0 && !w.full {
		w.full = true
		p, err = w.rebuild(s, &g, rep)
	}
	if errors.Is(err, change.ErrNoSpace) {
		if did, err := w.slotsInPlace(s, &g, rep); did || err != nil {
			return did, err
		}
	}
	switch {
	case errors.Is(err, change.ErrNoSpace):
		if w.whole != nil {
			w.lost, w.node, w.result.Evidence, w.unknown, w.dubious, w.faded = lost, node, evidence, unknown, unsure, faded
			w.show()
		}
		w.drop()
		w.saw("not made anew: %v; every other bucket holds dirty data, or what they would be made from", err)
		return false, nil
	case err != nil:
		return false, err
	}
	w.whole, w.under, w.rebuilt = p, w.patches, true
	w.show()
	return true, nil
}

// wantsWhole reports whether anything is damaged that making the metadata anew may mend.
func (w *Work) wantsWhole(rep *fsck.Report) bool {
	return w.mustRewind() || slices.ContainsFunc(rep.Findings, func(f finding.Finding) bool {
		letters := f.Code[:2]
		return f.Severity == finding.Damage && letters != "SB" && (letters != "BD" || f.Code == finding.BDNoSlot)
	})
}

// rebuild plans it. Errors: change.ErrNoSpace, change.ErrJournalFull; the context's, the spool's.
func (w *Work) rebuild(s *ondisk.Super, g *superblock.Geometry, rep *fsck.Report) (*plan.Plan, error) {
	b, err := w.start(s, g, rep)
	if err != nil {
		return nil, err
	}
	c := w.c
	tx, err := w.begin(c)
	if err != nil {
		return nil, err
	}
	w.refused = b.rootless || b.older || !gensKnown(c)
	h, err := w.gather(c, tx, b)
	switch {
	case err != nil:
		return nil, err
	case b.bare != nil && !w.older && len(h.orphans) == 0:
		w.older = true
		return w.rebuild(s, g, rep)
	}
	w.heavy = w.heavy || len(h.gone) > 0 || w.o.Rewind != 0 // what that leads to may have been used for something else since
	h.journal = w.alone || w.heavy || !b.plain || !gensKnown(c) || slices.ContainsFunc(journalled(c), w.bad.in)
	if h.journal {
		at, erase := w.place(g, b)
		tx.Alone(b.top+1, at, erase)
	}
	if err := cmp.Or(w.rewound(h, s, b), w.findDubious(h, b)); err != nil {
		return nil, err
	}
	slots, err := w.newSlots(h, b)
	if err != nil {
		return nil, err
	}
	h.tellUnknown(slots)
	h.fade() // until here they told whose they are
	h.setPrios()
	if err := h.makeRoom(); err != nil {
		return nil, err
	}
	made, err := "prio chain", error(nil)
	if !h.treeIsBad() {
		w.keepLeftOut()
	} else if made, err = made+", btree", h.newTree(s); err != nil {
		return nil, err
	}
	if slots != nil {
		made += ", uuid bucket"
		if err := tx.SetUUIDs(slots); err != nil {
			return nil, err
		}
	}
	if _, _, err := tx.RewritePrios(); err != nil {
		return nil, err
	}
	p, err := tx.Commit()
	if err == nil {
		w.saw("made anew in free buckets: %s; one new journal entry leads there", made)
	}
	return p, err
}

// keepLeftOut takes back what was noted as lost of damage that is left out, where it stands in a tree that stays.
func (w *Work) keepLeftOut() {
	if !w.o.chosen() {
		return
	}
	maps.DeleteFunc(w.lost, func(l Lost, _ bool) bool { return !w.o.Wants(l.Code) })
	w.unknown = false
}

// begin begins a transaction that mends. What the superblock was told by stays: a run that is cut short must find it
// again.
func (w *Work) begin(c *inspect.Cache) (*change.Tx, error) {
	tx, err := change.Begin(c)
	if err != nil {
		return nil, err
	}
	tx.Mends()
	tx.Spool(w.o.Spool)
	if w.told != nil && w.told.Proof > 0 {
		tx.Avoid(c.Geo.BucketOf(w.told.Proof))
	}
	return tx, nil
}

// start chooses what to start from and reads the cache by it, into w.c.
func (w *Work) start(s *ondisk.Super, g *superblock.Geometry, rep *fsck.Report) (*base, error) {
	hidden := w.whole != nil
	w.hide()
	w.lost = map[Lost]bool{}
	w.result.Evidence, w.unknown, w.renamed, w.astray, w.homeless, w.faded = w.result.Evidence[:w.before], false, false, nil, 0, 0
	b, err := w.baseOf(g)
	if err != nil {
		return nil, err
	}
	if b.bare != nil && !w.older {
		b.log = b.bare
		w.saw("btree: its leaves are looked for; an older root leads to older leaves, too")
	}
	w.ends = w.volumeEnds(nil)
	if hidden || !w.readBy(b) { // else it was read by the check
		var found finding.Collector
		w.drop()
		w.c, err = w.open(s, b, func(f finding.Finding) { found.Add(f); w.bad.add(f) }, w.endsByUUID())
		if err != nil {
			return nil, err
		}
		w.seen = found.Findings()
		if err := w.missesOf(w.c); err != nil {
			return nil, err
		}
	} else {
		w.seen = nil
	}
	w.node = newBuckets(w.c.Geo.NBuckets)
	w.seen = slices.Concat(w.seen, b.rung, w.all)
	w.ends = w.volumeEnds(w.c.UUIDs)
	w.missing = missing(w.c)
	w.unknown = w.unknown || w.missing || slices.ContainsFunc(w.seen, losesKeys)
	return b, nil
}

// missing reports whether one of the journal entries that must be replayed is not there.
func missing(c *inspect.Cache) bool {
	if c.Journal == nil || len(c.Journal.Live) == 0 {
		return false
	}
	live := c.Journal.Live
	return live[0].Seq > c.Journal.Newest.LastSeq || live[len(live)-1].Seq-live[0].Seq+1 != uint64(len(live))
}

// newTree builds a tree of what is kept, and leads the entry to it.
func (h *harvest) newTree(s *ondisk.Super) error {
	stay := h.staying()
	for i := range stay {
		p := stay[i].key.Ptr[0]
		h.tx.SetGen(h.c.Geo.BucketOf(p.Offset()), p.Gen())
		h.tx.Keep(&stay[i].key)
	}
	tree, err := h.tx.Tree(75, seeded(s)) // as full as the kernel leaves a node that it has just split
	if err != nil {
		return err
	}
	if err := h.build(tree, stay); err != nil {
		return err
	}
	root, level, err := tree.Finish()
	if err != nil {
		return err
	}
	h.tx.SetRoot(root, level)
	if n := len(stay); n > 0 {
		h.w.saw("btree: %s", plural(n, "leaf stays where it is", "leaves stay where they are"))
	}
	return nil
}

// treeIsBad reports whether the tree cannot stay as it is. What is left out may stay in it.
func (h *harvest) treeIsBad() bool {
	if len(h.since) > 0 || len(h.w.bad.codes) > 0 || h.w.heavy || !gensKnown(h.c) || h.journal && len(journalled(h.c)) > 0 {
		return true
	}
	node := func(b ondisk.Bucket) bool { return b < h.c.Geo.NBuckets && h.c.Buckets.IsNode(b) }
	if slices.ContainsFunc(h.w.seen, func(f finding.Finding) bool {
		family := f.Code.Family()
		return h.w.meant(f) && (f.Bucket != nil && node(ondisk.Bucket(*f.Bucket)) || family == "BT" || family == "EX" || family == "GN")
	}) {
		return true
	}
	if h.w.o.chosen() {
		return false
	}
	for b := range h.hurt {
		if node(b) {
			return true
		}
	}
	return len(h.holes) > 0 || len(h.scraped) > 0 || !h.c.Tree.InOrder()
}

// newSlots are the slots that the uuid bucket shall have; nil where it can stay.
func (w *Work) newSlots(h *harvest, b *base) (uuids.Table, error) {
	w.slots = w.slots || h.nameless || !b.uuids || b.stray || slices.ContainsFunc(w.seen, func(f finding.Finding) bool {
		return w.meant(f) && (f.Code.Family() == "UU" || f.Code == finding.BDNoSlot)
	})
	bucket := h.c.Geo.BucketOf(h.c.Journal.Newest.UUIDBucket.Ptr[0].Offset())
	switch {
	case w.slots: // of the table as it was, each time that all is made anew
		return w.mendSlots(h, b)
	case h.journal || h.hurt[bucket]:
		return h.c.UUIDs, nil
	}
	return nil, nil
}

// setPrios are the new chain's prios: data whose bucket's prio is not known have that of new data.
func (h *harvest) setPrios() {
	t := h.c.Buckets
	for b := h.c.Geo.FirstBucket; b < h.c.Geo.NBuckets; b++ {
		mark := t.Mark(b)
		if mark != inspect.Clean && mark != inspect.Dirty && !h.tx.Used(b) {
			continue
		}
		if p := t.Prio(b); !t.GenKnown(b) || p == ondisk.BtreePrio || p == 0 {
			h.tx.SetPrio(b, ondisk.InitialPrio)
		}
	}
}

// losesKeys reports whether a finding means that keys are gone without a trace.
func losesKeys(f finding.Finding) bool {
	switch f.Code {
	case finding.JRNone, finding.JRDamaged, finding.JRGap, finding.JRKeys, finding.JRUnread,
		finding.BTHeader, finding.BTVersion, finding.BTMagic, finding.BTChecksum, finding.BTEmpty, finding.BTCorrupted, finding.BTOverrun,
		finding.BTUnread, finding.BTChild, finding.BTNoChild, finding.BTDuplicate, finding.BTTwice, finding.BTTiling, finding.BTLevel, finding.BTReserved:
		return true
	}
	return false
}

// place is where the new entry goes, and what of the ring must go for the kernel to find it: the bucket behind the
// newest entry's, which holds the oldest if anything.
func (w *Work) place(g *superblock.Geometry, b *base) (ring int, erase []ondisk.Sector) {
	for _, e := range b.log.Entries {
		erase = append(erase, b.log.Sector(e))
	}
	for _, x := range journal.Broken(w.dev.R, g) {
		erase = append(erase, x.Sector)
	}
	erase = append(erase, w.unreadable(g)...)
	slices.Sort(erase)
	return (b.last.Ring + 1) % g.NJournal, slices.Compact(erase)
}

// unreadable are the blocks of the ring that cannot be read: written anew, they can, or the medium says so.
func (w *Work) unreadable(g *superblock.Geometry) (out []ondisk.Sector) {
	for _, f := range w.seen {
		if f.Code != finding.JRUnread || f.Bucket == nil {
			continue
		}
		start := g.Start(ondisk.Bucket(*f.Bucket))
		for at := start; at < start+g.BucketSectors; at += g.BlockSectors {
			if _, err := readAll(w.dev.R, at.Bytes(), int(g.BlockSectors.Bytes())); err != nil {
				out = append(out, at)
			}
		}
	}
	return out
}

// seeded gives numbers that follow from the set: the same repair of the same device is the same bytes.
func seeded(s *ondisk.Super) func() uint64 {
	h := fnv.New64a()
	h.Write(s.SetUUID[:])
	rng := rand.New(rand.NewPCG(h.Sum64(), s.Seq))
	return func() uint64 { return max(1, rng.Uint64()) }
}

// volumeEnds is where the volumes of given backing devices and flash-only volumes end, by inode.
func (w *Work) volumeEnds(slots uuids.Table) map[uint32]ondisk.Sector {
	ends := map[uint32]ondisk.Sector{}
	byUUID := w.endsByUUID()
	for i := range slots {
		if end, ok := byUUID[slots[i].UUID]; ok {
			ends[uint32(i)] = end
		}
	}
	return ends
}

func (w *Work) endsByUUID() map[ondisk.UUID]ondisk.Sector {
	ends := map[ondisk.UUID]ondisk.Sector{}
	for _, d := range w.backing {
		if s, err := superblock.Read(d.R); err == nil {
			ends[s.UUID] = ondisk.Sector(d.Size / ondisk.SectorBytes)
		}
	}
	return ends
}
