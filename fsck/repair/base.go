// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/journal"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/finding"
	"bctl/prio"
	"bctl/superblock"
)

// A base is where a repair starts: for each structure the newest journal entry whose own leads to a sound one.
type base struct {
	log   *journal.Log // read from the chosen entry on
	top   uint64       // the highest seq of the ring, whatever it belongs to
	root  bool         // a root was found
	uuids bool         // a uuid bucket was found
	last  journal.Entry
}

// chooseBase reads the ring of c's device and takes, for root, uuid bucket and prio chain, the newest entry whose
// own can be read. The newest entry's keys are replayed all the same.
func (w *Work) chooseBase(g *superblock.Geometry) (*base, error) {
	log, err := journal.Scan(w.dev.R, g, max(1, w.o.Workers), func(finding.Finding) {})
	if log == nil {
		return nil, err
	}
	b := &base{}
	all := log.BySeq()
	header := &ondisk.Jset{Version: 1}
	if n := len(all); n > 0 {
		b.top = all[n-1].Seq
	}
	top, ok := log.Top()
	if !ok {
		b.log = log.From(journal.Entry{}, header)
		return b, nil
	}
	b.last = top
	newest, _ := log.Read(top)
	if newest == nil {
		return b, nil
	}
	*header = *newest
	var from [3]uint64
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Seq > top.Seq {
			continue
		}
		j, _ := log.Read(all[i])
		if j == nil {
			continue
		}
		if !b.root && w.rootReads(g, j) {
			b.root, from[0] = true, j.Seq
			header.BtreeRoot, header.Level = j.BtreeRoot, j.Level
		}
		if !b.uuids && w.slotsRead(g, j) {
			b.uuids, from[1] = true, j.Seq
			header.UUIDBucket, header.Version = j.UUIDBucket, j.Version
		}
		if from[2] == 0 && w.chainReads(g, j) {
			from[2] = j.Seq
			header.PrioBucket = j.PrioBucket
		}
	}
	for i, what := range []string{"btree root", "uuid bucket", "prio chain"} {
		if from[i] != top.Seq {
			w.saw("%s: from journal entry %d, the newest is %d (0: none leads to one)", what, from[i], top.Seq)
		}
	}
	b.log = log.From(top, header)
	return b, nil
}

// rootReads reports whether an entry leads to a node of its level.
func (w *Work) rootReads(g *superblock.Geometry, j *ondisk.Jset) bool {
	if journal.RootFault(g, &j.BtreeRoot.Bkey) != "" || int(j.Level) > maxDepth {
		return false
	}
	n := btree.NewReader(w.dev.R, g, func(finding.Finding) {}).Read(j.BtreeRoot.Bkey, int(j.Level))
	return len(n.Sets) > 0 && isInterior(g, n) == (j.Level > 0)
}

// maxDepth is more levels than any device needs.
const maxDepth = 10

// isInterior tells an interior node from a leaf by its keys: whether most have a child's shape. An empty one is a leaf.
func isInterior(g *superblock.Geometry, n *btree.Node) bool {
	children, all := 0, 0
	n.Every(func(k *ondisk.Bkey) {
		all++
		if k.Ptrs() == 1 && !k.Dirty() && k.Size() == g.NodeSectors && g.Remainder(k.Ptr[0].Offset()) == 0 {
			children++
		}
	})
	if all == 0 || 2*children <= all {
		return false
	}
	// An extent of a whole bucket has the shape too; only a parent ends where its last child does.
	last := ondisk.Pos{}
	n.Every(func(k *ondisk.Bkey) {
		if k.Pos().Compare(last) > 0 {
			last = k.Pos()
		}
	})
	return last == n.Key.Pos() || 2*g.NodeSectors.Bytes() < g.BucketSectors.Bytes()
}

// slotsRead reports whether an entry leads to a bucket that may hold uuid slots: it has no magic and no checksum.
func (w *Work) slotsRead(g *superblock.Geometry, j *ondisk.Jset) bool {
	if journal.UUIDFault(g, &j.UUIDBucket.Bkey) != "" {
		return false
	}
	t, err := uuids.Read(w.dev.R, g, j.UUIDBucket.Ptr[0].Offset(), j.Version)
	if err != nil {
		return false
	}
	used, odd := 0, 0
	for i := range t {
		if t[i] == (ondisk.UUIDEntry{}) {
			continue
		}
		used++
		if t[i].Pad != [len(t[i].Pad)]byte{} || t[i].Flags&^1 != 0 || !superblock.PrintableLabel(t[i].Label) {
			odd++
		}
	}
	return 2*odd <= used || used == 1
}

// chainReads reports whether an entry leads to a whole prio chain of one write.
func (w *Work) chainReads(g *superblock.Geometry, j *ondisk.Jset) bool {
	whole := true
	c := prio.Follow(w.dev.R, g, ondisk.Bucket(j.PrioBucket[g.ThisDev]), func(prio.Link, []ondisk.PrioEntry) {},
		func(f finding.Finding) { whole = whole && f.Severity != finding.Damage })
	return whole && c.Intact
}

// open reads the cache by the base.
func (w *Work) open(s *ondisk.Super, b *base, sink finding.Sink, ends map[ondisk.UUID]ondisk.Sector) (*inspect.Cache, error) {
	return inspect.Open(w.ctx, w.dev.R, s, inspect.Options{
		Size: w.dev.Size, Workers: w.o.Workers, Sink: sink, Ends: ends, Log: b.log,
	})
}
