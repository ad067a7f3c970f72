// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

const (
	jsetMagic = 0x245235c1a3625032
	psetMagic = 0x6750e15f87337f91
	bsetMagic = 0x90135c78b99e07f5
)

// JsetBytes is the size of a jset without its keys.
const JsetBytes = 240

// checkMagic compares a magic as read with the set's own.
func checkMagic(got, want uint64) error {
	switch got {
	case want:
		return nil
	case bits.ReverseBytes64(want):
		return ErrByteOrder
	}
	return fmt.Errorf("%w: %#x, want %#x", ErrMagic, got, want)
}

// A PaddedKey is a bkey in eight words: what lies behind its pointers is kept.
type PaddedKey struct {
	Bkey
	rest [paddedKeyBytes]byte
}

// Unused is what lies behind its pointers: whatever was in memory.
func (p *PaddedKey) Unused() []byte { return p.rest[min(8*p.Words(), len(p.rest)):] }

func decodePadded(b []byte) (p PaddedKey, err error) {
	copy(p.rest[:], b[:paddedKeyBytes])
	p.Bkey, _, err = DecodeKey(b[:paddedKeyBytes])
	return p, err
}

func (p *PaddedKey) append(b []byte) []byte {
	at := len(b)
	b = append(b, p.rest[:]...)
	p.Bkey.Append(b[:at])
	return b
}

// Jset is struct jset: one journal entry. Keys are replayed over the tree; the rest says where the tree, the
// uuids and the prio chain of that moment are.
type Jset struct {
	Csum, Magic, Seq uint64
	Version          uint32
	LastSeq          uint64
	UUIDBucket       PaddedKey
	BtreeRoot        PaddedKey
	Level            uint16
	Pad              [3]uint16
	PrioBucket       [MaxCachesPerSet]uint64
	Keys             []Bkey
}

// JsetSize reads how many bytes the jset at the start of b takes, checksum unread. b holds at least JsetBytes.
func JsetSize(b []byte) int64 { return JsetBytes + 8*int64(binary.LittleEndian.Uint32(b[28:])) }

// JsetNumbers reads the plain numbers of the header at the start of b, judging nothing; keys and padded keys are
// left out. b holds at least JsetBytes.
func JsetNumbers(b []byte) *Jset {
	le := binary.LittleEndian
	j := &Jset{
		Csum: le.Uint64(b), Magic: le.Uint64(b[8:]), Seq: le.Uint64(b[16:]),
		Version: le.Uint32(b[24:]), LastSeq: le.Uint64(b[32:]), Level: le.Uint16(b[168:]),
	}
	for i := range j.Pad {
		j.Pad[i] = le.Uint16(b[170+2*i:])
	}
	for i := range j.PrioBucket {
		j.PrioBucket[i] = le.Uint64(b[176+8*i:])
	}
	return j
}

// CheckJset judges the jset at the start of b, which may be longer, up to its keys: what journal_read_bucket does.
// Errors wrap ErrShort, ErrMagic, ErrByteOrder, ErrBounds (larger than b or than the kernel reads) or ErrChecksum.
func CheckJset(b []byte, setMagic uint64) error {
	if len(b) < JsetBytes {
		return fmt.Errorf("%w: %d bytes, want %d", ErrShort, len(b), JsetBytes)
	}
	j := JsetNumbers(b)
	if err := checkMagic(j.Magic, setMagic^jsetMagic); err != nil {
		return err
	}
	size := JsetSize(b)
	if size > int64(len(b)) || size > MaxJsetBytes {
		return fmt.Errorf("seq %d: %w: %d bytes", j.Seq, ErrBounds, size)
	}
	if want := Crc64(b[8:size]); j.Csum != want {
		return fmt.Errorf("seq %d: %w: %#016x, want %#016x", j.Seq, ErrChecksum, j.Csum, want)
	}
	return nil
}

// JsetHasMagic reports whether a jset's magic, in either byte order, stands at the start of b: what tells most blocks
// of a journal bucket apart without further ado.
func JsetHasMagic(b []byte, setMagic uint64) bool {
	if len(b) < JsetBytes {
		return false
	}
	got, want := binary.LittleEndian.Uint64(b[8:]), setMagic^jsetMagic
	return got == want || got == bits.ReverseBytes64(want)
}

// JsetSetMagic is the set's magic that b, of at least JsetBytes, has if it starts with a jset.
func JsetSetMagic(b []byte) uint64 { return binary.LittleEndian.Uint64(b[8:]) ^ jsetMagic }

// PutJsetMagic gives the jset at the start of b, of at least JsetBytes, the magic of its set.
func PutJsetMagic(b []byte, setMagic uint64) {
	binary.LittleEndian.PutUint64(b[8:], setMagic^jsetMagic)
}

// JsetButMagic reports whether b starts with a jset of which the magic alone is damaged.
func JsetButMagic(b []byte, setMagic uint64) bool {
	if len(b) < JsetBytes || binary.LittleEndian.Uint64(b[8:]) == setMagic^jsetMagic {
		return false
	}
	size := JsetSize(b)
	if size > int64(len(b)) || size > MaxJsetBytes {
		return false
	}
	magic := binary.LittleEndian.AppendUint64(nil, setMagic^jsetMagic)
	sum := Crc64Seeded(^Crc64(magic), b[16:size])
	return sum == binary.LittleEndian.Uint64(b)
}

// DecodeJset reads the jset at the start of b, which may be longer. Errors are CheckJset's or, behind a good
// checksum, wrap ErrKey.
func DecodeJset(b []byte, setMagic uint64) (*Jset, error) {
	if err := CheckJset(b, setMagic); err != nil {
		return nil, err
	}
	j := SalvageJset(b)
	b = b[:JsetSize(b)]
	if _, err := decodePadded(b[40:]); err != nil {
		return nil, fmt.Errorf("seq %d: uuid bucket: %w", j.Seq, err)
	}
	if _, err := decodePadded(b[104:]); err != nil {
		return nil, fmt.Errorf("seq %d: btree root: %w", j.Seq, err)
	}
	if _, err := DecodeKeys(b[JsetBytes:]); err != nil {
		return nil, fmt.Errorf("seq %d: %w", j.Seq, err)
	}
	return j, nil
}

// SalvageJset reads a jset that CheckJset lets pass as far as its keys parse.
func SalvageJset(b []byte) *Jset {
	j := JsetNumbers(b)
	j.UUIDBucket, _ = decodePadded(b[40:])
	j.BtreeRoot, _ = decodePadded(b[104:])
	j.Keys, _ = DecodeKeys(b[JsetBytes:JsetSize(b)])
	return j
}

// Append is DecodeJset's inverse; Csum is written as it stands.
func (j *Jset) Append(b []byte) []byte {
	le, at := binary.LittleEndian, len(b)
	b = le.AppendUint64(b, j.Csum)
	b = le.AppendUint64(b, j.Magic)
	b = le.AppendUint64(b, j.Seq)
	b = le.AppendUint32(b, j.Version)
	b = le.AppendUint32(b, 0) // the count of key words, known below
	b = le.AppendUint64(b, j.LastSeq)
	b = j.UUIDBucket.append(b)
	b = j.BtreeRoot.append(b)
	b = le.AppendUint16(b, j.Level)
	for _, p := range j.Pad {
		b = le.AppendUint16(b, p)
	}
	for _, p := range j.PrioBucket {
		b = le.AppendUint64(b, p)
	}
	b = AppendKeys(b, j.Keys)
	le.PutUint32(b[at+28:], uint32(len(b)-at-JsetBytes)/8)
	return b
}

// Seal sets magic and checksum, as journal_write_unlocked does last.
func (j *Jset) Seal(setMagic uint64) {
	j.Magic = setMagic ^ jsetMagic
	j.Csum = Crc64(j.Append(nil)[8:])
}
