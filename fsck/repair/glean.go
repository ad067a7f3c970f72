// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"slices"

	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/full"
	"bctl/internal/finding"
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

func quiet(finding.Finding) {}

// findOrphans looks for leaves where the tree has holes: in every bucket that nothing uses and that holds a node of
// this set. What is kept of them raises its buckets' gens as registration would.
func (h *harvest) findOrphans() error {
	heads, err := h.c.OldNodes()
	if err != nil {
		return err
	}
	rd := btree.NewReader(h.w.dev.R, &h.c.Geo, quiet)
	raw := make([]byte, h.c.Geo.NodeSectors.Bytes())
	for _, b := range heads {
		if err := h.w.ctx.Err(); err != nil {
			return err
		}
		n := h.orphan(rd, b, raw)
		if n == nil || h.w.isInterior(&h.c.Geo, n) {
			continue
		}
		if o, ok := h.adopt(n, b); ok {
			h.orphans = append(h.orphans, o)
			h.w.node[b] = true
			h.tx.Avoid(b)
		}
	}
	slices.SortStableFunc(h.orphans, func(a, b orphan) int { return a.lo.Compare(b.lo) })
	h.age(rd)
	if n := len(h.orphans); n > 0 {
		h.w.saw("btree: %s that nothing leads to any more", plural(n, "leaf", "leaves"))
	}
	return nil
}

// orphan reads the node in bucket b, if a pointer to it would be live: nothing but its checksums tells the pointer's
// gen. raw is for a node's bytes.
func (h *harvest) orphan(rd *btree.Reader, b ondisk.Bucket, raw []byte) *btree.Node {
	g := &h.c.Geo
	if full.ReadAt(h.w.dev.R, raw, g.Start(b).Bytes()) != nil {
		return nil
	}
	first, err := ondisk.DecodeBsetHeader(raw)
	if err != nil || first.Bytes() > int64(len(raw)) {
		return nil
	}
	set := raw[:first.Bytes()]
	fits := func(gen uint8) bool {
		return first.CheckSum(set, ondisk.MakePtr(gen, g.Start(b), uint64(g.ThisDev))) == nil
	}
	gens := 3 // one handed out after the last prio write is ahead of it
	if !h.c.Buckets.GenKnown(b) {
		gens, fits = 256, first.AnyGen(set, ondisk.MakePtr(0, g.Start(b), uint64(g.ThisDev)))
	}
	for i := range gens {
		gen := h.c.Buckets.DiskGen(b) + uint8(i)
		p := ondisk.MakePtr(gen, g.Start(b), uint64(g.ThisDev))
		if !fits(gen) || ondisk.GenAfter(h.tx.Gen(b), gen) > 0 {
			continue
		}
		k := ondisk.MakeKey(ondisk.MaxInode, ondisk.MaxKeyOffset, g.NodeSectors)
		k.SetPtrs(1)
		k.Ptr[0] = p
		return rd.Read(k, 0)
	}
	return nil
}

// adopt looks at what a leaf that nothing leads to holds, as far as the tree has holes there.
func (h *harvest) adopt(n *btree.Node, b ondisk.Bucket) (o orphan, ok bool) {
	all := n.Extents()
	if len(all) == 0 {
		return o, false
	}
	o = orphan{bucket: b, ptr: n.Key.Ptr[0], lo: startOf(&all[0]), hi: endOf(&all[len(all)-1]), sound: n.Whole && !n.Cut, whole: n.Whole && !n.Cut}
	if len(h.holesIn(inspect.Range{From: o.lo, To: o.hi})) == 0 {
		return o, false
	}
	var k ondisk.Bkey
	for i, p := range all {
		h.c.Fetch(n.Keys, all, i)
		n.Keys.Key(p, &k)
		switch {
		case h.legal(&k):
			if touches(&p, h.holes) {
				h.raise(&k)
				h.nameless = h.nameless || !h.named(k.Inode())
			}
		case h.beyond(&k):
			if o.sound = false; touches(&p, h.holes) {
				h.stump.note(&h.c.Geo, &k)
			}
		case !h.harmless(&k):
			o.sound = false
		}
	}
	return o, true
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
	lag := ondisk.GenAfter(h.tx.Gen(b), p.Gen())
	return lag > 0 && lag <= ondisk.GenLimit && (k.Offset()|k.Size()|p.Offset())&(g.BlockSectors-1) == 0
}

// raise raises the gen of a key's bucket as registration would, and has it count among those in use: not for clean data
// where no prio set tells whether they are of an older use of it, or where they must make room.
func (h *harvest) raise(k *ondisk.Bkey) {
	b := h.c.Geo.BucketOf(k.Ptr[0].Offset())
	if ahead := k.Ptr[0].Gen() - h.tx.Gen(b); ahead > 0 && ahead < 128 {
		h.tx.SetGen(b, k.Ptr[0].Gen())
	}
	if !k.Dirty() && (h.w.starved || !h.told(b)) {
		h.faint(b, k.Size())
		return
	}
	h.tx.Use(b)
}

// findStrays looks for keys that stand in another leaf than the one of their position.
func (h *harvest) findStrays() error {
	h.stray = map[inspect.Source][]inspect.Range{}
	var found []btree.Piece
	rd := btree.NewReader(h.w.dev.R, &h.c.Geo, quiet)
	for leaf := range h.leaves() {
		if err := h.w.ctx.Err(); err != nil {
			return err
		}
		n := rd.Read(leaf.key, 0)
		var k ondisk.Bkey
		for _, p := range n.Extents() {
			if startOf(&p).Compare(leaf.lower) >= 0 && endOf(&p).Compare(leaf.key.Pos()) <= 0 {
				continue
			}
			n.Keys.Key(p, &k)
			h.stray[inspect.SourceOf(&k)] = append(h.stray[inspect.SourceOf(&k)], inspect.Of(k.Inode(), k.Start(), k.Offset()))
			h.hurt[h.c.Geo.BucketOf(leaf.key.Ptr[0].Offset())] = true
			if h.sound(&k) {
				found = append(found, h.glean1(&k))
			}
		}
	}
	h.strays = btree.Resolve(append(h.calledNone(rd), found...))
	return nil
}

// calledNone are the extents of nodes that are no leaves by their level, though most of what they hold are extents, or by
// a few keys: they are not found as leaves, for some of it are children.
func (h *harvest) calledNone(rd *btree.Reader) (found []btree.Piece) {
	g := &h.c.Geo
	for _, f := range h.w.seen {
		node, ok := f.Subject.(finding.Node)
		if !ok || f.Code != finding.BTLevel || node.Key != nil {
			continue
		}
		at := ondisk.MakeKey(ondisk.MaxInode, ondisk.MaxKeyOffset, g.NodeSectors)
		at.SetPtrs(1)
		at.Ptr[0] = ondisk.MakePtr(h.c.Buckets.Gen(node.Bucket), g.Start(node.Bucket), uint64(g.ThisDev))
		n := rd.Read(at, 0)
		if node.Level > 0 && !h.w.isInterior(g, n) {
			continue
		}
		n.Every(func(k *ondisk.Bkey) { // oldest first
			child := k.Ptrs() == 1 && k.Size() == g.NodeSectors && g.Remainder(k.Ptr[0].Offset()) == 0
			if !child {
				found = append(found, h.pieceOf(k)...)
			}
		})
	}
	if len(found) > 0 {
		h.w.saw("btree: %d keys of a leaf that is called none", len(found))
	}
	return found
}

// isStray reports whether an extent, which the journal may have cut, stands in another leaf than that of its position.
func (h *harvest) isStray(k *ondisk.Bkey) bool {
	return len(h.stray) > 0 && slices.ContainsFunc(h.stray[inspect.SourceOf(k)], func(r inspect.Range) bool {
		return r.From.Inode == k.Inode() && r.From.Offset <= k.Start() && r.To.Offset >= k.Offset()
	})
}

// glean1 keeps a key that the tree does not lead to.
func (h *harvest) glean1(k *ondisk.Bkey) btree.Piece {
	h.raise(k)
	return h.hold(k)
}

func (h *harvest) hold(k *ondisk.Bkey) btree.Piece {
	p := btree.Piece{Start: k.Start(), End: k.Offset(), Inode: k.Inode(), At: uint32(len(h.keys))}
	h.keys = k.Append(h.keys)
	return p
}

// sound reports whether a key is an extent that the kernel would take, of a volume that there is, and not stale. Random
// bytes do not pass: most of the key's bits follow from what is known.
func (h *harvest) sound(k *ondisk.Bkey) bool {
	return int(k.Inode()) < h.c.Geo.NrUUIDs() && h.hasSlot(k.Inode()) && h.legal(k)
}

// hasSlot reports whether the table names an inode, or is lost and names nothing.
func (h *harvest) hasSlot(inode uint32) bool {
	if h.named(inode) {
		return true
	}
	if h.slotless == nil {
		none := !slices.ContainsFunc(h.c.UUIDs, func(u ondisk.UUIDEntry) bool { return u != (ondisk.UUIDEntry{}) })
		h.slotless = &none
	}
	return *h.slotless
}

// named reports whether a slot is filled, or no table was read at all.
func (h *harvest) named(inode uint32) bool {
	t := h.c.UUIDs
	return len(t) == 0 || int(inode) < len(t) && t[inode] != (ondisk.UUIDEntry{})
}

// legal is sound for a key that its checksum vouches for: its volume may have lost its slot.
func (h *harvest) legal(k *ondisk.Bkey) bool {
	g := &h.c.Geo
	if k.Size() == 0 || k.Size() > k.Offset() || k.Ptrs() != 1 || !k.PadsZero() || int(k.Inode()) >= g.NrUUIDs() {
		return false
	}
	if _, damaged := h.w.bad.of(k); damaged {
		return false
	}
	if end, ok := h.w.ends[k.Inode()]; ok && k.Offset() > end {
		return false
	}
	p := k.Ptr[0]
	b := g.BucketOf(p.Offset())
	block := g.BlockSectors - 1
	return p.Dev() == uint64(g.ThisDev) && g.Contains(b) && g.Remainder(p.Offset())+k.Size() <= g.BucketSectors &&
		(k.Offset()|k.Size()|p.Offset())&block == 0 && h.c.Buckets.Mark(b) != inspect.Metadata && !h.w.node[b] && h.near(b, p.Gen())
}

// near reports whether a gen is the bucket's, or so little ahead that no prio write came between.
func (h *harvest) near(b ondisk.Bucket, gen uint8) bool {
	if !h.c.Buckets.GenKnown(b) && !h.c.Buckets.GenSeen(b) {
		return true
	}
	return gen-h.tx.Gen(b) <= 2
}
