// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
)

// newer reports whether an orphan comes before another where both tell: the one that fewer others come after; else the
// later bucket, for lack of anything better.
func (o *orphan) newer(p *orphan) bool {
	if o.age != p.age {
		return o.age < p.age
	}
	return o.bucket > p.bucket
}

// age finds out which of two orphans that overlap is a newer version of the other. The kernel splits and rewrites a leaf
// by putting all of its keys into the first bset of a new one, so the first bset of the newer has what the older has.
func (h *harvest) age(rd *btree.Reader) {
	for i := range h.orphans {
		a := &h.orphans[i]
		for j := i + 1; j < len(h.orphans) && h.orphans[j].lo.Compare(a.hi) < 0; j++ {
			if h.w.ctx.Err() != nil {
				return
			}
			b := &h.orphans[j]
			inA, inB := h.shared(rd, a, b)
			switch {
			case inA > inB:
				b.age++
			case inB > inA, a.bucket < b.bucket:
				a.age++
			default:
				b.age++
			}
		}
	}
}

// shared is how much of b the first bset of a has, in thousandths of what b has between the ends of a, and the other way
// round.
func (h *harvest) shared(rd *btree.Reader, a, b *orphan) (inA, inB int64) {
	firstA, allA := h.mapped(rd, a)
	firstB, allB := h.mapped(rd, b)
	return portion(firstA, allB, a), portion(firstB, allA, b)
}

// A mapped extent is where the cache has some sectors.
type mapped struct {
	btree.Piece
	at    ondisk.Sector
	dirty bool
}

// mapped are the sound extents of an orphan's first bset, and of all of it, in order.
func (h *harvest) mapped(rd *btree.Reader, o *orphan) (first, all []mapped) {
	n := rd.Read(o.key(&h.c.Geo), 0)
	take := func(ps []btree.Piece) (out []mapped) {
		var k ondisk.Bkey
		for _, p := range ps {
			if n.Keys.Key(p, &k); k.Ptrs() == 1 && h.legal(&k) {
				out = append(out, mapped{p, k.Ptr[0].Offset(), k.Dirty()})
			}
		}
		return out
	}
	all = take(n.Extents())
	if len(n.Sets) == 0 {
		return nil, all
	}
	var ps []btree.Piece
	at := int(n.Sets[0].Sector.Bytes()) + ondisk.BsetBytes
	keys, _ := ondisk.DecodeKeys(n.Keys[at : at+int(n.Sets[0].Bytes())-ondisk.BsetBytes]) // as far as they parse
	for i := range keys {
		k := &keys[i]
		if k.Size() > 0 && k.Size() <= k.Offset() {
			ps = append(ps, btree.Piece{Start: k.Start(), End: k.Offset(), Inode: k.Inode(), At: uint32(at)})
		}
		at += 8 * k.Words()
	}
	return take(btree.Resolve(ps)), all
}

// portion is how much of all between the ends of o is in first too, at the same place, in thousandths.
func portion(first, all []mapped, o *orphan) int64 {
	var same, total ondisk.Sector
	i := 0
	for j := range all {
		m := &all[j]
		if startOf(&m.Piece).Compare(o.lo) < 0 || endOf(&m.Piece).Compare(o.hi) > 0 {
			continue
		}
		total += m.End - m.Start
		for i < len(first) && endOf(&first[i].Piece).Compare(startOf(&m.Piece)) <= 0 {
			i++
		}
		for f := i; f < len(first) && startOf(&first[f].Piece).Compare(endOf(&m.Piece)) < 0; f++ {
			x := &first[f]
			from, to := max(x.Start, m.Start), min(x.End, m.End)
			if x.Inode == m.Inode && from < to && x.at+from-x.Start == m.at+from-m.Start {
				same += to - from
			}
		}
	}
	if total == 0 {
		return 0
	}
	return int64(1000 * same / total)
}
