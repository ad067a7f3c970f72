// SPDX-License-Identifier: GPL-2.0-only

package btree

import (
	"encoding/binary"
	"math"

	"bctl/internal/bcache/ondisk"
)

// PlainKey is what a key with one pointer takes, in bytes.
const PlainKey = 24

// Of a plain key's high word: what it has besides inode, size and dirty.
const (
	plainBits  = 1<<63 | 1<<60
	plainOther = ^uint64(1<<20 - 1 | 0xffff<<20 | 1<<36)
	plainEnd   = 1 << 62 // far behind the end of any volume
)

// isPlain reports whether all keys of a leaf's bset are extents with one pointer and nothing odd, in order, without
// overlaps: nearly all bsets are, and this is quick to see.
func isPlain(b []byte) bool {
	if !hasPlainEight() || len(b) < 8*PlainKey {
		return arePlain(b, 0, 0)
	}
	n := 8 * PlainKey * plainEight(&b[0], len(b)/(8*PlainKey), &plainArgs{plainOther, plainBits, plainEnd})
	if n == 0 {
		return arePlain(b, 0, 0)
	}
	high, low := binary.LittleEndian.Uint64(b[n-PlainKey:]), binary.LittleEndian.Uint64(b[n-PlainKey+8:])
	return arePlain(b[n:], high&(1<<20-1), low)
}

// plainArgs are the bits of a high word that are the same in all plain keys, what they are, and the last end there can
// be. The assembly knows each by its place.
type plainArgs struct{ bits, are, end uint64 }

// arePlain is isPlain, where the key before is of inode and ends at end.
func arePlain(b []byte, inode, end uint64) bool {
	for ; len(b) >= PlainKey; b = b[PlainKey:] {
		k := b[:PlainKey:PlainKey]
		high, low := binary.LittleEndian.Uint64(k), binary.LittleEndian.Uint64(k[8:])
		if size := high >> 20 & 0xffff; high&plainOther != plainBits || size == 0 || low < size || low > plainEnd {
			return false
		} else if in := high & (1<<20 - 1); in == inode {
			if low-size < end {
				return false
			}
		} else if in < inode {
			return false
		} else {
			inode = in
		}
		end = low
	}
	return len(b) == 0
}

// Plain returns the keys of a whole leaf, bset by bset, oldest first, if they are extents with one pointer each, of
// PlainKey bytes, in order within their bset, and none overlaps another: then Extents would return each of them as it
// is. Of any other node it returns nil. What is returned is valid until the next Read.
func (n *Node) Plain() [][]byte {
	if !n.Whole || len(n.Sets) == 0 || len(n.Sets) > maxPlain {
		return nil
	}
	n.runs = n.runs[:0]
	for i := range n.Sets {
		s := &n.Sets[i]
		if !s.plain {
			return nil
		}
		n.runs = append(n.runs, n.Keys[s.from:s.to])
	}
	if len(n.runs) > 1 && !disjoint(n.runs) {
		return nil
	}
	return n.runs
}

// PlainEnds are where the first of plain keys in order begins, and the last ends.
func PlainEnds(keys []byte) (lo, hi ondisk.Pos) {
	at := func(b []byte) (ondisk.Pos, ondisk.Sector) {
		high := binary.LittleEndian.Uint64(b)
		return ondisk.Pos{Inode: uint32(high & (1<<20 - 1)), Offset: ondisk.Sector(binary.LittleEndian.Uint64(b[8:]))}, ondisk.Sector(high >> 20 & 0xffff)
	}
	lo, size := at(keys)
	lo.Offset -= size
	hi, _ = at(keys[len(keys)-PlainKey:])
	return lo, hi
}

// AnyClean reports whether any of plain keys is clean and of so many sectors.
func AnyClean(keys []byte, n ondisk.Sector) bool {
	for ; len(keys) >= PlainKey; keys = keys[PlainKey:] {
		if high := binary.LittleEndian.Uint64(keys); high&(0xffff<<20|1<<36) == uint64(n)<<20 {
			return true
		}
	}
	return false
}

// maxPlain is how many bsets are held against one another.
const maxPlain = 8

// disjoint reports whether no key of some plain bsets overlaps another's: of all keys by their start, none starts before
// the one before it ends.
func disjoint(runs [][]byte) bool {
	var rest [maxPlain][]byte
	var next [maxPlain]uint64 // where the first of the rest starts
	k := copy(rest[:], runs)
	for i := range k {
		next[i] = startPlace(rest[i])
	}
	for end := uint64(0); ; {
		least := 0
		for i := 1; i < k; i++ {
			if next[i] < next[least] {
				least = i
			}
		}
		switch start := next[least]; {
		case start == noPlace:
			return true
		case start < end || start == farPlace:
			return false
		}
		b := rest[least]
		end = place(binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]))
		if end == farPlace {
			return false
		}
		rest[least] = b[PlainKey:]
		next[least] = startPlace(rest[least])
	}
}

// A place is a position in one word, inode first; farPlace where it does not fit one, noPlace where there is no key.
const (
	placeBits = 44
	farPlace  = math.MaxUint64 - 1
	noPlace   = math.MaxUint64
)

func place(high, offset uint64) uint64 {
	if offset >= 1<<placeBits {
		return farPlace
	}
	return high<<placeBits | offset
}

func startPlace(b []byte) uint64 {
	if len(b) < PlainKey {
		return noPlace
	}
	high := binary.LittleEndian.Uint64(b)
	return place(high, binary.LittleEndian.Uint64(b[8:])-high>>20&0xffff)
}

// IsPlain reports whether p is the whole of its key, and that one is an extent with one pointer and nothing odd.
func (ks Keys) IsPlain(p *Piece) bool {
	k := ks[p.At:]
	if len(k) < PlainKey {
		return false
	}
	high, low := binary.LittleEndian.Uint64(k), ondisk.Sector(binary.LittleEndian.Uint64(k[8:]))
	return high&plainOther == plainBits && p.End == low && p.Start == low-ondisk.Sector(high>>20&0xffff) && low <= plainEnd
}

// expand notes the extents of a plain bset.
func (n *Node) expand(s *Set) {
	s.lo = len(n.pieces)
	for at := s.from; at < s.to; at += PlainKey {
		k := n.Keys[at : at+16]
		high, end := binary.LittleEndian.Uint64(k), binary.LittleEndian.Uint64(k[8:])
		n.pieces = append(n.pieces, Piece{
			Start: ondisk.Sector(end - high>>20&0xffff), End: ondisk.Sector(end), Inode: uint32(high & (1<<20 - 1)), At: uint32(at),
		})
	}
	s.hi, s.plain = len(n.pieces), false
}
