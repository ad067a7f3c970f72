// SPDX-License-Identifier: GPL-2.0-only

package image

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/superblock"
)

// A scrub takes from blocks of metadata what is nobody's business: names, and whatever old bytes stand between the
// structures. Checksums are made anew by what they change: CRC-64 is linear, so a checksum that was off by something is
// off by the same afterwards, whatever it starts with, and what could be corrected can be corrected still.
type scrub struct {
	g     *superblock.Geometry
	masks *masks
	magic uint64 // what magics are xored with
	odd   uint64 // what the sequence numbers of headers are xored with that are none of this set
}

// mendsAtMost is how many damaged structures of a bucket are tried to be corrected: it takes time, and there are few.
const mendsAtMost = 8

// A span is a structure in a block: size bytes, from its checksum on.
type span struct {
	at, size int
	swapped  bool // of a machine of the other byte order
}

// reseal gives the structures of out their magics, and their checksums by what out differs from old.
func (s *scrub) reseal(old, out []byte, spans []span) {
	le := binary.LittleEndian
	for _, p := range spans {
		x := s.magic
		if p.swapped {
			x = bits.ReverseBytes64(x)
		}
		le.PutUint64(out[p.at+8:], le.Uint64(old[p.at+8:])^x)
	}
	for i := len(spans) - 1; i >= 0; i-- { // one that is damaged may reach over those behind it, and their checksums
		p := spans[i]
		was, now := old[p.at:p.at+p.size], out[p.at:p.at+p.size]
		le.PutUint64(now, le.Uint64(was)^ondisk.Crc64(was[8:])^ondisk.Crc64(now[8:]))
	}
}

// super is the superblock's 4096 bytes.
func (s *scrub) super(b []byte) []byte {
	old, err := ondisk.DecodeSuper(b)
	if err != nil {
		return make([]byte, len(b))
	}
	out := *old
	out.UUID, out.SetUUID, out.Label = s.masks.uuid(old.UUID), s.masks.uuid(old.SetUUID), s.masks.label(old.Label)
	if old.Keys <= ondisk.JournalBuckets {
		clear(out.Tail[:])
	}
	for i := range out.D { // those behind the last that counts may be of a superblock whose count was lost, or anything
		if out.D[i]>>32 != 0 && i >= int(old.Keys) {
			out.D[i] = 0
		}
	}
	out.Csum = old.Csum ^ old.Checksum() ^ out.Checksum()
	return out.Append(make([]byte, 0, len(b)))
}

// ring is a journal bucket: its entries, those of older laps too, and those that are damaged, as far as they are some.
func (s *scrub) ring(b []byte) []byte {
	out, spans, mends := make([]byte, len(b)), []span(nil), mendsAtMost
	block := int(s.g.BlockSectors.Bytes())
	for at := 0; at+ondisk.JsetBytes <= len(b); {
		w := b[at:min(len(b), at+ondisk.MaxJsetBytes)]
		size, whole := s.jset(w, &mends)
		if size == 0 {
			at += block
			continue
		}
		spans = append(spans, span{at, size, errors.Is(ondisk.CheckJset(w, s.g.SetMagic), ondisk.ErrByteOrder)})
		copy(out[at:], w[:size])
		if !whole {
			s.keys(out[at+ondisk.JsetBytes : at+size])
			at += block
			continue
		}
		at += int(s.g.Blocks(int64(size)).Bytes())
	}
	s.reseal(b, out, spans)
	return out
}

// jset is how long the entry at the start of b is, 0 where there is none, and whether it is as it was written but for
// damage that can be corrected.
func (s *scrub) jset(b []byte, mends *int) (size int, whole bool) {
	set := s.g.SetMagic
	if ondisk.CheckJset(b, set) == nil {
		return int(ondisk.JsetSize(b)), true
	}
	if !ondisk.JsetHasMagic(b, set) && !ondisk.JsetButMagic(b, set) {
		return 0, false
	}
	if *mends--; *mends >= 0 {
		if good := ondisk.MendJset(b, set); good != nil {
			return len(good), true
		}
	}
	if n := ondisk.JsetSize(b); n <= int64(len(b)) {
		return int(n), false
	}
	return ondisk.JsetBytes, false
}

// prios is a prio set's bucket. One that is nothing of the kind may be anything: nothing of it stays.
func (s *scrub) prios(b []byte) []byte {
	out := make([]byte, len(b))
	if len(b) < ondisk.PrioSetBytes {
		return out
	}
	_, err := ondisk.DecodePrioSet(b, s.g.SetMagic)
	if err != nil && !ondisk.PrioSetHasMagic(b, s.g.SetMagic) && binary.LittleEndian.Uint64(b) != ondisk.Crc64(b[8:]) {
		if _, ok := ondisk.Mend(b); !ok {
			return out
		}
	}
	copy(out, b)
	s.reseal(b, out, []span{{0, len(b), false}})
	return out
}

// table is the uuid bucket: what slots do not say is zero.
func (s *scrub) table(b []byte, jsetVersion uint32) []byte {
	out := make([]byte, 0, len(b))
	for _, u := range uuids.Decode(b, jsetVersion) {
		u.UUID, u.Label = s.masks.uuid(u.UUID), s.masks.label(u.Label)
		for i, was := range u.Pad {
			u.Pad[i] = min(was, 1)
		}
		at := len(out)
		out = u.Append(out)
		if jsetVersion == 0 {
			out = out[:at+ondisk.UUIDEntryV0Bytes]
		}
	}
	return append(out, make([]byte, len(b)-len(out))...)
}

// isTable reports whether a bucket may hold slots: no more of those that are used say what they cannot say than others
// do, but for a few.
func isTable(b []byte, jsetVersion uint32) bool {
	bad, used := 0, 0
	for _, u := range uuids.Decode(b, jsetVersion) {
		if u == (ondisk.UUIDEntry{}) {
			continue
		}
		used++
		if u.Pad != [len(u.Pad)]byte{} || u.Flags&^1 != 0 {
			bad++
		}
	}
	return bad <= max(used/2, 2)
}

// node is a btree node that the pointer parent leads to: its bsets, and those that are damaged, as far as they are some.
func (s *scrub) node(b []byte, parent ondisk.Ptr) []byte {
	out, spans := make([]byte, len(b)), []span(nil)
	first, err := ondisk.DecodeBsetHeader(b)
	if err != nil {
		return out
	}
	block := int(s.g.BlockSectors.Bytes())
	w := walk{first: first.Seq, parent: parent, mends: mendsAtMost}
	for at := 0; at+ondisk.BsetBytes <= len(b); {
		size, whole := s.bset(b[at:], at == 0, &w)
		if size == 0 {
			at += block
			continue
		}
		spans = append(spans, span{at, size, swapped(b[at:], s.g.SetMagic)})
		copy(out[at:], b[at:at+size])
		if !whole {
			s.keys(out[at+ondisk.BsetBytes : at+size])
			at += block
			continue
		}
		at += int(s.g.Blocks(int64(size)).Bytes())
	}
	if first.CheckMagic(s.g.SetMagic) != nil && len(spans) > 0 && ondisk.MendBset(b, 0, s.g.SetMagic, parent) == nil { // none of this set
		spans = spans[:1]
		clear(out[ondisk.BsetBytes:])
		if first.Seq != 0 {
			binary.LittleEndian.PutUint64(out[16:], first.Seq^s.odd)
		}
	}
	s.reseal(b, out, spans)
	return out
}

// A walk goes through the blocks of a node.
type walk struct {
	first  uint64 // the node's seq
	parent ondisk.Ptr
	mends  int
	ended  bool // behind the node's last bset
}

// bset is how long the bset at the start of b is, 0 where there is none of the walk's node, and whether it is as it was
// written but for damage that can be corrected.
func (s *scrub) bset(b []byte, isFirst bool, w *walk) (size int, whole bool) {
	h, err := ondisk.DecodeBsetHeader(b)
	if err != nil {
		return 0, false
	}
	fits := h.Version <= ondisk.BsetVersion && h.Bytes() <= int64(len(b)) && h.CheckMagic(s.g.SetMagic) == nil
	switch ours := isFirst || h.Seq == w.first; {
	case ours && fits && h.CheckSum(b[:h.Bytes()], w.parent) == nil:
		return int(h.Bytes()), true
	case !ours && (w.ended || !fits):
		w.ended = true
		return 0, false
	case !ours: // but its seq alone may be damaged
		w.ended = true
		again := append([]byte(nil), b[:h.Bytes()]...)
		binary.LittleEndian.PutUint64(again[16:], w.first)
		if h.CheckSum(again, w.parent) == nil {
			return len(again), true
		}
		return 0, false
	}
	seq := w.first
	if isFirst {
		seq = 0
	}
	if w.mends--; w.mends >= 0 {
		if good := ondisk.MendBset(b, seq, s.g.SetMagic, w.parent); good != nil {
			return len(good), true
		}
	}
	return int(max(ondisk.BsetBytes, min(h.Bytes(), int64(len(b))))), false
}

func swapped(b []byte, set uint64) bool {
	h, err := ondisk.DecodeBsetHeader(b)
	return err == nil && errors.Is(h.CheckMagic(set), ondisk.ErrByteOrder)
}

// keys leaves in words what can be keys of this cache: what a damaged structure covers may be anything.
func (s *scrub) keys(words []byte) {
	var k ondisk.Bkey
	for at := 0; at+8 <= len(words); {
		n, err := k.Decode(words[at:])
		if err != nil || !s.plausible(&k) {
			clear(words[at : at+8])
			at += 8
			continue
		}
		at += n
	}
}

func (s *scrub) plausible(k *ondisk.Bkey) bool {
	if !k.PadsZero() || k.Ptrs() > 1 || k.Inode() != ondisk.MaxInode && int(k.Inode()) >= s.g.NrUUIDs() {
		return false
	}
	p := k.Ptr[0]
	return k.Ptrs() == 0 || p.Dev() == ondisk.PtrCheckDev || p.Dev() == uint64(s.g.ThisDev) && s.g.Contains(s.g.BucketOf(p.Offset()))
}

// parentOf is the pointer that the node in b, at a sector, was written for, by the checksum of its first bset; that of
// gen where none fits.
func (s *scrub) parentOf(b []byte, at ondisk.Sector, gen uint8) ondisk.Ptr {
	guess := ondisk.MakePtr(gen, at, uint64(s.g.ThisDev))
	h, err := ondisk.DecodeBsetHeader(b)
	if err != nil || h.CheckMagic(s.g.SetMagic) != nil || h.Bytes() > int64(len(b)) {
		return guess
	}
	// What a bit of the pointer makes of the checksum is the same whatever the rest is.
	off := func(p ondisk.Ptr) uint64 { return ondisk.Crc64Seeded(uint64(p), b[8:h.Bytes()]) ^ h.Csum }
	diff := off(guess)
	if diff == 0 || h.Version == 0 {
		return guess
	}
	var bit [8]uint64
	for i := range bit {
		bit[i] = diff ^ off(ondisk.MakePtr(gen^1<<i, at, uint64(s.g.ThisDev)))
	}
	for x := 1; x < 256; x++ {
		sum := diff
		for m := uint8(x); m != 0; m &= m - 1 {
			sum ^= bit[bits.TrailingZeros8(m)]
		}
		if sum == 0 {
			return ondisk.MakePtr(gen^uint8(x), at, uint64(s.g.ThisDev))
		}
	}
	return guess
}
