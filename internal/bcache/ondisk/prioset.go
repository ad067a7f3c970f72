// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import (
	"encoding/binary"
	"fmt"
)

const (
	PrioSetBytes   = 40 // struct prio_set up to data[]
	PrioEntryBytes = 3  // struct bucket_disk: prio, gen
)

// PrioEntry is struct bucket_disk: what the allocator must know of a bucket before it may reuse it.
type PrioEntry struct {
	Prio uint16
	Gen  uint8
}

// PrioSet is struct prio_set: the prios and gens of as many buckets as fit one metadata bucket. The entries of
// the last set behind the last bucket are leftovers of another set.
type PrioSet struct {
	Csum, Magic, Seq uint64
	Version, Pad     uint32
	NextBucket       uint64 // the chain's next; in the last set the head of the chain before
	Data             []PrioEntry
	Tail             []byte // what is too short for another entry
}

// DecodePrioSet reads the prio_set that fills b, one metadata bucket. Errors wrap ErrShort, ErrMagic,
// ErrByteOrder or ErrChecksum; the checksum is judged first, as prio_read does.
func DecodePrioSet(b []byte, setMagic uint64) (*PrioSet, error) {
	if len(b) < PrioSetBytes {
		return nil, fmt.Errorf("%w: %d bytes, want %d", ErrShort, len(b), PrioSetBytes)
	}
	p := SalvagePrioSet(b)
	if want := Crc64(b[8:]); p.Csum != want {
		return nil, fmt.Errorf("%w: %#016x, want %#016x", ErrChecksum, p.Csum, want)
	}
	if err := checkMagic(p.Magic, setMagic^psetMagic); err != nil {
		return nil, err
	}
	return p, nil
}

// PrioSetHasMagic reports whether b, of at least PrioSetBytes, has a prio_set's magic, whatever its checksum.
func PrioSetHasMagic(b []byte, setMagic uint64) bool {
	return binary.LittleEndian.Uint64(b[8:]) == setMagic^psetMagic
}

// SalvagePrioSet reads a prio_set and judges nothing. b holds at least PrioSetBytes.
func SalvagePrioSet(b []byte) *PrioSet {
	le := binary.LittleEndian
	p := &PrioSet{
		Csum: le.Uint64(b), Magic: le.Uint64(b[8:]), Seq: le.Uint64(b[16:]),
		Version: le.Uint32(b[24:]), Pad: le.Uint32(b[28:]), NextBucket: le.Uint64(b[32:]),
	}
	rest := b[PrioSetBytes:]
	p.Data = make([]PrioEntry, 0, len(rest)/PrioEntryBytes)
	for ; len(rest) >= PrioEntryBytes; rest = rest[PrioEntryBytes:] {
		p.Data = append(p.Data, PrioEntry{Prio: le.Uint16(rest), Gen: rest[2]})
	}
	p.Tail = append([]byte(nil), rest...)
	return p
}

// Append is DecodePrioSet's inverse; Csum is written as it stands.
func (p *PrioSet) Append(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint64(b, p.Csum)
	b = le.AppendUint64(b, p.Magic)
	b = le.AppendUint64(b, p.Seq)
	b = le.AppendUint32(b, p.Version)
	b = le.AppendUint32(b, p.Pad)
	b = le.AppendUint64(b, p.NextBucket)
	for _, e := range p.Data {
		b = append(le.AppendUint16(b, e.Prio), e.Gen)
	}
	return append(b, p.Tail...)
}

// Seal sets magic and checksum, as bch_prio_write does before each bucket.
func (p *PrioSet) Seal(setMagic uint64) {
	p.Magic = setMagic ^ psetMagic
	p.Csum = Crc64(p.Append(nil)[8:])
}
