// SPDX-License-Identifier: GPL-2.0-only

package btree

import (
	"iter"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/superblock"
)

// keys walks the keys of a bset once: it checks that they parse and stand in order, and notes the extents.
func (rd *Reader) keys(s *Set) {
	n := &rd.node
	if b := n.Keys[s.from:s.to]; n.Level == 0 && isPlain(b) {
		s.Count, s.sorted, s.plain = len(b)/PlainKey, true, true
		return
	}
	var w orderWatch
	w.leaf = n.Level == 0
	odd, zeros, atZero := 0, 0, 0
	var k ondisk.Bkey
	for at := s.from; at < s.to; {
		size, err := k.Decode(n.Keys[at:s.to])
		if err != nil {
			rd.emit(finding.BTOverrun, s.Sector, "key at byte %d: %v", at-s.from, err)
			n.Cut = true
			break
		}
		if !k.PadsZero() {
			odd++
		}
		w.next(&k)
		switch {
		case !w.leaf || k.Size() == 0:
		case k.IsZero():
			zeros++
		case k.Offset() == 0: // it covers nothing, so no extent will show that it is malformed (K62)
			atZero++
		default:
			n.pieces = append(n.pieces, Piece{Start: startOf(&k), End: k.Offset(), Inode: k.Inode(), At: uint32(at)})
		}
		s.Count++
		at += size
	}
	s.sorted = w.falls == 0 && w.overlaps == 0
	if odd > 0 {
		rd.emit(finding.BTKeyBits, s.Sector, "%d keys with unused bits set", odd)
	}
	if zeros > 0 {
		rd.emit(finding.BTZeroKey, s.Sector, "%d records of freed nodes", zeros)
	}
	if atZero > 0 {
		rd.emit(finding.EXSize, s.Sector, "%d extents that end at sector 0 of their volume", atZero)
	}
	if w.falls > 0 {
		rd.emit(finding.BTOrder, s.Sector, "%d keys out of order, first %s", w.falls, w.firstFall)
	}
	if w.overlaps > 0 {
		rd.emit(finding.BTOverlap, s.Sector, "%d keys overlap the one before, first %s", w.overlaps, w.firstOverlap)
	}
}

// startOf is KEY_START, but 0 where the size is above the offset (K62).
func startOf(k *ondisk.Bkey) ondisk.Sector {
	if k.Size() > k.Offset() {
		return 0
	}
	return k.Start()
}

// orderWatch checks what the kernel relies on within a bset: START and END never fall, and in a leaf two keys of
// size > 0 never overlap.
type orderWatch struct {
	leaf            bool
	started         bool
	end, start      ondisk.Pos
	covered         ondisk.Pos // the last end of a key of size > 0
	falls, overlaps int

	firstFall, firstOverlap string
}

func (w *orderWatch) next(k *ondisk.Bkey) {
	end, start := k.Pos(), ondisk.Pos{Inode: k.Inode(), Offset: startOf(k)}
	fell := w.started && (end.Compare(w.end) < 0 || w.leaf && start.Compare(w.start) < 0)
	if fell {
		if w.falls++; w.falls == 1 {
			w.firstFall = k.String()
		}
	}
	if w.leaf && k.Size() > 0 {
		if w.started && start.Compare(w.covered) < 0 && !fell {
			if w.overlaps++; w.overlaps == 1 {
				w.firstOverlap = k.String()
			}
		}
		w.covered = end
	}
	w.started, w.end, w.start = true, end, start
}

// Extents resolves a leaf: of every position the newest key of size > 0 wins, whatever it points to. The pieces
// are in order and do not overlap; neighbours are not merged. They are valid until the next Read.
func (n *Node) Extents() []Piece {
	for i := range n.Sets {
		if s := &n.Sets[i]; s.plain {
			n.expand(s)
		}
	}
	if len(n.Sets) == 1 && n.Sets[0].sorted {
		return n.pieces[n.Sets[0].lo:n.Sets[0].hi]
	}
	out, spare := n.merged[:0], n.spare[:0]
	for i := len(n.Sets) - 1; i >= 0; i-- {
		s := &n.Sets[i]
		older := n.pieces[s.lo:s.hi]
		if !s.sorted {
			older = Resolve(older)
		}
		spare = Overlay(spare[:0], out, older)
		out, spare = spare, out
	}
	n.merged, n.spare = out, spare
	return out
}

// Resolve orders pieces that come oldest first and in no order: the last of two that overlap wins.
func Resolve(oldestFirst []Piece) []Piece {
	if len(oldestFirst) < 2 {
		return oldestFirst
	}
	half := len(oldestFirst) / 2
	return Overlay(make([]Piece, 0, len(oldestFirst)), Resolve(oldestFirst[half:]), Resolve(oldestFirst[:half]))
}

// Overlay appends to dst the pieces of newer, and what they leave of older. Both are in order without overlaps,
// and so is the result.
func Overlay(dst, newer, older []Piece) []Piece { return overlay(dst, newer, older, true) }

// Under appends to dst what newer leaves of older.
func Under(dst, newer, older []Piece) []Piece { return overlay(dst, newer, older, false) }

func overlay(dst, newer, older []Piece, both bool) []Piece {
	i := 0
	take := func() {
		if both {
			dst = append(dst, newer[i])
		}
		i++
	}
	for _, o := range older {
		for i < len(newer) && endsBy(newer[i], o) {
			take()
		}
		at := o.Start
		for i < len(newer) && newer[i].Inode == o.Inode && newer[i].Start < o.End {
			v := newer[i]
			if v.Start > at {
				dst = append(dst, Piece{Start: at, End: v.Start, Inode: o.Inode, At: o.At})
			}
			at = max(at, v.End)
			if v.End > o.End {
				break // it goes on over the next older pieces
			}
			take()
		}
		if at < o.End {
			dst = append(dst, Piece{Start: at, End: o.End, Inode: o.Inode, At: o.At})
		}
	}
	if both {
		dst = append(dst, newer[i:]...)
	}
	return dst
}

// Before reports whether p starts before o.
func (p *Piece) Before(o *Piece) bool {
	return p.Inode < o.Inode || p.Inode == o.Inode && p.Start < o.Start
}

// endsBy reports whether p ends before o starts.
func endsBy(p, o Piece) bool {
	return p.Inode < o.Inode || p.Inode == o.Inode && p.End <= o.Start
}

// All yields each key of all bsets, dead ones too, with the number of its bset. A key is valid until the next.
func (n *Node) All() iter.Seq2[int, *ondisk.Bkey] {
	return func(yield func(int, *ondisk.Bkey) bool) {
		var k ondisk.Bkey
		for i, s := range n.Sets {
			for at := s.from; at < s.to; {
				size, err := k.Decode(n.Keys[at:s.to])
				if err != nil {
					break // reported
				}
				if !yield(i, &k) {
					return
				}
				at += size
			}
		}
	}
}

// Bytes is what stands on the device of bset i: its header and its keys.
func (n *Node) Bytes(i int) []byte {
	s := &n.Sets[i]
	return n.Keys[s.from-ondisk.BsetBytes : s.to]
}

// Used is how much of the node its bsets take, in sectors: the next one would start behind them.
func (n *Node) Used(g *superblock.Geometry) ondisk.Sector {
	if len(n.Sets) == 0 {
		return 0
	}
	s := &n.Sets[len(n.Sets)-1]
	return s.Sector + g.Blocks(s.BsetHeader.Bytes())
}

// Every calls do for each key of All.
func (n *Node) Every(do func(k *ondisk.Bkey)) {
	for _, k := range n.All() {
		do(k)
	}
}

// Children decodes the keys of an interior node, newest bset first.
func (n *Node) Children() []ondisk.Bkey {
	var out []ondisk.Bkey
	for i := len(n.Sets) - 1; i >= 0; i-- {
		keys, _ := ondisk.DecodeKeys(n.Keys[n.Sets[i].from:n.Sets[i].to]) // what does not parse is reported
		out = append(out, keys...)
	}
	return out
}
