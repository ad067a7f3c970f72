// SPDX-License-Identifier: GPL-2.0-only

package plan

import (
	"fmt"
	"io"

	"bctl/internal/disk/full"
)

// Write is one run of bytes to be written.
type Write struct {
	Off  int64
	Data []byte
	// From holds the bytes where there are too many for memory: Bytes of them, from byte At on. Data is nil then. They
	// are read several times, and must be the same each time; so From is not a place that the plan writes to.
	From  io.ReaderAt
	At    int64
	Bytes int64
	What  string // for people: "prio set 0, bucket 17"
}

// Zero is a write of n zeroes.
func Zero(off, n int64, what string) Write {
	return Write{Off: off, From: Zeroes{}, Bytes: n, What: what}
}

// Zeroes is a source of nothing but zeroes.
type Zeroes struct{}

// ReadAt is io.ReaderAt.
func (Zeroes) ReadAt(b []byte, _ int64) (int, error) {
	clear(b)
	return len(b), nil
}

// Len is how many bytes are written.
func (w *Write) Len() int64 {
	if w.From != nil {
		return w.Bytes
	}
	return int64(len(w.Data))
}

func (w *Write) end() int64 { return w.Off + w.Len() }

func (w *Write) region() Region { return Region{w.Off, w.Len()} }

// name is what it is called in errors.
func (w *Write) name() string {
	if w.What != "" {
		return w.What
	}
	return fmt.Sprintf("%d bytes at byte %d", w.Len(), w.Off)
}

// cut is the part of w from byte from of the device up to byte to.
func (w *Write) cut(from, to int64) Write {
	part := *w
	part.Off = from
	if w.From == nil {
		part.Data = w.Data[from-w.Off : to-w.Off]
	} else {
		part.At, part.Bytes = w.At+from-w.Off, to-from
	}
	return part
}

// readAt fills b with the bytes of w from byte at of it on.
func (w *Write) readAt(b []byte, at int64) error {
	if w.From != nil {
		return full.ReadAt(w.From, b, w.At+at)
	}
	copy(b, w.Data[at:])
	return nil
}

// window is how much of a write that is not in memory is held there at a time: whole blocks of any device.
const window = 1 << 20

// windows are the two that a comparison needs.
type windows struct{ ours, theirs []byte }

// pieces hands out the bytes of w, at byte at of it: all at once where they are in memory.
func (w *Write) pieces(buf *windows, take func(at int64, data []byte) error) error {
	if w.From == nil {
		return take(0, w.Data)
	}
	if buf.ours == nil {
		buf.ours = make([]byte, window)
	}
	for at := int64(0); at < w.Bytes; at += window {
		b := buf.ours[:min(window, w.Bytes-at)]
		if err := w.readAt(b, at); err != nil {
			return fmt.Errorf("reading what is to be written: %w", err)
		}
		if err := take(at, b); err != nil {
			return err
		}
	}
	return nil
}

// read is n bytes of r, good until the next read.
func (buf *windows) read(r io.ReaderAt, off int64, n int) ([]byte, error) {
	if len(buf.theirs) < n {
		buf.theirs = make([]byte, max(n, window))
	}
	b := buf.theirs[:n]
	return b, full.ReadAt(r, b, off)
}
