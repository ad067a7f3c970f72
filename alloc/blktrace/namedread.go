// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// csvDelimiters are tried in this order.
const csvDelimiters = "\t;,| "

// isCSV reports whether a line is a header that names what a trace needs.
func isCSV(line []byte) bool {
	s, err := new(Columns).resolve(line)
	return err == nil && s.column[colTime] >= 0
}

// resolve finds the columns, by the first line.
func (c *Columns) resolve(line []byte) (*csvState, error) {
	s := &csvState{delimiter: c.delimiter}
	for i := 0; s.delimiter == 0 && i < len(csvDelimiters); i++ {
		if bytes.IndexByte(line, csvDelimiters[i]) > 0 {
			s.delimiter = csvDelimiters[i]
		}
	}
	if s.delimiter == 0 {
		return nil, errors.New("no columns")
	}
	cells := s.cells(bytes.TrimPrefix(line, []byte("\xef\xbb\xbf")))
	header := c.header == 'y' || c.header == 0 && !startsAsNumber(cells[0])
	if header {
		s.first = bytes.Clone(cells[0])
	}
	for r := range roles {
		at, err := c.find(r, cells, header)
		if err != nil {
			return nil, err
		}
		if s.column[r] = at; r == colTime && at >= 0 {
			s.perSecond = c.perSecond(cells[min(at, len(cells)-1)], header)
		}
	}
	has := func(r role) bool { return s.column[r] >= 0 }
	switch {
	case !has(colOffset) && !has(colSector) && !has(colObject):
		return nil, errors.New("no column is the offset, the sector or the object")
	case !has(colSize) && !has(colSectors):
		return nil, errors.New("no column is the size")
	}
	return s, nil
}

// startsAsNumber tells data from the name of a column.
func startsAsNumber(cell []byte) bool { return len(cell) > 0 && cell[0] >= '0' && cell[0] <= '9' }

// find is the column of a role, or -1.
func (c *Columns) find(r role, cells [][]byte, header bool) (int, error) {
	name := c.named[r]
	if n, err := strconv.Atoi(name); err == nil {
		if n < 1 || n > len(cells) {
			return -1, fmt.Errorf("%s=%d: there are %d columns", roleNames[r], n, len(cells))
		}
		return n - 1, nil
	}
	for i, cell := range cells {
		known, ok := headerNames[plain(cell)]
		if header && (name == "" && ok && known == r || name != "" && strings.EqualFold(name, string(cell))) {
			return i, nil
		}
	}
	if name != "" {
		return -1, fmt.Errorf("%s=%s: no column of the header is called so", roleNames[r], name)
	}
	return -1, nil
}

// perSecond is the unit of times, where the user or the column's name tells it.
func (c *Columns) perSecond(cell []byte, header bool) uint64 {
	if c.unit != "" {
		return timeUnits[c.unit]
	}
	name := plain(cell)
	for _, unit := range []string{"ms", "us", "ns"} {
		if header && strings.HasSuffix(name, unit) {
			return timeUnits[unit]
		}
	}
	if header && (name == "times" || name == "timestamps" || name == "tss") {
		return 1
	}
	return 0
}

// csvTime reads a time as us. Where nobody told the unit, its size does: it counts since 1970, or is small.
func (s *csvState) csvTime(b []byte) (us uint64, err error) {
	if s.perSecond == 0 {
		s.perSecond = 1
		if n, ok := number(b); ok {
			for limit := uint64(1e11); s.perSecond < 1e9 && n >= limit; limit *= 1000 {
				s.perSecond *= 1000
			}
		}
	}
	if s.perSecond == 1 {
		return seconds(b)
	}
	whole, _, _ := bytes.Cut(b, []byte{'.'})
	n, err := numbered("time", whole)
	switch s.perSecond {
	case 1e3:
		if n > 1<<53 {
			return 0, fmt.Errorf("time %q: too large", short(b))
		}
		return n * 1000, err
	case 1e9:
		n /= 1000
	}
	return n, err
}

// csvOps are what operations are called.
var csvOps = map[string]Op{
	"r": Read, "read": Read, "rs": Read, "get": Read, "gets": Read, "0": Read, "false": Read, "ra": Read, "": Read,
	"w": Write, "write": Write, "ws": Write, "set": Write, "add": Write, "put": Write, "update": Write, "1": Write, "true": Write,
	"d": Trim, "trim": Trim, "discard": Trim, "unmap": Trim, "delete": Trim, "t": Trim,
	"f": Flush, "flush": Flush, "sync": Flush, "fsync": Flush,
}

// csvOp reads an operation.
func csvOp(b []byte) (Op, error) {
	var low [16]byte
	for i, c := range b[:min(len(b), len(low))] {
		low[i] = c | 0x20
	}
	if op, ok := csvOps[string(low[:min(len(b), len(low))])]; ok {
		return op, nil
	}
	return 0, fmt.Errorf("operation %q: not known", short(b))
}

// parseCSV reads a line of a trace whose columns are known by their names.
func (r *Reader) parseCSV(line []byte) (q Request, ok bool, err error) {
	s := r.state.csv
	if len(bytes.TrimSpace(line)) == 0 {
		return q, false, nil
	}
	f := s.cells(line)
	s.fields = f
	if s.first != nil && (r.record == 1 || bytes.Equal(f[0], s.first)) {
		return q, false, nil
	}
	cell := func(c role) []byte {
		if i := s.column[c]; i >= 0 && i < len(f) {
			return f[i]
		}
		return nil
	}
	if s.column[colOp] >= 0 {
		if q.Op, err = csvOp(cell(colOp)); err != nil {
			return q, false, err
		}
	}
	if s.column[colTime] >= 0 {
		us, err := s.csvTime(cell(colTime))
		if err != nil {
			return q, false, err
		}
		q.Time = r.since(us)
	}
	if s.column[colVolume] >= 0 {
		if q.Volume, err = r.vols.number(cell(colVolume)); err != nil {
			return q, false, err
		}
	}
	if pid, ok := number(cell(colTask)); ok {
		q.Task = uint32(pid)
	} else if b := cell(colTask); len(b) > 0 {
		q.Task = uint32(hashOf(b)) | 1
	}
	if q.Op == Flush {
		return q, r.flush(&q), nil
	}
	return q, true, s.place(&q, cell)
}

// place fills in where a request goes.
func (s *csvState) place(q *Request, cell func(role) []byte) (err error) {
	var size uint64
	if s.column[colSize] >= 0 {
		size, err = numbered("size", cell(colSize))
	} else if size, err = numbered("sectors", cell(colSectors)); err == nil {
		if size > 1<<32 {
			return fmt.Errorf("length of %d sectors", size)
		}
		size *= sectorBytes
	}
	if err != nil {
		return err
	}
	switch {
	case s.column[colOffset] >= 0:
		at, err := numbered("offset", cell(colOffset))
		if err != nil {
			return err
		}
		return q.bytesAt(at, size)
	case s.column[colSector] >= 0:
		at, err := numbered("sector", cell(colSector))
		if err != nil {
			return err
		}
		return q.sectorsAt(at, size/sectorBytes+(size%sectorBytes+sectorBytes-1)/sectorBytes)
	}
	id, ok := number(cell(colObject))
	if !ok {
		id = hashOf(cell(colObject))
	}
	return q.objectAt(id, size)
}
