// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import (
	"encoding/binary"
	"io"
)

const oracleBytes = 24 // u32 time, u64 object, u32 size, i64 next access

// readRecords is Read for formats of records, in one source.
func (r *Reader) readRecords(batch []Request) (n int, err error) {
	for n < len(batch) {
		if r.to-r.from < r.size {
			if err := r.moreRecords(); err != nil {
				return n, err
			}
		}
		if r.format == OracleGeneral {
			n += r.oracleRecords(batch[n:])
		}
		for n < len(batch) && r.to-r.from >= r.size {
			b := r.buf[r.from : r.from+r.size]
			r.from += r.size
			r.record++
			ok, err := r.decode(r, b, &batch[n])
			switch {
			case err == errEmpty:
				r.skip(empty)
			case err != nil:
				return n, r.at(err)
			case ok:
				n++
			}
		}
	}
	return n, nil
}

// moreRecords reads until there is a record, or tells the end.
func (r *Reader) moreRecords() error {
	for r.to-r.from < r.size && r.err == nil {
		r.fill()
	}
	switch {
	case r.to-r.from >= r.size:
		return nil
	case r.err != io.EOF:
		return r.err
	case r.to > r.from:
		r.from = r.to
		r.record++
		r.skip(cutShort)
	}
	return io.EOF
}

// decodeOracle reads a record of oracleGeneral. It does not tell reads from writes: all are reads.
func (r *Reader) decodeOracle(b []byte, q *Request) (bool, error) {
	*q = Request{Time: r.since(uint64(binary.LittleEndian.Uint32(b)) * 1e6)}
	err := q.objectAt(binary.LittleEndian.Uint64(b[4:]), uint64(binary.LittleEndian.Uint32(b[12:])))
	return err == nil, err
}

// oracleRecords is decodeOracle of the records that are read, up to one that is no request. It says how many there were.
func (r *Reader) oracleRecords(batch []Request) (n int) {
	small := &objectClasses[0]
	b := r.buf[r.from:r.to]
	for ; n < len(batch) && len(b) >= oracleBytes; n++ {
		id, size := binary.LittleEndian.Uint64(b[4:]), binary.LittleEndian.Uint32(b[12:])
		q := &batch[n]
		q.Time = r.since(uint64(binary.LittleEndian.Uint32(b)) * 1e6)
		q.Volume, q.Task, q.Op, q.Flags = 0, 0, Read, 0
		if size-1 < uint32(small.largest*sectorBytes) && id < 1<<small.slots {
			q.Sector, q.Sectors = id<<small.shift, (size+sectorBytes-1)/sectorBytes
		} else if q.objectAt(id, uint64(size)) != nil {
			break
		}
		b = b[oracleBytes:]
	}
	r.from += n * oracleBytes
	r.record += int64(n)
	return n
}
