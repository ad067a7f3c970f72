// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"slices"

	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// raise raises the gen of a key's bucket as registration would, and has it count among those in use: not for clean data
// where no prio set tells whether they are of an older use of it, or where they must make room.
func (h *harvest) raise(k *ondisk.Bkey) {
	p := k.Ptr[0]
	h.raiseTo(h.c.Geo.BucketOf(p.Offset()), p.Gen(), k.Size(), k.Dirty())
}

// raiseTo is raise for n sectors. Where nothing tells a gen, the first pointer does, however high its own is.
func (h *harvest) raiseTo(b ondisk.Bucket, gen uint8, n ondisk.Sector, dirty bool) {
	first := h.on(b)&groundFirst != 0
	if ahead := gen - h.tx.Gen(b); ahead > 0 && (ahead < 128 || first) {
		h.tx.SetGen(b, gen)
	}
	if first {
		h.ground[b] &^= groundFirst
	}
	if !dirty && (h.w.starved || !h.told(b)) {
		h.faint(b, n)
		return
	}
	h.tx.Use(b)
}

// findStrays looks for keys that stand in another leaf than the one of their position.
func (h *harvest) findStrays() error {
	h.stray = map[inspect.Source][]inspect.Range{}
	var found []btree.Piece
	rd := btree.NewReader(h.w.dev.R, &h.c.Geo, quiet)
	for _, leaf := range h.leaves() {
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
		(k.Offset()|k.Size()|p.Offset())&block == 0 && h.near(b, p.Gen())
}
