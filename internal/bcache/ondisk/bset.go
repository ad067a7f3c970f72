// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import (
	"encoding/binary"
	"fmt"
)

const (
	BsetBytes   = 32 // struct bset without its keys
	BsetVersion = 1  // BCACHE_BSET_VERSION: the checksum starts with the parent's ptr[0]
)

// BsetHeader is struct bset up to its keys.
type BsetHeader struct {
	Csum, Magic, Seq uint64
	Version          uint32
	Keys             uint32 // words of keys
}

// DecodeBsetHeader reads the header at the start of b and judges nothing. Errors wrap ErrShort.
func DecodeBsetHeader(b []byte) (h BsetHeader, err error) {
	if len(b) < BsetBytes {
		return h, fmt.Errorf("%w: %d bytes, want %d", ErrShort, len(b), BsetBytes)
	}
	le := binary.LittleEndian
	return BsetHeader{le.Uint64(b), le.Uint64(b[8:]), le.Uint64(b[16:]), le.Uint32(b[24:]), le.Uint32(b[28:])}, nil
}

// Bytes is set_bytes: header and keys.
func (h BsetHeader) Bytes() int64 { return BsetBytes + 8*int64(h.Keys) }

// BsetSetMagic is the set's magic by that of the bset at the start of b, of at least BsetBytes.
func BsetSetMagic(b []byte) uint64 { return binary.LittleEndian.Uint64(b[8:]) ^ bsetMagic }

// PutBsetMagic gives the bset at the start of b, of at least BsetBytes, the magic of its set.
func PutBsetMagic(b []byte, setMagic uint64) {
	binary.LittleEndian.PutUint64(b[8:], setMagic^bsetMagic)
}

// CheckMagic reports whether h belongs to the set. Errors wrap ErrMagic or ErrByteOrder.
func (h BsetHeader) CheckMagic(setMagic uint64) error {
	return checkMagic(h.Magic, setMagic^bsetMagic)
}

// HasMagic is CheckMagic for who asks of millions of buckets, and wants no words.
func (h BsetHeader) HasMagic(setMagic uint64) bool { return h.Magic == setMagic^bsetMagic }

// CheckSum judges b, the whole bset, whose node the pointer parent points to. Errors wrap ErrChecksum.
func (h BsetHeader) CheckSum(b []byte, parent Ptr) error {
	if want := h.checksum(b, parent); h.Csum != want {
		return fmt.Errorf("%w: %#016x, want %#016x", ErrChecksum, h.Csum, want)
	}
	return nil
}

// AnyGen is CheckSum for all gens that parent may have: it takes no longer than nine of them. What it returns reports
// whether a gen is right.
func (h BsetHeader) AnyGen(b []byte, parent Ptr) func(gen uint8) bool {
	base := parent &^ 0xff
	sum := h.checksum(b, base)
	var bits [8]uint64 // what each bit of the seed changes: the sum is linear in it
	for i := range bits {
		bits[i] = h.checksum(b, base|1<<i) ^ sum
	}
	return func(gen uint8) bool {
		s := sum
		for i, by := range bits {
			if gen>>i&1 != 0 {
				s ^= by
			}
		}
		return s == h.Csum
	}
}

func (h BsetHeader) checksum(b []byte, parent Ptr) uint64 {
	if h.Version == 0 {
		return Crc64(b[8:])
	}
	return Crc64Seeded(uint64(parent), b[8:])
}

// Bset is struct bset: one write of a btree node.
type Bset struct {
	BsetHeader
	Data []Bkey
}

// DecodeBset reads and judges the bset at the start of b, which may be longer. Errors wrap ErrShort, ErrMagic,
// ErrByteOrder, ErrBounds, ErrChecksum or ErrKey.
func DecodeBset(b []byte, setMagic uint64, parent Ptr) (*Bset, error) {
	h, err := DecodeBsetHeader(b)
	if err != nil {
		return nil, err
	}
	if err := h.CheckMagic(setMagic); err != nil {
		return nil, err
	}
	if h.Bytes() > int64(len(b)) {
		return nil, fmt.Errorf("%w: %d words of keys in %d bytes", ErrBounds, h.Keys, len(b))
	}
	b = b[:h.Bytes()]
	if err := h.CheckSum(b, parent); err != nil {
		return nil, err
	}
	keys, err := DecodeKeys(b[BsetBytes:])
	if err != nil {
		return nil, err
	}
	return &Bset{h, keys}, nil
}

// Append is DecodeBset's inverse; Csum is written as it stands, the count of key words is made anew.
func (s *Bset) Append(b []byte) []byte {
	le, at := binary.LittleEndian, len(b)
	b = le.AppendUint64(b, s.Csum)
	b = le.AppendUint64(b, s.Magic)
	b = le.AppendUint64(b, s.Seq)
	b = le.AppendUint32(b, s.Version)
	b = le.AppendUint32(b, 0)
	b = AppendKeys(b, s.Data)
	le.PutUint32(b[at+28:], uint32(len(b)-at-BsetBytes)/8)
	return b
}

// Seal sets magic and checksum for a node that the pointer parent points to.
func (s *Bset) Seal(setMagic uint64, parent Ptr) {
	s.Magic = setMagic ^ bsetMagic
	b := s.Append(nil)
	s.Keys = uint32(len(b)-BsetBytes) / 8
	s.Csum = s.checksum(b, parent)
}

// SealBset makes the header of the bset that fills b, of which the keys are there already, for a node that the pointer
// parent points to. It is Seal for those who have no Bset.
func SealBset(b []byte, seq, setMagic uint64, parent Ptr) {
	le := binary.LittleEndian
	le.PutUint64(b[8:], setMagic^bsetMagic)
	le.PutUint64(b[16:], seq)
	le.PutUint32(b[24:], BsetVersion)
	le.PutUint32(b[28:], uint32(len(b)-BsetBytes)/8)
	le.PutUint64(b, Crc64Seeded(uint64(parent), b[8:]))
}
