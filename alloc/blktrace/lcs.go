// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import (
	"encoding/binary"
	"fmt"
)

// A trace of libCacheSim's lcs format begins with a header, of which a reader needs the magics at both ends and the
// version behind the first: it says which record follows, little-endian, without gaps.
//
//	1      u32 time, u64 object, u32 size, i64 next access
//	2      u32 time, u64 object, u32 size, u8 operation, u24 tenant, i64 next access
//	3..8   u32 time, u64 object, i64 size, u8 operation, u24 tenant, u32 ttl, i64 next access, and features
//
// The header has 8192 bytes; it had 1024 once, and before that a format string in the version's place.
const lcsMagic = 0x123456789abcdef0

var (
	lcsHeaders = [...]int{8192, 1024}
	lcsSizes   = [...]int{1: 24, 2: 28, 3: 36, 4: 40, 5: 44, 6: 52, 7: 68, 8: 100}
)

// lcsHeader reads a header. It returns how long it is, 0 if it is none, and the version.
func lcsHeader(begin []byte) (size int, version uint64) {
	if len(begin) < 16 || binary.LittleEndian.Uint64(begin) != lcsMagic {
		return 0, 0
	}
	version = binary.LittleEndian.Uint64(begin[8:])
	if f := string(begin[8:13]); f == "<IQIQ" || f == "<IQIq" {
		version = 1
	}
	for _, size := range lcsHeaders {
		if len(begin) >= size && binary.LittleEndian.Uint64(begin[size-8:]) == lcsMagic {
			return size, version
		}
	}
	return 0, 0
}

// beginLCS sets up for the records behind the header.
func (r *Reader) beginLCS(begin []byte) error {
	size, version := lcsHeader(begin)
	switch {
	case size == 0:
		return fmt.Errorf("%w: no header of lcs", ErrFormat)
	case version == 0 || version >= uint64(len(lcsSizes)):
		return fmt.Errorf("%w: lcs of version %d, at most %d are known", ErrFormat, version, len(lcsSizes)-1)
	}
	r.from, r.size, r.unit = size, lcsSizes[version], "record"
	switch version {
	case 1:
		r.decode = (*Reader).decodeOracle
	case 2:
		r.decode = (*Reader).decodeLCS2
	default:
		r.decode = (*Reader).decodeLCS3
	}
	return nil
}

// lcsOps are the operations, by libCacheSim's numbers. Those that the trace does not tell (0) read, as there.
var lcsOps = [...]Op{
	3: Write, 4: Write, 5: Write, 6: Write, 7: Write, 8: Write, // set, add, cas, replace, append, prepend
	9:  Trim,             // delete
	10: Write, 11: Write, // increment, decrement
	12: Read, 13: Write, 14: Write, // read, write, update
}

func (r *Reader) decodeLCS2(b []byte, q *Request) (bool, error) {
	return r.lcsRequest(b, uint64(binary.LittleEndian.Uint32(b[12:])), b[16:], q)
}

func (r *Reader) decodeLCS3(b []byte, q *Request) (bool, error) {
	return r.lcsRequest(b, binary.LittleEndian.Uint64(b[12:]), b[20:], q)
}

// lcsRequest makes a request of a record with operation and tenant.
func (r *Reader) lcsRequest(b []byte, size uint64, who []byte, q *Request) (_ bool, err error) {
	*q = Request{Time: r.since(uint64(binary.LittleEndian.Uint32(b)) * 1e6)}
	if op := int(who[0]); op < len(lcsOps) {
		q.Op = lcsOps[op]
	} else if op != 0xff { // invalid: not told
		r.skip(otherCommands)
		return false, nil
	}
	if q.Volume, err = r.vols.number(who[1:4]); err != nil {
		return false, err
	}
	err = q.objectAt(binary.LittleEndian.Uint64(b[4:]), size)
	return err == nil, err
}
