// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"slices"

	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// glean looks for keys where the tree lost nodes: in every bucket that nothing uses and that holds a node of this set,
// and behind the bsets that could be read of those that are damaged.
func (h *harvest) glean() error {
	over, err := h.damagedLeaves()
	if err != nil {
		return err
	}
	under, err := h.orphans()
	if err != nil {
		return err
	}
	tree := btree.Overlay(nil, btree.Resolve(over), h.tree)
	h.found = btree.Overlay(nil, h.jrnl, tree)
	left := btree.Under(nil, h.found, btree.Resolve(under))
	h.found = btree.Overlay(nil, h.found, left)
	var k ondisk.Bkey
	h.found = slices.DeleteFunc(h.found, func(p btree.Piece) bool {
		h.keys.Key(p, &k)
		return k.Ptrs() == 0 // it has cut what it covers
	})
	if n := len(over); n > 0 {
		h.w.saw("btree: %d keys of damaged bsets are taken one by one", n)
	}
	if n := len(left); n > 0 {
		h.w.saw("btree: %d extents come from leaves that nothing leads to", n)
	}
	return nil
}

// orphans are the extents of all leaves that nothing leads to, but whose pointer would be live.
func (h *harvest) orphans() (out []btree.Piece, err error) {
	c, g := h.c, &h.c.Geo
	rd := btree.NewReader(h.w.dev.R, g, func(finding.Finding) {})
	head := make([]byte, ondisk.BsetBytes)
	for b := g.FirstBucket; b < g.NBuckets; b++ {
		if err := h.w.ctx.Err(); err != nil {
			return nil, err
		}
		if c.Buckets.Mark(b) != inspect.Free {
			continue
		}
		if n, _ := h.w.dev.R.ReadAt(head, g.Start(b).Bytes()); n < len(head) {
			continue
		}
		first, err := ondisk.DecodeBsetHeader(head)
		if err != nil || first.Seq == 0 || first.CheckMagic(g.SetMagic) != nil {
			continue
		}
		n := h.orphan(rd, b, first)
		if n == nil || h.w.isInterior(g, n) {
			continue
		}
		h.w.node[b] = true
		out = append(out, h.keepNode(n)...)
	}
	return out, nil
}

// orphan reads the node in bucket b, if a pointer to it would be live: nothing but its checksums tells the pointer's
// gen.
func (h *harvest) orphan(rd *btree.Reader, b ondisk.Bucket, first ondisk.BsetHeader) *btree.Node {
	g := &h.c.Geo
	raw, err := readAll(h.w.dev.R, g.Start(b).Bytes(), int(g.NodeSectors.Bytes()))
	if err != nil || first.Bytes() > int64(len(raw)) {
		return nil
	}
	gens := 3 // one handed out after the last prio write is ahead of it
	if !h.c.Buckets.GenKnown(b) {
		gens = 256
	}
	for i := range gens {
		gen := h.c.Buckets.DiskGen(b) + uint8(i)
		p := ondisk.MakePtr(gen, g.Start(b), uint64(g.ThisDev))
		if first.CheckSum(raw[:first.Bytes()], p) != nil || ondisk.GenAfter(h.gens[b], gen) > 0 {
			continue
		}
		k := ondisk.MakeKey(ondisk.MaxInode, ondisk.MaxKeyOffset, g.NodeSectors)
		k.SetPtrs(1)
		k.Ptr[0] = p
		return rd.Read(k, 0)
	}
	return nil
}

// keepNode keeps what a leaf holds, as far as it is sound.
func (h *harvest) keepNode(n *btree.Node) (out []btree.Piece) {
	var k ondisk.Bkey
	for _, p := range n.Extents() {
		n.Keys.Key(p, &k)
		if h.sound(&k) {
			out = append(out, h.glean1(&k))
		}
	}
	return out
}

// glean1 keeps a key that the tree does not lead to, and raises its bucket's gen as registration would.
func (h *harvest) glean1(k *ondisk.Bkey) btree.Piece {
	b := h.c.Geo.BucketOf(k.Ptr[0].Offset())
	if ahead := k.Ptr[0].Gen() - h.gens[b]; ahead > 0 && ahead < 128 {
		h.gens[b] = k.Ptr[0].Gen()
	}
	p := btree.Piece{Start: k.Start(), End: k.Offset(), Inode: k.Inode(), At: uint32(len(h.keys))}
	h.keys = k.Append(h.keys)
	return p
}

// sound reports whether a key is an extent that the kernel would take, and not stale. Random bytes do not pass: most
// of the key's bits follow from what is known.
func (h *harvest) sound(k *ondisk.Bkey) bool {
	g := &h.c.Geo
	if k.Size() == 0 || k.Size() > k.Offset() || k.Ptrs() != 1 || !k.PadsZero() || int(k.Inode()) >= g.NrUUIDs() {
		return false
	}
	if _, damaged := h.w.bad[*k]; damaged {
		return false
	}
	if end, ok := h.w.ends[k.Inode()]; ok && k.Offset() > end {
		return false
	}
	p := k.Ptr[0]
	b := g.BucketOf(p.Offset())
	block := g.BlockSectors - 1
	return p.Dev() == uint64(g.ThisDev) && g.Contains(b) && g.Remainder(p.Offset())+k.Size() <= g.BucketSectors &&
		(k.Offset()|k.Size()|p.Offset())&block == 0 && h.c.Buckets.Mark(b) != inspect.Metadata && !h.w.node[b] && h.near(b, p.Gen()) &&
		(len(h.c.UUIDs) == 0 || h.c.UUIDs[k.Inode()] != (ondisk.UUIDEntry{}))
}

// near reports whether a gen is the bucket's, or so little ahead that no prio write came between.
func (h *harvest) near(b ondisk.Bucket, gen uint8) bool {
	if !h.c.Buckets.GenKnown(b) && !h.c.Buckets.GenSeen(b) {
		return true
	}
	return gen-h.gens[b] <= 2
}

// damagedLeaves are the keys of leaves behind what a reader takes of them: those of good bsets behind a bad one, and
// what parses of the bad one itself.
func (h *harvest) damagedLeaves() (out []btree.Piece, err error) {
	g := &h.c.Geo
	rd := btree.NewReader(h.w.dev.R, g, func(finding.Finding) {})
	seen := map[ondisk.Sector]bool{}
	for _, f := range h.w.seen {
		node, ok := damagedNode(f)
		if !ok || node.Level != 0 || seen[node.Sector] {
			continue
		}
		seen[node.Sector] = true
		p := ondisk.MakePtr(h.c.Buckets.Gen(node.Bucket), node.Sector, uint64(g.ThisDev))
		k := ondisk.MakeKey(ondisk.MaxInode, ondisk.MaxKeyOffset, g.NodeSectors)
		k.SetPtrs(1)
		k.Ptr[0] = p
		n := rd.Read(k, 0)
		raw := h.readable(node.Sector.Bytes(), int(g.NodeSectors.Bytes()))
		out = append(out, h.scrape(raw, n, p)...)
	}
	return out, h.w.ctx.Err()
}

// damagedNode is the node that a finding says could not be read whole.
func damagedNode(f finding.Finding) (finding.Node, bool) {
	if f.Severity == finding.Damage {
		switch s := f.Subject.(type) {
		case finding.Bset:
			return s.Node, true
		case finding.Node:
			return s, f.Code == finding.BTUnread
		}
	}
	return finding.Node{}, false
}

// readable reads sector by sector what can be read; the rest is zero.
func (h *harvest) readable(off int64, n int) []byte {
	if b, err := readAll(h.w.dev.R, off, n); err == nil {
		return b
	}
	out := make([]byte, n)
	for at := 0; at+ondisk.SectorBytes <= n; at += ondisk.SectorBytes {
		sector := out[at : at+ondisk.SectorBytes]
		if got, _ := h.w.dev.R.ReadAt(sector, off+int64(at)); got < len(sector) {
			clear(sector)
		}
	}
	return out
}

// scrape takes sound keys from raw, a leaf, behind the bsets of n.
func (h *harvest) scrape(raw []byte, n *btree.Node, parent ondisk.Ptr) (out []btree.Piece) {
	g := &h.c.Geo
	at, seq := 0, uint64(0)
	for _, s := range n.Sets {
		at, seq = int((s.Sector + g.Blocks(s.Bytes())).Bytes()), s.Seq
	}
	if n.Whole {
		return nil
	}
	var run []ondisk.Bkey // keys of a bset that its checksum refuses
	for at+ondisk.BsetBytes <= len(raw) {
		if s, err := ondisk.DecodeBset(raw[at:], g.SetMagic, parent); err == nil && (seq == 0 || s.Seq == seq) && at%int(g.BlockSectors.Bytes()) == 0 {
			out = append(out, h.inOrder(run)...)
			out = append(out, h.bset(s.Data)...)
			at += int(g.Blocks(s.Bytes()).Bytes())
			seq, run = s.Seq, run[:0]
			continue
		}
		var k ondisk.Bkey
		size, err := k.Decode(raw[at:])
		if err != nil || !h.sound(&k) {
			at += 8
			continue
		}
		run = append(run, k)
		at += size
	}
	return append(out, h.inOrder(run)...)
}

// bset keeps the sound keys of a bset that can be read, and those that cut what lies below them and lead nowhere.
func (h *harvest) bset(keys []ondisk.Bkey) (out []btree.Piece) {
	for i := range keys {
		k := keys[i]
		switch {
		case h.sound(&k):
			out = append(out, h.glean1(&k))
		case k.Size() > 0 && k.Size() <= k.Offset():
			k.SetPtrs(0)
			out = append(out, btree.Piece{Start: k.Start(), End: k.Offset(), Inode: k.Inode(), At: uint32(len(h.keys))})
			h.keys = k.Append(h.keys)
		}
	}
	return out
}

// inOrder keeps the sound keys of a bset that stand where its order wants them: one that is behind its follower has a
// damaged position, if its follower fits what is before it.
func (h *harvest) inOrder(keys []ondisk.Bkey) (out []btree.Piece) {
	var last ondisk.Pos
	for i := range keys {
		k := &keys[i]
		astray := i+1 < len(keys) && keys[i+1].Pos().Compare(k.Pos()) < 0 && keys[i+1].Pos().Compare(last) >= 0
		if !h.sound(k) || astray || k.Pos().Compare(last) < 0 {
			continue
		}
		last = k.Pos()
		out = append(out, h.glean1(k))
	}
	return out
}
