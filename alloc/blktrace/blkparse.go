// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import (
	"bytes"
	"fmt"
)

// blkAction says which of the three moments in a request's life to take it at: when it is queued, or where the
// trace does not tell that, issued, or completed. One only, or it would count thrice.
func blkAction(begin []byte) byte {
	var f [16][]byte
	seen := map[byte]bool{}
	for line := range bytes.Lines(begin) {
		if words(line, &f) >= 6 && isDevice(f[0]) && len(f[5]) == 1 {
			seen[f[5][0]] = true
		}
	}
	for _, a := range []byte("QDC") {
		if seen[a] {
			return a
		}
	}
	return 'Q'
}

// parseBlkparse reads a line of blkparse's default output. Behind the events stands a summary for each CPU and for
// all, which is skipped.
func (r *Reader) parseBlkparse(line []byte) (q Request, ok bool, err error) {
	s := &r.state
	n := words(line, &s.fields)
	f := &s.fields
	if s.over || n == 0 {
		return q, false, nil
	}
	if !isDevice(f[0]) {
		if bytes.HasPrefix(f[0], []byte("CPU")) || string(f[0]) == "Total" {
			s.over = true
			return q, false, nil
		}
		return q, false, fmt.Errorf("%q: want a device MAJOR,MINOR", short(f[0]))
	}
	if n < 6 {
		return q, false, fmt.Errorf("%w: want DEVICE CPU SEQUENCE TIME PID ACTION", errColumns)
	}
	if len(f[5]) != 1 || f[5][0] != s.action {
		return q, false, nil
	}
	op, data := blkOp(f[6], n > 6)
	if !data {
		return q, false, nil
	}
	if n < 10 || string(f[8]) != "+" {
		if n < 8 || f[7][0] == '[' {
			return q, false, nil // a flush, which has no place
		}
		return q, false, fmt.Errorf("%s: want SECTOR + COUNT", f[6])
	}
	q.Op = op
	sector, count, err := pair(f[7], f[9])
	if err != nil {
		return q, false, err
	}
	if count == 0 {
		return q, false, nil
	}
	us, err := seconds(f[3])
	if err != nil {
		return q, false, err
	}
	q.Time = r.since(us)
	if q.Volume, err = r.vols.number(f[0]); err != nil {
		return q, false, err
	}
	return q, true, q.sectorsAt(sector, count)
}

// blkOp reads RWBS. A D anywhere is a discard, whatever else it is; N is none of the three.
func blkOp(rwbs []byte, there bool) (op Op, ok bool) {
	switch {
	case !there:
		return 0, false
	case bytes.IndexByte(rwbs, 'D') >= 0:
		return Trim, true
	case bytes.IndexByte(rwbs, 'W') >= 0:
		return Write, true
	case bytes.IndexByte(rwbs, 'R') >= 0:
		return Read, true
	}
	return 0, false
}
