// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// A Source is one file of a trace.
type Source struct {
	Name string // for messages
	Open func() (io.ReadCloser, error)
}

// Join reads several sources as one trace, each behind the other: time goes on, and volumes of one name are one. Each
// may be compressed or not; its format is f, or found out for each by itself. Errors: those of NewReader, with the
// source's name if there are several.
func Join(f Spec, sources ...Source) (*Reader, error) {
	r := &Reader{close: func() {}, asked: f, buf: make([]byte, bufBytes), sources: sources}
	if err := r.nextSource(); err != nil {
		r.close()
		if err == io.EOF {
			err = errors.New("no trace is given")
		}
		return nil, err
	}
	return r, nil
}

// sourceName is what a message calls the source at hand.
func (r *Reader) sourceName() string {
	if len(r.sources) < 2 || r.source == 0 {
		return ""
	}
	return r.sources[r.source-1].Name
}

// named puts the source's name before an error of it.
func (r *Reader) named(err error) error {
	if name := r.sourceName(); name != "" && err != nil && err != io.EOF {
		return fmt.Errorf("%s: %w", name, err)
	}
	return err
}

// nextSource begins the next source. At the end of the last one that is io.EOF.
func (r *Reader) nextSource() error {
	r.close()
	r.close = func() {}
	if r.source == len(r.sources) {
		return io.EOF
	}
	r.source++
	src, err := r.sources[r.source-1].Open()
	if err != nil {
		return err // that of an open names its file
	}
	r.close = func() { _ = src.Close() }
	return r.named(r.begin(src))
}

// begin reads how a source begins, and sets up for it.
func (r *Reader) begin(src io.Reader) error {
	r.from, r.to, r.err, r.read, r.record, r.unit, r.format = 0, 0, nil, 0, 0, "line", r.asked.Format
	r.parse, r.decode = nil, nil
	r.state = lineState{}
	r.restart()
	if err := r.uncompress(src); err != nil {
		return err
	}
	for r.to < peekBytes && r.err == nil {
		r.fill()
	}
	if r.err != nil && r.err != io.EOF {
		return r.err
	}
	return r.choose(r.buf[:r.to])
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
		below := r.close
		r.src, r.close = d, func() { d.Close(); below() }
	case magic[0] == 0x1f && magic[1] == 0x8b:
		d, err := gzip.NewReader(r.src)
		if err != nil {
			return err
		}
		r.src = d
	}
	return nil
}

// fill reads more behind what is there.
func (r *Reader) fill() {
	if r.from > 0 {
		copy(r.buf, r.buf[r.from:r.to])
		r.from, r.to = 0, r.to-r.from
	}
	n, err := r.src.Read(r.buf[r.to:])
	r.to += n
	r.read += int64(n)
	r.err = err
}
