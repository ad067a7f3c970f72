// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import "encoding/binary"

// The records of vscsiStats' traces as CloudPhysics published them, little-endian, without gaps:
//
//	v1: u32 serial, u32 length, u32 segments, u16 command, u16 version, u64 block, u64 time
//	v2: u16 command, u16 version, u32 serial, u32 length, u32 segments, u64 block, u64 time, u64 response
//
// Lengths are bytes, blocks sectors, times us. The version stands in the high byte, and some writers put it low.
const (
	vscsi1Bytes = 32
	vscsi2Bytes = 40
)

// vscsiVersion says which of the two records begin, or 0. A single one is believed if it reads or writes.
func vscsiVersion(begin []byte) int {
	for version, size := range [...]int{1: vscsi1Bytes, 2: vscsi2Bytes} {
		n := 0
		for at := 0; version > 0 && at+size <= len(begin) && n < 64; at += size {
			command, v := vscsiHead(begin[at:], version)
			if v != uint16(version) && v>>8 != uint16(version) || command > 0xff {
				n = -1
				break
			}
			n++
		}
		if n == 1 {
			command, _ := vscsiHead(begin, version)
			if _, ok := vscsiOp(command); !ok {
				n = 0
			}
		}
		if n > 0 {
			return version
		}
	}
	return 0
}

// vscsiHead is the command and the version of a record.
func vscsiHead(b []byte, version int) (command, v uint16) {
	if version == 1 {
		b = b[12:]
	}
	return binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])
}

// vscsiOp is what a SCSI command does.
func vscsiOp(command uint16) (op Op, ok bool) {
	switch command {
	case 0x08, 0x28, 0xa8, 0x88: // READ(6), (10), (12), (16)
		return Read, true
	case 0x0a, 0x2a, 0xaa, 0x8a, 0x2e, 0xae, 0x8e: // WRITE, and WRITE AND VERIFY
		return Write, true
	case 0x35, 0x91: // SYNCHRONIZE CACHE
		return Flush, true
	}
	return 0, false // UNMAP too: its places stand elsewhere
}

// decodeVscsi reads a record of either version.
func (r *Reader) decodeVscsi(b []byte, q *Request) (ok bool, err error) {
	version, length := 1, b[4:]
	if r.size == vscsi2Bytes {
		version, length = 2, b[8:]
	}
	command, _ := vscsiHead(b, version)
	*q = Request{Time: r.since(binary.LittleEndian.Uint64(b[24:]))}
	switch q.Op, ok = vscsiOp(command); {
	case !ok:
		r.skip(otherCommands)
		return false, nil
	case q.Op == Flush:
		return r.flush(q), nil
	}
	size := uint64(binary.LittleEndian.Uint32(length))
	err = q.sectorsAt(binary.LittleEndian.Uint64(b[16:]), (size+sectorBytes-1)/sectorBytes)
	return err == nil, err
}
