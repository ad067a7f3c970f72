// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	objectBytes = 24 // u32 time, u64 object, u32 size, i64 next access

	// objectStride is how far apart two objects are put. Traces of blocks number them in 4 KiB or in sectors:
	// 4 KiB keeps objects of up to a block apart in both.
	objectStride = 4096 / sectorBytes
)

// readObjects reads records of oracleGeneral. They do not tell reads from writes: all are reads.
func (r *Reader) readObjects(batch []Request) (n int, err error) {
	for n < len(batch) {
		if r.to-r.from < objectBytes {
			if err := r.moreObjects(); err != nil {
				return n, err
			}
		}
		for n < len(batch) && r.to-r.from >= objectBytes {
			b := r.buf[r.from : r.from+objectBytes]
			r.from += objectBytes
			r.record++
			q := &batch[n]
			object, size := binary.LittleEndian.Uint64(b[4:]), uint64(binary.LittleEndian.Uint32(b[12:]))
			if size == 0 {
				return n, r.at(fmt.Errorf("object %d: size 0", object))
			}
			*q = Request{
				Time:    r.since(uint64(binary.LittleEndian.Uint32(b)) * 1e6),
				Sector:  object * objectStride & (MaxSector - 1) &^ (objectStride - 1), // ids may be hashes of 64 bits
				Sectors: uint32((size + sectorBytes - 1) / sectorBytes),
			}
			if q.Sector+uint64(q.Sectors) > MaxSector {
				q.Sector = 0
			}
			n++
		}
	}
	return n, nil
}

// moreObjects reads until there is a record, or tells the end.
func (r *Reader) moreObjects() error {
	for r.to-r.from < objectBytes && r.err == nil {
		r.fill()
	}
	switch {
	case r.to-r.from >= objectBytes:
		return nil
	case r.err != io.EOF:
		return r.err
	case r.to > r.from:
		r.record++
		return r.at(errors.New("cut short"))
	}
	return io.EOF
}
