// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import (
	"bytes"
	"errors"
	"io"
)

const (
	peekBytes = 64 << 10  // what detection looks at
	bufBytes  = 256 << 10 // the longest line there may be
	pageBytes = 4096      // what a writer that is killed has written a multiple of
)

// A Reader hands out the requests of a trace in order. Close frees what it holds; a source given to NewReader stays
// open.
type Reader struct {
	sources []Source
	source  int // how many of them have been begun
	src     io.Reader
	close   func()
	asked   Spec
	format  Format

	buf      []byte
	from, to int   // what is read and not used
	err      error // of src
	read     int64 // bytes, uncompressed
	record   int64 // the number of the last one, from 1
	unit     string

	parse  func(r *Reader, line []byte) (Request, bool, error) // of formats of lines
	decode func(r *Reader, b []byte, q *Request) (bool, error) // of formats of records
	size   int                                                 // of a record

	vols    volumes
	skipped skips
	flushes bool
	state   lineState
	clock   clock
}

// lineState is what a parser knows of the lines before.
type lineState struct {
	fields  [16][]byte
	version byte   // of fio's format
	headers int    // fio: how many there were
	waits   uint64 // us: fio 2 tells only differences
	blk     blkState
	inodes  volumes     // of tracepoints that write
	kernel  KernelCount // what they tell besides
	started map[start]starter
	csv     *csvState
}

// A clock makes the times of all sources one time.
type clock struct {
	running bool
	first   uint64 // us: the first record's time since the last restart
	base    uint64 // us: what was the time then
	last    uint64 // us: the latest that was handed out
}

// NewReader reads a trace of format f from src, compressed or not. Errors: ErrFormat, those of src.
func NewReader(src io.Reader, f Format) (*Reader, error) {
	return Join(Spec{Format: f}, Source{Open: func() (io.ReadCloser, error) { return io.NopCloser(src), nil }})
}

// Format is the format of the source at hand, found out or given.
func (r *Reader) Format() Format { return r.format }

// KeepFlushes makes Read hand out flushes too, as requests of no sectors. It is called before the first Read.
func (r *Reader) KeepFlushes() { r.flushes = true }

// Tasks reports whether the trace tells who asked: each process, or that there was one.
func (r *Reader) Tasks() bool {
	switch r.format {
	case Fio, Blkparse, FIU, Tracepoints:
		return true
	case CSV:
		return r.state.csv.column[colTask] >= 0
	}
	return false
}

// Timed reports whether the trace tells when.
func (r *Reader) Timed() bool {
	switch r.format {
	case Fio:
		ahead := r.buf[r.from:r.to]
		old := r.state.version == '2' || bytes.HasPrefix(ahead, []byte("fio version 2"))
		return !old || r.state.waits > 0 || bytes.Contains(ahead, []byte(" wait "))
	case CSV:
		return r.state.csv.column[colTime] >= 0
	}
	return true
}

// Close frees the decoder, and closes what Open of a Source opened.
func (r *Reader) Close() {
	r.close()
	r.close = func() {}
	r.source = len(r.sources)
}

// Read fills batch, and says how many it could. At the end of the trace that is 0 and io.EOF. An *Error says which
// record is wrong; the requests before it are handed out first.
func (r *Reader) Read(batch []Request) (n int, err error) {
	for n < len(batch) {
		var got int
		if r.parse == nil {
			got, err = r.readRecords(batch[n:])
		} else {
			got, err = r.readLines(batch[n:])
		}
		if n += got; err == nil {
			return n, nil
		}
		if err != io.EOF {
			return n, r.named(err)
		}
		if n > 0 && r.source == len(r.sources) {
			return n, nil // the next call says that it ends
		}
		if err = r.nextSource(); err != nil {
			return n, err
		}
	}
	return n, nil
}

// readLines is Read for formats of lines, in one source.
func (r *Reader) readLines(batch []Request) (n int, err error) {
	for n < len(batch) {
		line, whole, err := r.line()
		if err != nil {
			return n, r.at(err)
		}
		q, ok, err := r.parse(r, line)
		switch {
		case err == errEmpty:
			r.skip(empty)
		case !whole && (err != nil || ok && r.format == Fio && r.read%pageBytes == 0):
			r.skip(cutShort) // fio's last line may look whole and lack digits
		case err != nil:
			return n, r.at(err)
		case ok:
			batch[n] = q
			n++
		}
	}
	return n, nil
}

// at tells err's record. The end is no error of a record.
func (r *Reader) at(err error) error {
	var located *Error
	if err == io.EOF || errors.As(err, &located) || err == r.err {
		return err
	}
	return &Error{r.record, r.unit, err.Error()}
}

// line is the next line without its end, and whether it has one.
func (r *Reader) line() (line []byte, whole bool, err error) {
	for scanned := 0; ; {
		if i := bytes.IndexByte(r.buf[r.from+scanned:r.to], '\n'); i >= 0 {
			line := r.buf[r.from : r.from+scanned+i]
			r.from += scanned + i + 1
			r.record++
			return bytes.TrimSuffix(line, []byte{'\r'}), true, nil
		}
		scanned = r.to - r.from
		switch {
		case r.err == io.EOF && scanned > 0:
			line := r.buf[r.from:r.to]
			r.from = r.to
			r.record++
			return line, false, nil
		case r.err != nil:
			return nil, false, r.err
		case scanned == len(r.buf):
			r.record++
			return nil, false, errors.New("line too long")
		}
		r.fill()
	}
}

// since is a time that counts from the first one, so that no format's epoch matters. Records out of order are not
// before the first.
func (r *Reader) since(us uint64) uint64 {
	c := &r.clock
	if !c.running {
		c.running, c.first, c.base = true, us, c.last
	}
	now := c.base
	if us > c.first {
		now += us - c.first
	}
	c.last = max(c.last, now)
	return now
}

// restart says that times begin anew: what follows goes on at the latest time there was.
func (r *Reader) restart() { r.clock.running = false }
