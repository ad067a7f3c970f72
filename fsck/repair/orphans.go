// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"io"
	"sort"

	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/full"
	"bctl/internal/finding"
	"bctl/internal/workers"
	"bctl/superblock"
)

// An orphan is a leaf that nothing leads to, but whose pointer would be live.
type orphan struct {
	bucket ondisk.Bucket
	ptr    ondisk.Ptr
	lo, hi ondisk.Pos // where its extents begin and end
	sound  bool       // all of them could stay as they are
	whole  bool       // all of it can be read
	age    int        // how many others are newer versions of it
}

func (o *orphan) key(g *superblock.Geometry) ondisk.Bkey {
	k := ondisk.MakeKey(o.hi.Inode, o.hi.Offset, g.NodeSectors)
	k.SetPtrs(1)
	k.Ptr[0] = o.ptr
	return k
}

// span is the range that it tells of.
func (o *orphan) span() inspect.Range { return inspect.Range{From: o.lo, To: o.hi} }

func quiet(finding.Finding) {}

// findOrphans looks for leaves where the tree has holes: in every bucket that nothing uses and that holds a node of
// this set. What is kept of them raises its buckets' gens as registration would.
func (h *harvest) findOrphans() error {
	heads, err := h.c.OldNodes()
	if err != nil {
		return err
	}
	a := h.adopter()
	err = workers.InOrder(len(heads), fewLeaves, func() (func(int), func() error) {
		s := h.candidate()
		return func(i int) { s.look(heads[i]) }, func() error {
			if a.sift.settle(s.bucket); s.live() && !s.interior {
				a.adopt(s)
			}
			return h.w.ctx.Err()
		}
	})
	a.sift.empty()
	if err != nil {
		return err
	}
	sort.SliceStable(h.orphans, func(i, j int) bool { return h.orphans[i].lo.Compare(h.orphans[j].lo) < 0 })
	h.age(btree.NewReader(h.w.dev.R, &h.c.Geo, quiet))
	if n := len(h.orphans); n > 0 {
		h.w.saw("btree: %s that nothing leads to any more", plural(n, "leaf", "leaves"))
	}
	return nil
}

// fewLeaves are read at a time.
const fewLeaves = 3

// A candidate is what stands in a bucket that begins as a node does, and that nothing leads to.
type candidate struct {
	h        *harvest
	bucket   ondisk.Bucket
	gens     []uint8 // that a pointer to it may have
	node     *btree.Node
	holds    content
	interior bool

	raw copied
	rd  *btree.Reader
}

func (h *harvest) candidate() *candidate {
	s := &candidate{h: h, raw: copied{data: make([]byte, h.c.Geo.NodeSectors.Bytes())}}
	s.rd = btree.NewReader(&s.raw, &h.c.Geo, quiet)
	return s
}

// copied is a part of a device that was read.
type copied struct {
	data []byte
	off  int64
}

func (c *copied) ReadAt(b []byte, off int64) (int, error) {
	if off < c.off || off > c.off+int64(len(c.data)) {
		return 0, io.EOF
	}
	n := copy(b, c.data[off-c.off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// look reads what stands in bucket b: nothing but its checksums tells the gen of a pointer to it. Others are read on other
// goroutines at the same time, so it asks for nothing that changes with them.
func (s *candidate) look(b ondisk.Bucket) {
	g, t := &s.h.c.Geo, s.h.c.Buckets
	s.bucket, s.gens, s.raw.off = b, s.gens[:0], g.Start(b).Bytes()
	if full.ReadAt(s.h.w.dev.R, s.raw.data, s.raw.off) != nil {
		return
	}
	first, err := ondisk.DecodeBsetHeader(s.raw.data)
	if err != nil || first.Bytes() > int64(len(s.raw.data)) {
		return
	}
	set := s.raw.data[:first.Bytes()]
	fits := func(gen uint8) bool {
		return first.CheckSum(set, ondisk.MakePtr(gen, g.Start(b), uint64(g.ThisDev))) == nil
	}
	gens := 3 // one handed out after the last prio write is ahead of it
	if !t.GenKnown(b) {
		gens, fits = 256, first.AnyGen(set, ondisk.MakePtr(0, g.Start(b), uint64(g.ThisDev)))
	}
	for i := range gens {
		if gen := t.DiskGen(b) + uint8(i); fits(gen) {
			s.gens = append(s.gens, gen)
		}
	}
	if len(s.gens) > 0 {
		s.read(s.gens[0])
	}
}

// read reads the node by a gen.
func (s *candidate) read(gen uint8) {
	g := &s.h.c.Geo
	k := ondisk.MakeKey(ondisk.MaxInode, ondisk.MaxKeyOffset, g.NodeSectors)
	k.SetPtrs(1)
	k.Ptr[0] = ondisk.MakePtr(gen, g.Start(s.bucket), uint64(g.ThisDev))
	s.node = s.rd.Read(k, 0)
	s.interior = s.h.w.isInterior(g, s.node)
	s.holds.read(s.node)
}

// live reports whether a pointer to it would be live, and has it read by that.
func (s *candidate) live() bool {
	for i, gen := range s.gens {
		if ondisk.GenAfter(s.h.tx.Gen(s.bucket), gen) > 0 && s.h.on(s.bucket)&groundFirst == 0 {
			continue
		}
		if i > 0 {
			s.read(gen)
		}
		return true
	}
	return false
}

// An adopter raises the gens of buckets to which the keys of orphans lead, as far as the tree has holes there.
type adopter struct {
	h    *harvest
	sift *sifter
	base int     // the orphan whose rows have the number 0
	own  *orphan // whose keys come now
}

func (h *harvest) adopter() *adopter {
	h.on(0)
	a := &adopter{h: h}
	a.sift = h.sift(a.rows, a.odd)
	return a
}

// adopt takes a candidate, if it tells of any hole.
func (a *adopter) adopt(s *candidate) {
	h, n := a.h, s.node
	o := orphan{bucket: s.bucket, ptr: n.Key.Ptr[0], lo: s.holds.lo, hi: s.holds.hi, sound: n.Whole && !n.Cut, whole: n.Whole && !n.Cut}
	if !s.holds.some || len(h.holesIn(o.span())) == 0 {
		return
	}
	if len(h.orphans)-a.base == inspect.Numbers {
		a.sift.empty()
		a.base = len(h.orphans)
	}
	a.sift.number = len(h.orphans) - a.base
	h.orphans = append(h.orphans, o)
	a.own = &h.orphans[len(h.orphans)-1]
	a.sift.leaf(&s.holds, h.inOneHole(o.span()) && !h.w.bad.in(o.span()))
	a.sift.settle(o.bucket)
	h.w.node.set(o.bucket)
	h.ground[o.bucket] |= groundTaken
	h.tx.Avoid(o.bucket)
}

// rows takes keys of extents that lie in holes, and as legal wants them, but for their gens.
func (a *adopter) rows(first ondisk.Bucket, rows []uint64) {
	h := a.h
	h.fetch(first)
	for _, w := range rows {
		r := inspect.Row(w)
		b, gen := first+r.In(), r.Gen()
		if h.near(b, gen) {
			h.raiseTo(b, gen, r.Sectors(), r.Dirty())
		} else if !h.behind(b, gen) {
			h.orphans[a.base+r.Number()].sound = false
		}
	}
}

// odd takes any key.
func (a *adopter) odd(k *ondisk.Bkey) {
	h := a.h
	p := btree.Piece{Start: k.Offset() - min(k.Size(), k.Offset()), End: k.Offset(), Inode: k.Inode()}
	switch {
	case h.legal(k):
		if touches(&p, h.holes) {
			h.raise(k)
			h.nameless = h.nameless || !h.named(k.Inode())
		}
	case h.beyond(k):
		if a.own.sound = false; touches(&p, h.holes) {
			h.stump.note(&h.c.Geo, k)
		}
	case !h.harmless(k):
		a.own.sound = false
	}
}

// harmless reports whether a key that leads nowhere may stay where it stands: it is stale, not by too much, or has no
// pointer.
func (h *harvest) harmless(k *ondisk.Bkey) bool {
	g := &h.c.Geo
	if !k.PadsZero() || int(k.Inode()) >= g.NrUUIDs() || k.Ptrs() > 1 || k.Dirty() && k.Ptrs() == 0 {
		return false
	}
	if k.Ptrs() == 0 {
		return true
	}
	p := k.Ptr[0]
	b := g.BucketOf(p.Offset())
	if p.Dev() != uint64(g.ThisDev) || !g.Contains(b) || g.Remainder(p.Offset())+k.Size() > g.BucketSectors {
		return false
	}
	return h.behind(b, p.Gen()) && (k.Offset()|k.Size()|p.Offset())&(g.BlockSectors-1) == 0
}

// behind reports whether a gen is behind that of a bucket, by no more than the kernel lets it.
func (h *harvest) behind(b ondisk.Bucket, gen uint8) bool {
	lag := ondisk.GenAfter(h.tx.Gen(b), gen)
	return lag > 0 && lag <= ondisk.GenLimit
}
