// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"math/bits"
	"slices"

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
	log      *journal.Log // read from the chosen entry on
	bare     *journal.Log // likewise with the newest entry's root, where that cannot be read; nil where it can
	top      uint64       // the highest seq of the ring, whatever it belongs to
	root     bool         // a root was found
	rootless bool         // the newest entry leads to none
	ex       ondisk.Ptr   // an older root that is a leaf, where the newest cannot be read
	since    uint64       // all of the keys before this entry stand in it
	uuids    bool         // a uuid bucket was found
	stray    bool         // and it is not the newest entry's
	last     journal.Entry
	older    bool              // the prio chain is not the newest entry's: gens may have moved on
	plain    bool              // all of it is the newest entry's, as the kernel finds it in a ring that nothing is wrong with
	rung     []finding.Finding // what is wrong with the ring

	ringDamaged bool
}

// chooseBase reads the ring of c's device and takes, for root, uuid bucket and prio chain, the newest entry whose
// own can be read. The newest entry's keys are replayed all the same.
func (w *Work) chooseBase(g *superblock.Geometry) (*base, error) {
	var rung finding.Collector
	log, err := journal.Scan(w.dev.R, g, max(1, w.o.Workers), rung.Add)
	if log == nil {
		return nil, err
	}
	b := &base{rung: rung.Findings(), ringDamaged: err != nil || rung.Damaged()}
	b.plain = !b.ringDamaged
	all := log.BySeq()
	header := &ondisk.Jset{Version: 1}
	if n := len(all); n > 0 {
		b.top = all[n-1].Seq
	}
	top, ok := log.Top()
	b.plain = b.plain && ok && log.Newest != nil && log.Newest.Seq == top.Seq && b.top == top.Seq
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
	from, rootSince := [3]uint64{}, uint64(0)
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Seq > top.Seq {
			continue
		}
		j, _ := log.Read(all[i])
		if j == nil {
			continue
		}
		if !b.root && w.takeRoot(g, j, header, j.Seq == top.Seq) {
			b.root, from[0], rootSince = true, j.Seq, j.LastSeq
		}
		if !b.uuids && w.slotsRead(g, j, j.Seq == top.Seq) {
			b.uuids, from[1] = true, j.Seq
			header.UUIDBucket, header.Version = j.UUIDBucket, j.Version
		}
		if from[2] == 0 && w.chainReads(g, j) {
			from[2] = j.Seq
			header.PrioBucket = j.PrioBucket
		}
	}
	from[2] = w.chainSought(g, header, newest, from[2])
	b.note(w, from, top.Seq)
	b.plain = b.plain && header.Level == newest.Level
	b.log = log.From(top, header)
	if b.root && from[0]+1 < top.Seq { // with the one before, the newest alone may be wrong
		bare := *header
		bare.BtreeRoot, bare.Level = newest.BtreeRoot, newest.Level
		if header.Level == 0 {
			b.ex, b.since = header.BtreeRoot.Ptr[0], rootSince
		}
		b.bare = log.From(top, &bare)
	}
	return b, nil
}

// note says what was not taken from the newest entry.
func (b *base) note(w *Work, from [3]uint64, top uint64) {
	b.older = from[2] != top
	b.stray = b.uuids && from[1] != top
	for i, what := range []string{"btree root", "uuid bucket", "prio chain"} {
		if from[i] != top {
			b.plain = false
			w.unknown = w.unknown || i == 0
			b.rootless = b.rootless || i == 0
			if from[i] == 0 {
				w.saw("%s: no journal entry leads to one", what)
			} else {
				w.saw("%s: that of journal entry %d, for the newest, %d, does not lead to one", what, from[i], top)
			}
		}
	}
}

// takeRoot takes an entry's root, if a node stands there. The newest entry's is taken if there once was one: what can be
// read of it is newer than any other.
func (w *Work) takeRoot(g *superblock.Geometry, j, header *ondisk.Jset, newest bool) bool {
	root := &j.BtreeRoot.Bkey
	if journal.RootFault(g, root) != "" {
		return false
	}
	level, may := int(j.Level), w.depths(g, *root)
	switch {
	case level <= maxDepth && may>>level&1 != 0:
	case may != 0:
		level = bits.Len32(may) - 1
	case newest && level <= maxDepth && w.hasMagic(g, root):
	default:
		return false
	}
	if level != int(j.Level) {
		w.saw("btree: %s below the root, journal entry %d says %d", plural(level, "level", "levels"), j.Seq, j.Level)
	}
	header.BtreeRoot, header.Level = j.BtreeRoot, uint16(level)
	return true
}

// depths are the numbers of levels that may stand below a root, a bit each; 0 where its first bset is not there.
func (w *Work) depths(g *superblock.Geometry, root ondisk.Bkey) (set uint32) {
	n := btree.NewReader(w.dev.R, g, func(finding.Finding) {}).Read(root, 1)
	if len(n.Sets) == 0 {
		return 0
	}
	return w.below(g, n, maxDepth)
}

// below is what the first children of n tell: where the tree is damaged they may tell different things.
func (w *Work) below(g *superblock.Geometry, n *btree.Node, most int) (set uint32) {
	if !w.isInterior(g, n) {
		return 1
	}
	if most == 0 {
		return 0
	}
	rd := btree.NewReader(w.dev.R, g, func(finding.Finding) {})
	children := n.Children()
	for _, k := range children[:min(len(children), 4)] {
		if k.Ptrs() != 1 || k.IsZero() || !g.Contains(g.BucketOf(k.Ptr[0].Offset())) {
			continue
		}
		if c := rd.Read(k, 1); len(c.Sets) > 0 {
			set |= w.below(g, c, most-1) << 1
		}
	}
	return set
}

// maxDepth is more levels than any device needs.
const maxDepth = 10

// isInterior tells an interior node from a leaf: a node of this set stands where one of its keys leads that has a
// child's shape. An extent of a whole bucket has the shape too.
func (w *Work) isInterior(g *superblock.Geometry, n *btree.Node) bool {
	if runs := n.Plain(); runs != nil && !slices.ContainsFunc(runs, func(keys []byte) bool { return btree.AnyClean(keys, g.NodeSectors) }) {
		return false // as is quick to see of nearly all leaves
	}
	var children []ondisk.Sector
	n.Every(func(k *ondisk.Bkey) {
		if k.Ptrs() == 1 && !k.Dirty() && k.Size() == g.NodeSectors && g.Remainder(k.Ptr[0].Offset()) == 0 {
			children = append(children, k.Ptr[0].Offset())
		}
	})
	for _, at := range children[:min(len(children), 8)] {
		head, err := readAll(w.dev.R, at.Bytes(), ondisk.BsetBytes)
		if err != nil {
			continue
		}
		if h, err := ondisk.DecodeBsetHeader(head); err == nil && h.Seq != 0 && h.CheckMagic(g.SetMagic) == nil {
			return true
		}
	}
	return false
}

// hasMagic reports whether a node of this set once stood where a root's key leads, readable or not.
func (w *Work) hasMagic(g *superblock.Geometry, root *ondisk.Bkey) bool {
	head, err := readAll(w.dev.R, root.Ptr[0].Offset().Bytes(), ondisk.BsetBytes)
	if err != nil {
		return false
	}
	h, err := ondisk.DecodeBsetHeader(head)
	return err == nil && h.Seq != 0 && h.CheckMagic(g.SetMagic) == nil
}

// slotsRead reports whether an entry leads to a bucket that may hold uuid slots: it has no magic and no checksum.
// An older one without any volume is not worth taking.
func (w *Work) slotsRead(g *superblock.Geometry, j *ondisk.Jset, newest bool) bool {
	if journal.UUIDFault(g, &j.UUIDBucket.Bkey) != "" {
		return false
	}
	t, err := uuids.Read(w.dev.R, g, j.UUIDBucket.Ptr[0].Offset(), j.Version)
	if err != nil {
		return false
	}
	if _, ok := plausible(t); !ok && !newest {
		return false // its bucket holds something else by now
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
	return 2*odd <= used && (used > 0 || newest) || used == 1 && newest
}

// chainReads reports whether an entry leads to a whole prio chain of one write.
func (w *Work) chainReads(g *superblock.Geometry, j *ondisk.Jset) bool {
	whole := true
	c := prio.Follow(w.dev.R, g, ondisk.Bucket(j.PrioBucket[g.ThisDev]), func(prio.Link, []ondisk.PrioEntry) {},
		func(f finding.Finding) { whole = whole && f.Severity != finding.Damage })
	return whole && c.Intact
}

// readBy reports whether the last check read the cache as the base has it: where the prio chain alone is lost, it did.
func (w *Work) readBy(b *base) bool {
	if w.c == nil || w.c.Journal == nil {
		return false
	}
	is, want := w.c.Journal.Newest, b.log.Newest
	if b.plain || b.ringDamaged || is == nil || want == nil {
		return b.plain
	}
	same := is.Seq == want.Seq && is.LastSeq == want.LastSeq && is.Version == want.Version && is.Level == want.Level &&
		is.BtreeRoot == want.BtreeRoot && is.UUIDBucket == want.UUIDBucket && is.PrioBucket == want.PrioBucket
	return same && slices.EqualFunc(w.c.Journal.Live, b.log.Live, func(x, y journal.Entry) bool { return x.Seq == y.Seq && x.Csum == y.Csum })
}

// open reads the cache by the base.
func (w *Work) open(s *ondisk.Super, b *base, sink finding.Sink, ends map[ondisk.UUID]ondisk.Sector) (*inspect.Cache, error) {
	return inspect.Open(w.ctx, w.dev.R, s, inspect.Options{
		Size: w.dev.Size, Workers: w.o.Workers, Sink: sink, Ends: ends, Log: b.log,
	})
}
