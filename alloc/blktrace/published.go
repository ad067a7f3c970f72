// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import "fmt"

// opOf reads an operation of one letter, or of the word that begins with it, in any case.
func opOf(what string, b []byte) (Op, error) {
	if len(b) == 1 {
		switch b[0] {
		case 'R', 'r':
			return Read, nil
		case 'W', 'w':
			return Write, nil
		}
	}
	switch {
	case isWord(b, "read"):
		return Read, nil
	case isWord(b, "write"):
		return Write, nil
	}
	return 0, fmt.Errorf("%s %q: want R or W", what, short(b))
}

// parseSPC reads ASU,LBA,SIZE,OPCODE,TIMESTAMP of the Storage Performance Council; more fields may follow.
func (r *Reader) parseSPC(line []byte) (q Request, ok bool, err error) {
	n := commas(line, &r.state.fields)
	f := r.state.fields[:n]
	for i := range f {
		f[i] = trim(f[i])
	}
	if n == 1 && len(f[0]) == 0 || isWord(f[0], "asu") {
		return q, false, nil
	}
	if n < 5 {
		return q, false, fmt.Errorf("%d columns, want at least 5", n)
	}
	if q.Op, err = opOf("opcode", f[3]); err != nil {
		return q, false, err
	}
	us, err := seconds(f[4])
	if err != nil {
		return q, false, err
	}
	sector, size, err := pair(f[1], f[2])
	if err != nil {
		return q, false, err
	}
	if sector > MaxSector {
		return q, false, fmt.Errorf("sector %d: past 2^59 bytes", sector)
	}
	if q.Volume, err = r.vols.number(f[0]); err != nil {
		return q, false, err
	}
	q.Time = r.since(us)
	return q, true, q.bytesAt(sector*sectorBytes, size)
}

// parseSYSTOR reads Timestamp,Response,IOType,LUN,Offset,Size. The response may be missing.
func (r *Reader) parseSYSTOR(line []byte) (q Request, ok bool, err error) {
	f, ok, err := r.columns(line, 6, "timestamp")
	if !ok {
		return q, false, err
	}
	us, err := seconds(f[0])
	if err != nil {
		return q, false, err
	}
	if q.Op, err = opOf("type", f[2]); err != nil {
		return q, false, err
	}
	offset, length, err := pair(f[4], f[5])
	if err != nil {
		return q, false, err
	}
	if q.Volume, err = r.vols.number(f[3]); err != nil {
		return q, false, err
	}
	q.Time = r.since(us)
	return q, true, q.bytesAt(offset, length)
}

// fiuOp finds the column of R or W in a line of the FIU traces; the name of a process may have blanks. 0: there is
// none.
func fiuOp(f [][]byte) int {
	for i := 5; i+2 < len(f); i++ {
		if len(f[i]) != 1 || f[i][0]|0x20 != 'r' && f[i][0]|0x20 != 'w' {
			continue
		}
		if isNumbers(f[:2]) && isNumbers(f[i-2:i]) && isNumbers(f[i+1:i+3]) {
			return i
		}
	}
	return 0
}

// parseFIU reads TIMESTAMP PID PROCESS LBA COUNT R|W MAJOR MINOR MD5, with the time in ns.
func (r *Reader) parseFIU(line []byte) (q Request, ok bool, err error) {
	n := words(line, &r.state.fields)
	f := r.state.fields[:n]
	if n == 0 {
		return q, false, nil
	}
	i := fiuOp(f)
	if i == 0 {
		return q, false, fmt.Errorf("%q: want TIME PID PROCESS LBA COUNT R|W MAJOR MINOR", short(line))
	}
	if q.Op, err = opOf("operation", f[i]); err != nil {
		return q, false, err
	}
	ns, _ := number(f[0])
	pid, _ := number(f[1])
	sector, count, err := pair(f[i-2], f[i-1])
	if err != nil {
		return q, false, err
	}
	// Major and minor stand side by side in the line.
	from := cap(line) - cap(f[i+1])
	to := cap(line) - cap(f[i+2]) + len(f[i+2])
	if q.Volume, err = r.vols.number(line[from:to]); err != nil {
		return q, false, err
	}
	q.Time, q.Task = r.since(ns/1000), uint32(pid)
	return q, true, q.sectorsAt(sector, count)
}
