// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import (
	"bytes"
	"errors"
)

// A block that is to be written is decoded again and compared first.

// again makes sure that b, just encoded, decodes to what encodes to the same bytes.
func again(b []byte, decoded interface{ Append([]byte) []byte }, err error) ([]byte, error) {
	if err != nil || !bytes.Equal(decoded.Append(make([]byte, 0, len(b))), b) {
		return nil, errors.Join(ErrEncode, err)
	}
	return b, nil
}

// Sealed seals p and encodes it. Errors wrap ErrEncode.
func (p *PrioSet) Sealed(setMagic uint64) ([]byte, error) {
	b := p.seal(setMagic)
	got, err := DecodePrioSet(b, setMagic)
	return again(b, got, err)
}

// Sealed seals j and encodes it. Errors wrap ErrEncode.
func (j *Jset) Sealed(setMagic uint64) ([]byte, error) {
	j.Seal(setMagic)
	b := j.Append(nil)
	got, err := DecodeJset(b, setMagic)
	return again(b, got, err)
}

// Sealed seals s for a node that the pointer parent points to, and encodes it. Errors wrap ErrEncode.
func (s *Bset) Sealed(setMagic uint64, parent Ptr) ([]byte, error) {
	s.Seal(setMagic, parent)
	b := s.Append(nil)
	got, err := DecodeBset(b, setMagic, parent)
	return again(b, got, err)
}
