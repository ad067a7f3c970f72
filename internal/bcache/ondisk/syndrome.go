// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import (
	"encoding/binary"
	"math/bits"
)

// Syndromes are what each bit of a block, were it damaged, would put its checksum off by; bits of the checksum itself
// too. Damage of several bits puts it off by the xor of theirs, so few bits that are wrong anywhere can be sought.
type Syndromes struct {
	of    []uint64 // by bit: 8 times the byte from the checksum on, and the bit's place in it
	table []uint32 // of bits, plus one, by syndrome
	mask  uint64
}

// NewSyndromes are those of a block of n bytes, of which the first eight are the checksum.
func NewSyndromes(n int) *Syndromes {
	s := &Syndromes{of: make([]uint64, 8*max(n, 8))}
	for i := range 64 {
		s.of[i] = 1 << i
	}
	v := uint64(crcPoly)
	for at := n - 1; at >= 8; at-- {
		for bit := range 8 {
			s.of[8*at+bit] = v
			v = v<<1 ^ crcPoly&-(v>>63)
		}
	}
	size := 1 << bits.Len(uint(2*len(s.of)))
	s.table, s.mask = make([]uint32, size), uint64(size-1)
	for i, v := range s.of {
		h := s.slot(v)
		for s.table[h] != 0 {
			h = (h + 1) & s.mask
		}
		s.table[h] = uint32(i + 1)
	}
	return s
}

func (s *Syndromes) slot(v uint64) uint64 { return v * 0x9E3779B97F4A7C15 >> 20 & s.mask }

// Bits is how many there are.
func (s *Syndromes) Bits() int { return len(s.of) }

// Of is the syndrome of a bit.
func (s *Syndromes) Of(bit int) uint64 { return s.of[bit] }

// Bit is the bit that has a syndrome; ok is false where none has.
func (s *Syndromes) Bit(v uint64) (bit int, ok bool) {
	for h := s.slot(v); s.table[h] != 0; h = (h + 1) & s.mask {
		if i := int(s.table[h] - 1); s.of[i] == v {
			return i, true
		}
	}
	return 0, false
}

// Words yields, for each aligned word of a block of n bytes behind its checksum, the one damage to it that would put the
// checksum off by diff: what is to be xored over its little-endian value. It ends where yield returns false.
func Words(n int, diff uint64, yield func(off int, mask uint64) bool) {
	v := diff // divided by x^(64+t)
	for t := -64; t <= 8*(n-16); t++ {
		if t >= 0 && t%64 == 0 {
			if off := n - 8 - t/8; !yield(off, bits.ReverseBytes64(v)) {
				return
			}
		}
		if v&1 != 0 {
			v = (v^crcPoly)>>1 | 1<<63
		} else {
			v >>= 1
		}
	}
}

// OffBy is what the checksum of a block is off by: b begins with it; seed is that of a version 1 bset.
func OffBy(b []byte, seed uint64) uint64 {
	return binary.LittleEndian.Uint64(b) ^ Crc64Seeded(seed, b[8:])
}

// FindKeys is the one count of key words with which the bset at the start of b has its checksum, however many the header
// says; the rest of the header must be right. Seed is the pointer to its node. ok is false where there is none.
func FindKeys(b []byte, seed uint64) (keys uint32, ok bool) {
	var none [BsetBytes]byte
	if len(b) < BsetBytes {
		return 0, false
	}
	copy(none[:28], b)
	on := func(crc uint64, b []byte) uint64 { return ^Crc64Seeded(crc, b) } // its register
	crc := on(seed, none[8:])
	var bit [32]uint64 // what a bit of the count adds
	for i := range bit {
		var count [4]byte
		binary.LittleEndian.PutUint32(count[:], 1<<i)
		bit[i] = on(0, count[:])
	}
	want := ^binary.LittleEndian.Uint64(b)
	for at := BsetBytes; at+8 <= len(b); at += 8 {
		crc = on(crc, b[at:at+8])
		has := crc
		n := uint32(at+8-BsetBytes) / 8
		for i := range bit {
			bit[i] = on(bit[i], zeros[:])
			has ^= bit[i] & -uint64(n>>i&1)
		}
		if has == want {
			return n, true
		}
	}
	return 0, false
}

var zeros [8]byte
