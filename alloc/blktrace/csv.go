// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import (
	"bytes"
	"fmt"
)

// columns cuts a line of a CSV trace. The first line may be a header, and blank ones are no lines.
func (r *Reader) columns(line []byte, want int, header string) (f []([]byte), ok bool, err error) {
	if len(bytes.TrimSpace(line)) == 0 {
		return nil, false, nil
	}
	n := commas(line, &r.state.fields)
	if n != want {
		return nil, false, fmt.Errorf("%d columns, want %d", n, want)
	}
	f = r.state.fields[:n]
	if isWord(f[0], header) { // also of a file that another was appended to
		return nil, false, nil
	}
	return f, true, nil
}

// parseMSR reads Timestamp,Hostname,DiskNumber,Type,Offset,Size,ResponseTime.
func (r *Reader) parseMSR(line []byte) (q Request, ok bool, err error) {
	f, ok, err := r.columns(line, 7, "timestamp")
	if !ok {
		return q, false, err
	}
	ticks, err := numbered("timestamp", f[0]) // of 100 ns, since 1601
	if err != nil {
		return q, false, err
	}
	switch {
	case isWord(f[3], "read"):
		q.Op = Read
	case isWord(f[3], "write"):
		q.Op = Write
	default:
		return q, false, fmt.Errorf("type %q: want Read or Write", short(f[3]))
	}
	offset, length, err := pair(f[4], f[5])
	if err != nil {
		return q, false, err
	}
	// Host and disk stand side by side in the line: "host,disk" is the name.
	name := line[len(f[0])+1 : len(f[0])+1+len(f[1])+1+len(f[2])]
	if q.Volume, err = r.vols.number(name); err != nil {
		return q, false, err
	}
	q.Time = r.since(ticks / 10)
	return q, true, q.bytesAt(offset, length)
}

// parseAlibaba reads device_id,opcode,offset,length,timestamp.
func (r *Reader) parseAlibaba(line []byte) (q Request, ok bool, err error) {
	f, ok, err := r.columns(line, 5, "device_id")
	if !ok {
		return q, false, err
	}
	switch string(f[1]) {
	case "R":
		q.Op = Read
	case "W":
		q.Op = Write
	default:
		return q, false, fmt.Errorf("opcode %q: want R or W", short(f[1]))
	}
	us, err := numbered("timestamp", f[4])
	if err != nil {
		return q, false, err
	}
	offset, length, err := pair(f[2], f[3])
	if err != nil {
		return q, false, err
	}
	if q.Volume, err = r.vols.number(f[0]); err != nil {
		return q, false, err
	}
	q.Time = r.since(us)
	return q, true, q.bytesAt(offset, length)
}

// parseTencent reads Timestamp,Offset,Size,IOType,VolumeID.
func (r *Reader) parseTencent(line []byte) (q Request, ok bool, err error) {
	f, ok, err := r.columns(line, 5, "timestamp")
	if !ok {
		return q, false, err
	}
	s, err := seconds(f[0])
	if err != nil {
		return q, false, err
	}
	switch string(f[3]) {
	case "0":
		q.Op = Read
	case "1":
		q.Op = Write
	default:
		return q, false, fmt.Errorf("type %q: want 0 or 1", short(f[3]))
	}
	sector, count, err := pair(f[1], f[2])
	if err != nil {
		return q, false, err
	}
	if q.Volume, err = r.vols.number(f[4]); err != nil {
		return q, false, err
	}
	q.Time = r.since(s)
	return q, true, q.sectorsAt(sector, count)
}
