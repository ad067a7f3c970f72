// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import (
	"encoding/binary"
	"fmt"
	"slices"
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
	p := new(PrioSet)
	if err := p.Decode(b, setMagic); err != nil {
		return nil, err
	}
	return p, nil
}

// Decode is DecodePrioSet into p, for those who read one after the other. With an error p is left as it was.
func (p *PrioSet) Decode(b []byte, setMagic uint64) error {
	if len(b) < PrioSetBytes {
		return fmt.Errorf("%w: %d bytes, want %d", ErrShort, len(b), PrioSetBytes)
	}
	if is, want := binary.LittleEndian.Uint64(b), Crc64(b[8:]); is != want {
		return fmt.Errorf("%w: %#016x, want %#016x", ErrChecksum, is, want)
	}
	if err := checkMagic(binary.LittleEndian.Uint64(b[8:]), setMagic^psetMagic); err != nil {
		return err
	}
	p.Salvage(b)
	return nil
}

// PrioSetHasMagic reports whether b, of at least PrioSetBytes, has a prio_set's magic, whatever its checksum.
func PrioSetHasMagic(b []byte, setMagic uint64) bool {
	return binary.LittleEndian.Uint64(b[8:]) == setMagic^psetMagic
}

// SalvagePrioSet reads a prio_set and judges nothing. b holds at least PrioSetBytes.
func SalvagePrioSet(b []byte) *PrioSet {
	p := new(PrioSet)
	p.Salvage(b)
	return p
}

// Salvage is SalvagePrioSet into p.
func (p *PrioSet) Salvage(b []byte) {
	le := binary.LittleEndian
	rest := b[PrioSetBytes:]
	n := len(rest) / PrioEntryBytes
	data := p.Data[:0]
	if cap(data) < n {
		data = make([]PrioEntry, n)
	}
	data = data[:n]
	for i := range data {
		e := rest[:PrioEntryBytes:PrioEntryBytes]
		data[i] = PrioEntry{Prio: le.Uint16(e), Gen: e[2]}
		rest = rest[PrioEntryBytes:]
	}
	*p = PrioSet{
		Csum: le.Uint64(b), Magic: le.Uint64(b[8:]), Seq: le.Uint64(b[16:]),
		Version: le.Uint32(b[24:]), Pad: le.Uint32(b[28:]), NextBucket: le.Uint64(b[32:]),
		Data: data, Tail: append([]byte(nil), rest...),
	}
}

// Append is DecodePrioSet's inverse; Csum is written as it stands.
func (p *PrioSet) Append(b []byte) []byte {
	le := binary.LittleEndian
	b = slices.Grow(b, PrioSetBytes+PrioEntryBytes*len(p.Data)+len(p.Tail))
	b = le.AppendUint64(b, p.Csum)
	b = le.AppendUint64(b, p.Magic)
	b = le.AppendUint64(b, p.Seq)
	b = le.AppendUint32(b, p.Version)
	b = le.AppendUint32(b, p.Pad)
	b = le.AppendUint64(b, p.NextBucket)
	data := b[len(b):][:PrioEntryBytes*len(p.Data)]
	b = b[:len(b)+len(data)]
	for _, e := range p.Data {
		data[0], data[1], data[2] = byte(e.Prio), byte(e.Prio>>8), e.Gen
		data = data[PrioEntryBytes:]
	}
	return append(b, p.Tail...)
}

// Seal sets magic and checksum, as bch_prio_write does before each bucket.
func (p *PrioSet) Seal(setMagic uint64) { p.seal(setMagic) }

// seal is Seal, and returns p encoded.
func (p *PrioSet) seal(setMagic uint64) []byte {
	p.Magic = setMagic ^ psetMagic
	b := p.Append(nil)
	p.Csum = Crc64(b[8:])
	binary.LittleEndian.PutUint64(b, p.Csum)
	return b
}
