// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"errors"
	"hash/fnv"
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

// mendWhole makes the metadata anew from everything that is proven: the newest sound root, uuid bucket and chain, the
// live journal, and what can be read of damaged nodes. It starts each time from the device as it is, but for what was
// corrected in place, and leaves out what an earlier try was told is damaged.
func mendWhole(w *Work, rep *fsck.Report) (bool, error) {
	s, err := w.super()
	if err != nil || s.IsBacking() || rep == nil {
		return false, err
	}
	g, err := superblock.NewGeometry(s)
	if err != nil || !w.wantsWhole(rep) {
		return false, nil
	}
	known := len(w.bad)
	w.bad.add(rep.Findings)
	if w.whole != nil && len(w.bad) == known && w.under == w.patches {
		return false, nil // nothing new: another try would end the same
	}
	p, err := w.rebuild(s, &g, rep)
	switch {
	case errors.Is(err, change.ErrNoSpace):
		w.saw("not made anew: %v", err)
		return false, nil
	case err != nil:
		return false, err
	}
	w.whole, w.under = p, w.patches
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

// rebuild plans it.
func (w *Work) rebuild(s *ondisk.Super, g *superblock.Geometry, rep *fsck.Report) (*plan.Plan, error) {
	w.hide()
	w.lost, w.node = map[Lost]bool{}, map[ondisk.Bucket]bool{}
	w.result.Evidence, w.unknown = w.result.Evidence[:w.before], false
	b, err := w.baseOf(g)
	if err != nil {
		return nil, err
	}
	var found finding.Collector
	w.ends = w.volumeEnds(nil)
	c, err := w.open(s, b, found.Add, w.endsByUUID())
	if err != nil {
		return nil, err
	}
	w.seen = append(found.Findings(), rep.Findings...)
	w.bad.add(w.seen)
	w.ends = w.volumeEnds(c.UUIDs)
	w.unknown = w.unknown || slices.ContainsFunc(w.seen, losesKeys)
	h, err := w.reap(c, w.lostNodes(c, b))
	if err != nil {
		return nil, err
	}
	if w.o.Rewind != 0 {
		if err := w.rewound(h, s); err != nil {
			return nil, err
		}
	}
	slots, err := w.mendSlots(h, b)
	if err != nil {
		return nil, err
	}
	room, err := w.findRoom(h)
	if err != nil {
		return nil, err
	}
	seq := b.top + 1
	made := change.Whole{
		Geo: g, Keep: h.sorted, UUIDs: slots, Gens: h.gens, Prios: h.prios(), Next: room, Rand: seeded(s),
		Seq: seq, PrioSeq: prioSeq(c), OldHead: b.log.Newest.PrioBucket[g.ThisDev],
	}
	if !g.Contains(ondisk.Bucket(made.OldHead)) {
		made.OldHead = 0
	}
	made.At, made.Erase = w.place(g, b)
	return made.Plan()
}

// lostNodes reports whether the tree has lost nodes, or never had any that could be found.
func (w *Work) lostNodes(c *inspect.Cache, b *base) bool {
	return !b.root || !c.Tree.Intact || slices.ContainsFunc(w.seen, func(f finding.Finding) bool {
		return f.Severity == finding.Damage && f.Code[:2] == "BT"
	})
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

// place is where the new entry goes, and what of the ring must go for the kernel to find it: the start of the bucket
// behind the newest entry's, which holds the oldest if anything.
func (w *Work) place(g *superblock.Geometry, b *base) (at ondisk.Sector, erase []ondisk.Sector) {
	ring := (b.last.Ring + 1) % g.NJournal
	at = g.Start(g.FirstBucket + ondisk.Bucket(ring))
	for _, e := range b.log.Entries {
		erase = append(erase, b.log.Sector(e))
	}
	for _, x := range journal.Broken(w.dev.R, g) {
		erase = append(erase, x.Sector)
	}
	erase = append(erase, w.unreadable(g)...)
	slices.Sort(erase)
	return at, slices.Compact(erase)
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

func prioSeq(c *inspect.Cache) uint64 {
	seq := uint64(1)
	for _, l := range c.Chain.Links {
		seq = max(seq, l.Seq+1)
	}
	return seq
}

// seeded gives numbers that follow from the set: the same repair of the same device is the same bytes.
func seeded(s *ondisk.Super) func() uint64 {
	h := fnv.New64a()
	h.Write(s.SetUUID[:])
	rng := rand.New(rand.NewPCG(h.Sum64(), s.Seq))
	return func() uint64 { return max(1, rng.Uint64()) }
}

// prios are the new chain's: those of data stay, everything else is free.
func (h *harvest) prios() []uint16 {
	t := h.c.Buckets
	out := make([]uint16, h.c.Geo.NBuckets)
	var k ondisk.Bkey
	for _, p := range h.found {
		h.keys.Key(p, &k)
		if h.stale(&k) {
			continue
		}
		b := h.c.Geo.BucketOf(k.Ptr[0].Offset())
		if out[b] = t.Prio(b); !t.GenKnown(b) || out[b] == ondisk.BtreePrio || out[b] == 0 {
			out[b] = ondisk.InitialPrio
		}
	}
	return out
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
