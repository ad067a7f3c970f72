// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

const (
	peekBytes = 64 << 10  // what detection looks at
	bufBytes  = 256 << 10 // the longest line there may be
)

// A Reader hands out the requests of a trace in order. Close frees what it holds; the source stays open.
type Reader struct {
	src    io.Reader
	close  func()
	format Format

	buf      []byte
	from, to int   // what is read and not used
	err      error // of src
	record   int64 // the number of the last one, from 1
	unit     string

	parse func(r *Reader, line []byte) (Request, bool, error) // nil: oracleGeneral
	vols  volumes
	now   uint64 // us: the time of formats that tell only differences
	first uint64 // the first record's time
	state lineState
}

// lineState is what a parser knows of the lines before.
type lineState struct {
	fields  [16][]byte
	begun   bool // the first request has been seen
	version byte // of fio's format
	action  byte // blkparse: Q, D or C, the one this trace has
	over    bool // blkparse: only the summary follows
}

// NewReader reads a trace of format f from src, compressed or not. Errors: ErrFormat, those of src.
func NewReader(src io.Reader, f Format) (*Reader, error) {
	r := &Reader{close: func() {}, format: f, buf: make([]byte, bufBytes), unit: "line"}
	if err := r.uncompress(src); err != nil {
		return nil, err
	}
	for r.to < peekBytes && r.err == nil {
		r.fill()
	}
	if r.err != nil && r.err != io.EOF {
		r.close()
		return nil, r.err
	}
	if err := r.choose(r.buf[:r.to]); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// uncompress puts a decoder in front of src where it needs one.
func (r *Reader) uncompress(src io.Reader) error {
	var magic [4]byte
	n, err := io.ReadFull(src, magic[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	r.src = io.MultiReader(bytes.NewReader(magic[:n]), src)
	switch {
	case magic == [4]byte{0x28, 0xb5, 0x2f, 0xfd}:
		d, err := zstd.NewReader(r.src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(1<<27))
		if err != nil {
			return err
		}
		r.src, r.close = d, d.Close
	case magic[0] == 0x1f && magic[1] == 0x8b:
		d, err := gzip.NewReader(r.src)
		if err != nil {
			return err
		}
		r.src = d
	}
	return nil
}

// Format is the format, found out or given.
func (r *Reader) Format() Format { return r.format }

// Close frees the decoder.
func (r *Reader) Close() { r.close() }

// fill reads more behind what is there.
func (r *Reader) fill() {
	if r.from > 0 {
		copy(r.buf, r.buf[r.from:r.to])
		r.from, r.to = 0, r.to-r.from
	}
	n, err := r.src.Read(r.buf[r.to:])
	r.to += n
	r.err = err
}

// Read fills batch, and says how many it could. At the end of the trace that is 0 and io.EOF. An *Error says which
// record is wrong; the requests before it are handed out first.
func (r *Reader) Read(batch []Request) (n int, err error) {
	if r.parse == nil {
		return r.readObjects(batch)
	}
	for n < len(batch) {
		line, err := r.line()
		if err != nil {
			return n, r.at(err)
		}
		q, ok, err := r.parse(r, line)
		if err != nil {
			return n, r.at(err)
		}
		if ok {
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

// line is the next line without its end.
func (r *Reader) line() ([]byte, error) {
	r.record++
	for scanned := 0; ; {
		if i := bytes.IndexByte(r.buf[r.from+scanned:r.to], '\n'); i >= 0 {
			line := r.buf[r.from : r.from+scanned+i]
			r.from += scanned + i + 1
			return bytes.TrimSuffix(line, []byte{'\r'}), nil
		}
		scanned = r.to - r.from
		switch {
		case r.err == io.EOF && scanned > 0:
			line := r.buf[r.from:r.to]
			r.from = r.to
			return line, nil
		case r.err != nil:
			return nil, r.err
		case scanned == len(r.buf):
			return nil, errors.New("line too long")
		}
		r.fill()
	}
}

// since is a time that counts from the first one, so that no format's epoch matters. Records out of order are not
// before the first.
func (r *Reader) since(us uint64) uint64 {
	if !r.state.begun {
		r.state.begun, r.first = true, us
	}
	if us < r.first {
		return 0
	}
	return us - r.first
}
