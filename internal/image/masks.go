// SPDX-License-Identifier: GPL-2.0-only

package image

import (
	"encoding/binary"
	"io"
	"math/bits"

	"bctl/internal/bcache/ondisk"
	"bctl/superblock"
)

// alike is in how many bits two names may differ and be one of which a few bits are damaged.
const alike = 16

// masks gives every uuid and every label another one, the same each time. What differs from another in a few bits
// differs from it in the same bits afterwards: damage stays what it was. No uuid, and the mark of an invalid slot, are
// no names, and stay.
type masks struct {
	rand   io.Reader
	uuids  []maskedUUID
	labels []maskedLabel
	failed error // of rand
}

type maskedUUID struct{ was, mask ondisk.UUID }

type maskedLabel struct{ was, now string }

func newMasks(rand io.Reader) *masks {
	return &masks{rand: rand, uuids: []maskedUUID{{}, {was: ondisk.InvalidUUID}}}
}

func (m *masks) random(b []byte) {
	if _, err := io.ReadFull(m.rand, b); err != nil && m.failed == nil {
		m.failed = err
	}
}

// maskOf is what u is xored with.
func (m *masks) maskOf(u ondisk.UUID) ondisk.UUID {
	for _, k := range m.uuids {
		if k.was.Distance(u) <= alike {
			return k.mask
		}
	}
	k := maskedUUID{was: u}
	m.random(k.mask[:])
	k.mask[6] &= 0x0f // the version and the variant stay
	k.mask[8] &= 0x3f
	k.mask[0] |= 1
	m.uuids = append(m.uuids, k)
	return k.mask
}

// uuid is the other one of u.
func (m *masks) uuid(u ondisk.UUID) ondisk.UUID {
	mask := m.maskOf(u)
	for i := range u {
		u[i] ^= mask[i]
	}
	return u
}

// magic is what the magics of a set are xored with whose own, without the constants, is set.
func (m *masks) magic(set uint64) uint64 {
	half := func(u ondisk.UUID) uint64 { return binary.LittleEndian.Uint64(u[:]) }
	for _, k := range m.uuids[2:] {
		if bits.OnesCount64(half(k.was)^set) <= alike/2 {
			return half(k.mask)
		}
	}
	var u ondisk.UUID
	binary.LittleEndian.PutUint64(u[:], set)
	return half(m.maskOf(u))
}

// label is the other one of l: as long, and with the kind of characters that it has.
func (m *masks) label(l [32]byte) [32]byte {
	text := superblock.Label(l)
	now := []byte(nil)
	for _, k := range m.labels {
		if differing(k.was, text) <= alike/2 {
			for i := range len(text) {
				now = append(now, k.now[i]^k.was[i]^text[i])
			}
			break
		}
	}
	if now == nil && text != "" {
		now = m.letters([]byte(text))
		m.labels = append(m.labels, maskedLabel{text, string(now)})
	}
	copy(l[copy(l[:], now):], m.letters(l[len(text):]))
	return l
}

// differing is in how many bits two texts differ.
func differing(a, b string) (n int) {
	if len(a) != len(b) {
		return 8 * 32
	}
	for i := range len(a) {
		n += bits.OnesCount8(a[i] ^ b[i])
	}
	return n
}

// letters are other characters of the same kind.
func (m *masks) letters(text []byte) []byte {
	random := make([]byte, len(text))
	m.random(random)
	out := make([]byte, len(text))
	for i, was := range text {
		first, count := byte(0x80), byte(0x80)
		switch {
		case was < 0x20 || was == 0x7f:
			out[i] = was
			continue
		case was < 0x40:
			first, count = '0', 10
		case was < 0x60:
			first, count = 'A', 26
		case was < 0x80:
			first, count = 'a', 26
		}
		out[i] = first + random[i]%count
		if out[i] == was {
			out[i] = first + (random[i]%count+1)%count
		}
	}
	return out
}
