// SPDX-License-Identifier: GPL-2.0-only

// Package uuids reads and writes the uuid bucket: the slots that name the volumes of a cache.
//
//	newest jset -> uuid_bucket -> | slot 0 | slot 1 | ... | slot nr_uuids-1 |
//	slot i   uuid label first_reg last_reg invalidated flags sectors; i is the inode of the volume's keys
//
// It has neither magic nor checksum. The kernel writes the whole bucket anew, elsewhere, when a volume is attached,
// detached or registered, and then a journal entry that leads to it. A slot once used is never used for another
// volume: detaching leaves the mark of an invalid one.
package uuids

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/full"
	"bctl/superblock"
)

// State is what a slot says of its volume.
type State uint8

const (
	Empty State = iota // never used
	Valid
	Invalid // detached or destroyed: never used again
)

func (s State) String() string { return [...]string{"empty", "valid", "invalid"}[s] }

// StateOf classifies a slot.
func StateOf(u *ondisk.UUIDEntry) State {
	switch {
	case u.UUID.IsZero():
		return Empty
	case u.UUID == ondisk.InvalidUUID:
		return Invalid
	}
	return Valid
}

// WasFlash reports whether a slot is that of a flash-only volume that was destroyed: the kernel takes away the flag, and
// leaves the size, which no cached device's slot has.
func WasFlash(u *ondisk.UUIDEntry) bool { return StateOf(u) == Invalid && u.Sectors > 0 }

// Garbage reports whether a slot holds what nobody wrote as one: more than a flipped bit or two in the bytes that are
// always zero, unknown flags and no text for a label, or no times and a uuid that is half zeros. The bucket has no checksum
// that would say so.
func Garbage(u *ondisk.UUIDEntry) bool {
	odd := 0
	for _, b := range u.Pad {
		if b != 0 {
			odd++
		}
	}
	bare := StateOf(u) == Valid && u.FirstReg == 0 && u.LastReg == 0 && bytes.Count(u.UUID[:], []byte{0}) >= len(u.UUID)/2
	return odd > 2 || bare || u.Flags&^1 != 0 && !superblock.PrintableLabel(u.Label)
}

// Table is all slots of a cache, by inode.
type Table []ondisk.UUIDEntry

// ErrTooMany says that a bucket has not so many slots.
var ErrTooMany = errors.New("more volumes than slots")

// Read reads the bucket that starts at sector at. Slots are of the form that the journal entry's version says.
// Errors are r's, or io.ErrUnexpectedEOF.
func Read(r io.ReaderAt, g *superblock.Geometry, at ondisk.Sector, jsetVersion uint32) (Table, error) {
	b := make([]byte, g.MetaSectors.Bytes())
	if err := full.ReadAt(r, b, at.Bytes()); err != nil {
		return nil, err
	}
	return Decode(b, jsetVersion), nil
}

// Decode reads the slots of b, a whole bucket. Any bytes are some.
func Decode(b []byte, jsetVersion uint32) Table {
	size, decode := ondisk.UUIDEntryBytes, ondisk.DecodeUUIDEntry
	if jsetVersion == 0 {
		size, decode = ondisk.UUIDEntryV0Bytes, ondisk.DecodeUUIDEntryV0
	}
	n := len(b) / ondisk.UUIDEntryBytes // c->nr_uuids, in the old form too
	t := make(Table, 0, n)
	for i := range n {
		u, err := decode(b[i*size:])
		if err != nil {
			break // cannot be: n slots of either size fit
		}
		t = append(t, u)
	}
	return t
}

// Encode is the whole bucket, in the form of today, decoded again and compared; slots that t does not name are empty.
// Errors wrap ErrTooMany or ondisk.ErrEncode.
func (t Table) Encode(g *superblock.Geometry) ([]byte, error) {
	if len(t) > g.NrUUIDs() {
		return nil, fmt.Errorf("%w: %d volumes, %d slots", ErrTooMany, len(t), g.NrUUIDs())
	}
	b := t.append(make([]byte, 0, g.MetaSectors.Bytes()))
	b = b[:cap(b)]
	if !bytes.Equal(Decode(b, 1).append(nil), b) {
		return nil, fmt.Errorf("uuids: %w", ondisk.ErrEncode)
	}
	return b, nil
}

func (t Table) append(b []byte) []byte {
	for i := range t {
		b = t[i].Append(b)
	}
	return b
}

// Garbage counts the slots that are none.
func (t Table) Garbage() (n int) {
	for i := range t {
		if Garbage(&t[i]) {
			n++
		}
	}
	return n
}

// State is that of slot i, which may be beyond the table: empty.
func (t Table) State(i uint32) State {
	if int64(i) >= int64(len(t)) {
		return Empty
	}
	return StateOf(&t[i])
}

// Find is uuid_find: the inode of the first slot that holds u, which is neither zero nor the mark of an invalid slot.
func (t Table) Find(u ondisk.UUID) (inode uint32, ok bool) {
	if u.IsZero() || u == ondisk.InvalidUUID {
		return 0, false
	}
	i := slices.IndexFunc(t, func(e ondisk.UUIDEntry) bool { return e.UUID == u })
	return uint32(max(i, 0)), i >= 0
}

// FirstEmpty is uuid_find_empty: the inode that the next volume gets.
func (t Table) FirstEmpty() (inode uint32, ok bool) {
	i := slices.IndexFunc(t, func(e ondisk.UUIDEntry) bool { return e.UUID.IsZero() })
	return uint32(max(i, 0)), i >= 0
}

// Count is how many slots are in a state.
func (t Table) Count(s State) (n int) {
	for i := range t {
		if StateOf(&t[i]) == s {
			n++
		}
	}
	return n
}
