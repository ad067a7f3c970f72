// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"slices"

	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// damagedLeaves takes the keys of leaves behind what a reader takes of them: those of good bsets behind a bad one, and
// what parses of the bad one itself. A key out of its leaf's range has a damaged position.
func (h *harvest) damagedLeaves() error {
	g := &h.c.Geo
	hurt := map[ondisk.Sector]bool{}
	var order []ondisk.Sector
	for _, f := range h.w.seen {
		if node, ok := damagedNode(f); ok && node.Level == 0 && !hurt[node.Sector] {
			hurt[node.Sector] = true
			order = append(order, node.Sector)
		}
	}
	if len(order) == 0 {
		return nil
	}
	known := map[ondisk.Sector]leaf{}
	for l := range h.leaves() {
		if at := l.key.Ptr[0].Offset(); hurt[at] {
			known[at] = l
		}
	}
	rd := btree.NewReader(h.w.dev.R, g, quiet)
	var all []btree.Piece
	for _, at := range order {
		p := ondisk.MakePtr(h.c.Buckets.Gen(g.BucketOf(at)), at, uint64(g.ThisDev))
		k := ondisk.MakeKey(ondisk.MaxInode, ondisk.MaxKeyOffset, g.NodeSectors)
		k.SetPtrs(1)
		k.Ptr[0] = p
		n := rd.Read(k, 0)
		got := h.scrape(h.readable(at.Bytes(), int(g.NodeSectors.Bytes())), n, p)
		if l, ok := known[at]; ok {
			got = slices.DeleteFunc(got, func(p btree.Piece) bool {
				return startOf(&p).Compare(l.lower) < 0 || endOf(&p).Compare(l.key.Pos()) > 0
			})
		}
		all = append(all, got...)
		if err := h.w.ctx.Err(); err != nil {
			return err
		}
	}
	if n := len(all); n > 0 {
		h.w.saw("btree: %d keys of damaged bsets are taken one by one", n)
	}
	h.scraped = btree.Resolve(all)
	return nil
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
			out = append(out, h.hold(&k))
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
