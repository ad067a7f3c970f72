// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"bytes"
	"slices"

	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// damagedLeaves takes the keys of leaves behind what a reader takes of them: those of good bsets behind a bad one, and
// what parses of the bad one itself. A key out of its leaf's range has a damaged position.
func (h *harvest) damagedLeaves() error {
	g := &h.c.Geo
	h.scanned, h.stood = map[ondisk.Sector]bool{}, map[inspect.Source][]inspect.Range{}
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
	for _, l := range h.leaves() {
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
		n.Every(h.stand)
		if n.Whole && !n.Cut {
			continue
		}
		l, ok := known[at]
		s := &scraper{h: h, raw: h.readable(at.Bytes(), int(g.NodeSectors.Bytes())), parent: p, span: inspect.Everything}
		if ok {
			s.span = l.span()
		}
		s.leaf(n)
		all = append(all, s.out...)
		if ok {
			h.scanned[at] = true
			h.doubt, h.first = append(h.doubt, s.doubt...), append(h.first, s.first...)
			h.shaky, h.blank = append(h.shaky, s.shaky...), append(h.blank, s.blank...)
		}
		if err := h.w.ctx.Err(); err != nil {
			return err
		}
	}
	for _, rs := range []*[]inspect.Range{&h.doubt, &h.first, &h.shaky, &h.blank} {
		*rs = joined(*rs)
	}
	if n := len(all); n > 0 {
		h.w.saw("btree: %d keys of damaged bsets are taken one by one", n)
	}
	h.scraped = btree.Resolve(all)
	return nil
}

// stand notes a key of a good bset of a damaged leaf.
func (h *harvest) stand(k *ondisk.Bkey) {
	if k.Ptrs() == 1 && k.Size() > 0 && k.Size() <= k.Offset() {
		from := inspect.SourceOf(k)
		h.stood[from] = append(h.stood[from], inspect.Of(k.Inode(), k.Start(), k.Offset()))
	}
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

// A scraper takes what it can from a leaf of which a bset is damaged: the good bsets behind it, and of the damaged ones
// every key that stands in order. Within a bset keys do not overlap and their ends rise, so what is lost between two of
// them lay between their places.
type scraper struct {
	h      *harvest
	raw    []byte
	parent ondisk.Ptr
	span   inspect.Range // of the leaf

	out    []btree.Piece
	places map[ondisk.BsetHeader]int // of its good bsets, the first of each

	ran   bool            // the damage may go on where the last damaged bset ends
	zeros bool            // it ends in zeros
	doubt []inspect.Range // where keys are lost, and no later bset tells
	first []inspect.Range // likewise, of the first bset: older leaves may tell
	shaky []inspect.Range // where the last word is a key of a damaged bset
	blank []inspect.Range // those of them where it leads nowhere: that may be the damage
}

// leaf takes all that a reader did not take for n.
func (s *scraper) leaf(n *btree.Node) {
	at, seq := 0, uint64(0)
	for _, set := range n.Sets {
		if s.set(int(set.Sector.Bytes()), set.Seq) == nil {
			at, s.doubt = 0, []inspect.Range{s.span} // what the others have is newer than a copy
			break
		}
		at, seq = int((set.Sector + s.h.c.Geo.Blocks(set.Bytes())).Bytes()), set.Seq
	}
	begun := false // a damaged bset was taken: the next may be the unused rest
	for at+ondisk.BsetBytes <= len(s.raw) {
		if set := s.set(at, seq); set != nil {
			s.keep(s.h.bset(set.Data))
			for i := range set.Data {
				s.h.stand(&set.Data[i])
			}
			at, seq, s.ran = at+int(s.h.c.Geo.Blocks(set.Bytes()).Bytes()), set.Seq, false
			continue
		}
		next := at + int(s.h.c.Geo.BlockSectors.Bytes())
		for next+ondisk.BsetBytes <= len(s.raw) && s.set(next, seq) == nil {
			next += int(s.h.c.Geo.BlockSectors.Bytes())
		}
		last := next+ondisk.BsetBytes > len(s.raw)
		if last && begun && !s.headed(at, seq) && !s.journalled(at) {
			if s.ran && !s.unused(at) { // another may have begun there
				s.out = append(s.out, s.h.veil(btree.Resolve(slices.Clone(s.out)), s.h.keys, []inspect.Range{s.span}, s.h.hold)...)
				s.doubt = joined(append(s.doubt, s.span))
			}
			return
		}
		begun = true
		at += s.damaged(at, min(next, len(s.raw)), seq, last)
	}
}

// set is the bset at a place of the node, or nil. Its checksum starts with the pointer to the node. One that stands
// earlier too is none, if not next to it: a block was written over another. A journal that is replayed twice leaves them
// side by side.
func (s *scraper) set(at int, seq uint64) *ondisk.Bset {
	set, err := ondisk.DecodeBset(s.raw[at:], s.h.c.Geo.SetMagic, s.parent)
	if err != nil || seq != 0 && set.Seq != seq {
		return nil
	}
	if s.places == nil {
		s.places = map[ondisk.BsetHeader]int{}
	}
	if first, known := s.places[set.BsetHeader]; !known || at < first {
		s.places[set.BsetHeader] = at
	}
	if s.isCopy(at, &set.BsetHeader) {
		return nil
	}
	return set
}

// seqAt is the seq of the node: seq, if it is known, else that of the bset at a place behind; 0 where that tells nothing.
func (s *scraper) seqAt(at int, seq uint64) uint64 {
	if seq == 0 && at+ondisk.BsetBytes <= len(s.raw) {
		if set := s.set(at, 0); set != nil {
			return set.Seq
		}
	}
	return seq
}

func (s *scraper) isCopy(at int, head *ondisk.BsetHeader) bool {
	first, known := s.places[*head]
	return known && at > first+int(s.h.c.Geo.Blocks(head.Bytes()).Bytes())
}

// headed reports whether a bset of the node begins at a place, by what is left of its header.
func (s *scraper) headed(at int, seq uint64) bool {
	head, err := ondisk.DecodeBsetHeader(s.raw[at:])
	return err == nil && head.Bytes() <= int64(len(s.raw)-at) && (seq != 0 && head.Seq == seq || head.CheckMagic(s.h.c.Geo.SetMagic) == nil && seq == 0)
}

// keep takes pieces that are newer than all before.
func (s *scraper) keep(ps []btree.Piece) {
	s.out = append(s.out, ps...)
	told := joined(rangesOf(ps))
	for _, rs := range []*[]inspect.Range{&s.doubt, &s.first, &s.shaky, &s.blank} {
		*rs = minus(*rs, told)
	}
}

// damaged takes the keys of the bset that begins at a place, and ends before another: last says that nothing follows, so
// that its end is not known. It returns how many bytes it took.
func (s *scraper) damaged(at, next int, seq uint64, last bool) int {
	end, sure := next, false // sure: the header says where it ends
	head, err := ondisk.DecodeBsetHeader(s.raw[at:])
	node := s.seqAt(next, seq)
	headed := err == nil && s.headed(at, seq) && !s.isCopy(at, &head)
	if headed {
		blocks := int(s.h.c.Geo.Blocks(head.Bytes()).Bytes())
		if sure = at+blocks <= next && (!last || at+blocks < next); sure { // what stands between is of others that are damaged
			end, next = at+int(head.Bytes()), at+blocks
		}
	}
	all := stands(s.raw[:end], at+ondisk.BsetBytes, !sure && last, func(k *ondisk.Bkey) bool {
		return s.h.parses(k) && k.Pos().Compare(s.span.To) <= 0 && (ondisk.Pos{Inode: k.Inode(), Offset: k.Start()}).Compare(s.span.From) >= 0
	})
	keys := s.agreeing(slices.DeleteFunc(markBlended(all, inOrder(all)), func(one stand) bool { return one.blended && !s.h.inRing(&one.k) }))
	known := err == nil && !s.isCopy(at, &head) && (head.CheckMagic(s.h.c.Geo.SetMagic) == nil && node == 0 || node != 0 && head.Seq == node)
	strange := !known && len(keys) > 0 && keys[0].from < at+ondisk.SectorBytes
	gaps := []inspect.Range{s.span}
	if !known {
		keys = s.own(keys, strange)
	}
	if !strange {
		gaps = s.gaps(keys, at+ondisk.BsetBytes, end, sure)
	}
	ps, blank := s.take(keys)
	s.zeros = bytes.Count(s.raw[max(end-8, at):end], []byte{0}) == min(8, end-at)
	gaps = slices.DeleteFunc(gaps, func(r inspect.Range) bool { return r.From.Compare(r.To) >= 0 })
	if at == 0 {
		s.first = joined(slices.Clone(gaps))
	}
	s.keep(ps)
	s.shaky = joined(append(s.shaky, rangesOf(ps)...))
	s.blank = joined(append(s.blank, blank...))
	s.doubt = joined(append(s.doubt, gaps...))
	s.out = append(s.out, s.h.veil(btree.Resolve(slices.Clone(s.out)), s.h.keys, joined(gaps), s.h.hold)...)
	return next - at
}

// parses reports whether bytes are a key that the kernel may have written: an extent, or what is left of one that is
// stale or was replaced. Random bytes do not pass: most of the bits follow from what is known.
func (h *harvest) parses(k *ondisk.Bkey) bool {
	g := &h.c.Geo
	if k.Ptrs() == 1 && !k.Dirty() && k.Size() == g.NodeSectors && h.inBucket(k) && g.Remainder(k.Ptr[0].Offset()) == 0 && h.w.hasMagic(g, k) {
		return false // it leads to a node: of an interior one that was written here
	}
	if h.sound(k) {
		return true
	}
	if k.Size() > k.Offset() || k.Ptrs() > 1 || !k.PadsZero() || (k.Offset()|k.Size())&(g.BlockSectors-1) != 0 ||
		int(k.Inode()) >= len(h.c.UUIDs) || h.c.UUIDs[k.Inode()] == (ondisk.UUIDEntry{}) {
		return false
	}
	if k.Ptrs() == 0 || k.Ptr[0].Dev() == ondisk.PtrCheckDev {
		return !k.Dirty()
	}
	return k.Size() == 0 && h.inBucket(k) || h.harmless(k)
}

// inBucket reports whether a key's pointer leads to a bucket of data.
func (h *harvest) inBucket(k *ondisk.Bkey) bool {
	p := k.Ptr[0]
	return p.Dev() == uint64(h.c.Geo.ThisDev) && h.c.Geo.Contains(h.c.Geo.BucketOf(p.Offset())) && p.Offset()&(h.c.Geo.BlockSectors-1) == 0
}

// bset keeps the sound keys of a bset that can be read, and those that cut what lies below them and lead nowhere.
func (h *harvest) bset(keys []ondisk.Bkey) (out []btree.Piece) {
	for i := range keys {
		out = append(out, h.pieceOf(&keys[i])...)
	}
	return out
}

// pieceOf keeps a key: without its pointer, where that leads nowhere. It is nothing where it covers nothing.
func (h *harvest) pieceOf(k *ondisk.Bkey) []btree.Piece {
	switch one := *k; {
	case h.sound(&one):
		return []btree.Piece{h.glean1(&one)}
	case one.Size() > 0 && one.Size() <= one.Offset():
		one.SetPtrs(0)
		return []btree.Piece{h.hold(&one)}
	}
	return nil
}
