// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import (
	"encoding/binary"
	"fmt"
)

// UUIDEntryBytes is the size of a slot of the uuid bucket; of version 0 slots it is 64.
const UUIDEntryBytes, UUIDEntryV0Bytes = 128, 64

// UUIDEntry is struct uuid_entry: one volume. Its index in the uuid bucket is the inode of the volume's keys.
type UUIDEntry struct {
	UUID        UUID
	Label       [32]byte
	FirstReg    uint32 // seconds since 1970
	LastReg     uint32
	Invalidated uint32
	Flags       uint32
	Sectors     uint64 // of a flash-only volume
	Pad         [UUIDEntryBytes - 72]byte
}

const uuidFlashOnly field = 0<<8 | 1

// FlashOnly is UUID_FLASH_ONLY: the volume lives in the cache alone.
func (u *UUIDEntry) FlashOnly() bool { return uuidFlashOnly.get(uint64(u.Flags)) != 0 }

// DecodeUUIDEntry reads a slot. Any UUIDEntryBytes are one. Errors wrap ErrShort.
func DecodeUUIDEntry(b []byte) (u UUIDEntry, err error) {
	if len(b) < UUIDEntryBytes {
		return UUIDEntry{}, fmt.Errorf("uuid entry: %w: %d bytes", ErrShort, len(b))
	}
	le := binary.LittleEndian // by hand: a bucket has thousands of slots, and reflection takes a microsecond for each
	copy(u.UUID[:], b)
	copy(u.Label[:], b[16:])
	u.FirstReg, u.LastReg, u.Invalidated, u.Flags = le.Uint32(b[48:]), le.Uint32(b[52:]), le.Uint32(b[56:]), le.Uint32(b[60:])
	u.Sectors = le.Uint64(b[64:])
	copy(u.Pad[:], b[72:])
	return u, nil
}

// Append is DecodeUUIDEntry's inverse.
func (u *UUIDEntry) Append(b []byte) []byte {
	b, err := binary.Append(b, binary.LittleEndian, u)
	if err != nil {
		panic(err) // only if UUIDEntry stops being of fixed size
	}
	return b
}

// DecodeUUIDEntryV0 reads a struct uuid_entry_v0: no flags, no flash-only volumes. Errors wrap ErrShort.
func DecodeUUIDEntryV0(b []byte) (u UUIDEntry, err error) {
	if len(b) < UUIDEntryV0Bytes {
		return u, fmt.Errorf("uuid entry: %w: %d bytes", ErrShort, len(b))
	}
	var wide [UUIDEntryBytes]byte
	copy(wide[:60], b) // the last word is a pad
	return DecodeUUIDEntry(wide[:])
}
