// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import (
	"bytes"
	"fmt"
)

// parseFio reads a line of fio's iolog. In version 2 time passes only where a wait says so; in version 3 every line
// begins with the time since the log began. Version 1, "rw, offset, length", is of before 2008: refused.
func (r *Reader) parseFio(line []byte) (q Request, ok bool, err error) {
	s := &r.state
	if s.version == 0 {
		return q, false, r.fioVersion(line)
	}
	n := words(line, &s.fields)
	f := s.fields[:n]
	if n == 0 {
		return q, false, nil
	}
	if s.version == '3' {
		if r.now, err = numbered("timestamp", f[0]); err != nil {
			return q, false, err
		}
		f = f[1:]
	}
	if len(f) < 2 {
		return q, false, fmt.Errorf("%w: want FILE ACTION", errColumns)
	}
	switch action := f[1]; string(action) {
	case "add", "open", "close":
		_, err = r.vols.number(f[0])
		return q, false, err
	case "sync", "datasync", "sync_file_range":
		return q, false, nil
	case "wait":
		return q, false, r.fioWait(f)
	case "read":
		q.Op = Read
	case "write":
		q.Op = Write
	case "trim":
		q.Op = Trim
	default:
		return q, false, fmt.Errorf("action %q: not one of add, open, close, read, write, trim, sync, datasync, wait", short(action))
	}
	if len(f) != 4 {
		return q, false, fmt.Errorf("%s: want an offset and a length, and nothing else", f[1])
	}
	offset, length, err := pair(f[2], f[3])
	if err != nil {
		return q, false, err
	}
	if q.Volume, err = r.vols.number(f[0]); err != nil {
		return q, false, err
	}
	q.Time = r.now
	return q, true, q.bytesAt(offset, length)
}

func (r *Reader) fioVersion(line []byte) error {
	rest, ok := bytes.CutPrefix(line, fioHeader)
	version, _, _ := bytes.Cut(rest, []byte{' '})
	if !ok || len(version) != 1 || version[0] != '2' && version[0] != '3' || !bytes.HasSuffix(line, []byte(" iolog")) {
		return fmt.Errorf("%q: want \"fio version 2 iolog\" or 3", short(line))
	}
	r.state.version = version[0]
	return nil
}

// fioWait lets time pass.
func (r *Reader) fioWait(f [][]byte) error {
	if r.state.version == '3' {
		return fmt.Errorf("wait: there is none in version 3")
	}
	if len(f) < 3 || len(f) > 4 {
		return fmt.Errorf("wait: want a time in us")
	}
	us, err := numbered("wait", f[2])
	r.now += us
	return err
}
