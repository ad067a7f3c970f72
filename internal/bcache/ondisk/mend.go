// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import "encoding/binary"

// MendJset is the journal entry at the start of b as it was written, or nil.
func MendJset(b []byte, setMagic uint64) []byte {
	for _, keys := range Lengths(binary.LittleEndian.Uint32(b[28:]), (len(b)-JsetBytes)/8) {
		size := JsetBytes + 8*int(keys)
		try := append([]byte(nil), b[:size]...)
		binary.LittleEndian.PutUint32(try[28:], keys)
		PutJsetMagic(try, setMagic)
		if _, err := DecodeJset(try, setMagic); err == nil {
			return try
		}
	}
	size := JsetSize(b)
	if size > int64(len(b)) {
		return nil
	}
	if good, ok := Mend(b[:size]); ok {
		if _, err := DecodeJset(good, setMagic); err == nil {
			return good
		}
	}
	return nil
}

// Lengths are what a damaged count of words may have been: as it is, or but for a bit or a byte, up to most.
func Lengths(n uint32, most int) (out []uint32) {
	add := func(v uint32) {
		if int64(v) <= int64(most) {
			out = append(out, v)
		}
	}
	add(n)
	for i := range 4 {
		for v := range uint32(256) {
			if m := n&^(0xff<<(8*i)) | v<<(8*i); m != n {
				add(m)
			}
		}
	}
	return out
}

// MendBset is the bset at the start of b as it was written, or nil. seq is its node's, 0 for the first.
func MendBset(b []byte, seq, setMagic uint64, parent Ptr) []byte {
	h, err := DecodeBsetHeader(b)
	if err != nil {
		return nil
	}
	right := func(try []byte) bool {
		s, err := DecodeBset(try, setMagic, parent)
		return err == nil && s.Version <= BsetVersion && s.Seq != 0 && (seq == 0 || s.Seq == seq)
	}
	for _, keys := range Lengths(h.Keys, (len(b)-BsetBytes)/8) {
		size := BsetBytes + 8*int(keys)
		try := append([]byte(nil), b[:size]...)
		binary.LittleEndian.PutUint32(try[28:], keys)
		PutBsetMagic(try, setMagic)
		if right(try) {
			return try
		}
	}
	if h.Bytes() > int64(len(b)) {
		return nil
	}
	for _, mend := range []func([]byte) ([]byte, bool){
		func(b []byte) ([]byte, bool) { return MendSeeded(uint64(parent), b) },
		Mend,
	} {
		if good, ok := mend(b[:h.Bytes()]); ok && right(good) {
			return good
		}
	}
	return nil
}
