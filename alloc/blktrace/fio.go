// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import (
	"bytes"
	"fmt"
)

var (
	fioHeader = []byte("fio version ")
	fioEnd    = []byte(" iolog")
)

// parseFio reads a line of fio's iolog. In version 2 time passes only where a wait says so; in version 3 every line
// begins with the time since the log began. Version 1, "rw, offset, length", is of before 2008: refused.
//
// fio opens its log to append, so every job and every run begins with a header, and jobs that run at once write in
// turns, 4 KiB at a time whatever that cuts: where there are several headers, a line that says nothing is what is left
// of one.
func (r *Reader) parseFio(line []byte) (q Request, ok bool, err error) {
	s := &r.state
	if bytes.HasSuffix(line, fioEnd) || s.headers == 0 {
		at := bytes.LastIndex(line, fioHeader)
		if at > 0 && s.headers > 0 {
			r.skip(cutShort)
		} else if at < 0 && s.headers == 0 {
			at = 0
		}
		if at >= 0 {
			return q, false, r.fioVersion(line[at:])
		}
	}
	q, ok, err = r.fioLine(line)
	if err != nil && err != errEmpty && s.headers > 1 {
		r.skip(cutShort)
		return q, false, nil
	}
	return q, ok, err
}

// fioLine reads a line that is no header.
func (r *Reader) fioLine(line []byte) (q Request, ok bool, err error) {
	n := words(line, &r.state.fields)
	f := r.state.fields[:n]
	if n == 0 {
		return q, false, nil
	}
	us := r.state.waits
	if r.state.version == '3' {
		if us, err = numbered("timestamp", f[0]); err != nil {
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
	case "sync", "datasync", "sync_file_range", "syncfs":
		q.Time, q.Task = r.since(us), fioTask
		return q, r.flush(&q), nil
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
	q.Time, q.Task = r.since(us), fioTask
	return q, true, q.bytesAt(offset, length)
}

// fioTask is the task of a fio log: it names none, and a job is one.
const fioTask = 1

// fioVersion begins a log.
func (r *Reader) fioVersion(line []byte) error {
	rest, ok := bytes.CutPrefix(line, fioHeader)
	version, _, _ := bytes.Cut(rest, []byte{' '})
	if !ok || len(version) != 1 || version[0] != '2' && version[0] != '3' || !bytes.HasSuffix(line, fioEnd) {
		return fmt.Errorf("%q: want \"fio version 2 iolog\" or 3", short(line))
	}
	r.state.version, r.state.waits = version[0], 0
	r.state.headers++
	r.restart()
	r.since(0)
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
	r.state.waits += us
	return err
}
