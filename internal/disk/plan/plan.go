// SPDX-License-Identifier: GPL-2.0-only

// Package plan writes to a device in steps, and can take it back.
//
// A Plan is made before anything is written: every block, in the order of the steps. After each step the device is
// flushed, so a cut leaves all steps before it, any part of the one it fell into, and nothing of those behind it.
// Whoever makes a plan puts what nothing refers to yet first, and the one block that refers to it last.
//
// What is written may be larger than memory: a Write has its bytes, or says where they can be read. Nothing here
// holds more than a window of them, so a plan and its undo file have no limit but the disk.
//
// An undo file keeps what stood in the blocks before, and digests of what is written: it is on its medium before the
// first block is, and Undo refuses a device that is another one, or that somebody wrote to since.
package plan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
)

// Device is what a plan is carried out on.
type Device interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Size() int64
}

// Plan is what is to be written, a flush after each step. No place is written twice, but that a later step may write
// all of what an earlier one wrote: a superblock that goes first and comes last.
type Plan struct {
	Steps [][]Write
	// Watched are the places that show whether the device was used since: whoever uses it writes there.
	Watched []Region
}

// Region is a run of bytes.
type Region struct {
	Off   int64 `json:"offset_bytes"`
	Bytes int64 `json:"bytes"`
}

// ErrReadBack says that the device does not hold what was written to it.
var ErrReadBack = errors.New("the device does not hold what was written to it")

// Then adds a step. Empty ones are left out.
func (p *Plan) Then(writes ...Write) {
	if len(writes) > 0 {
		p.Steps = append(p.Steps, writes)
	}
}

// Shift is the plan for a device in which this one's begins at byte by.
func (p *Plan) Shift(by int64) *Plan {
	if by == 0 {
		return p
	}
	out := new(Plan)
	for _, step := range p.Steps {
		var moved []Write
		for _, w := range step {
			w.Off += by
			moved = append(moved, w)
		}
		out.Then(moved...)
	}
	for _, g := range p.Watched {
		out.Watched = append(out.Watched, Region{g.Off + by, g.Bytes})
	}
	return out
}

// Writes are all writes, in order.
func (p *Plan) Writes() iter.Seq[Write] {
	return func(yield func(Write) bool) {
		for _, step := range p.Steps {
			for _, w := range step {
				if !yield(w) {
					return
				}
			}
		}
	}
}

// Touches reports whether anything is written to a run of bytes.
func (p *Plan) Touches(off, n int64) bool {
	for w := range p.Writes() {
		if w.Off < off+n && off < w.end() {
			return true
		}
	}
	return false
}

// Count is how many writes there are.
func (p *Plan) Count() (n int) {
	for _, step := range p.Steps {
		n += len(step)
	}
	return n
}

// Bytes is how much is written.
func (p *Plan) Bytes() (n int64) {
	for w := range p.Writes() {
		n += w.Len()
	}
	return n
}

// Run carries the plan out, and reads every step back before the next.
func (p *Plan) Run(dev Device) error { return p.Carry(context.Background(), dev, func(int64) {}) }

// Carry is Run that stops between two writes when ctx ends, and tells after each how many bytes were written, and
// again how many were read back. What was written by then stays.
func (p *Plan) Carry(ctx context.Context, dev Device, done func(bytes int64)) error {
	buf := new(windows)
	for _, step := range p.Steps {
		for _, w := range step {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := w.put(dev, buf); err != nil {
				return fmt.Errorf("%s: %w", w.name(), err)
			}
			done(w.Len())
		}
		if err := dev.Sync(); err != nil {
			return err
		}
		for _, w := range step {
			if err := w.verify(dev, buf); err != nil {
				return fmt.Errorf("%s: %w", w.name(), err)
			}
			done(w.Len())
		}
	}
	return nil
}

// put writes w to dev.
func (w *Write) put(dev io.WriterAt, buf *windows) error {
	return w.pieces(buf, func(at int64, data []byte) error {
		_, err := dev.WriteAt(data, w.Off+at)
		return err
	})
}

// verify compares dev with w. Errors wrap ErrReadBack.
func (w *Write) verify(dev io.ReaderAt, buf *windows) error {
	return w.pieces(buf, func(at int64, data []byte) error {
		now, err := buf.read(dev, w.Off+at, len(data))
		if err != nil || !bytes.Equal(now, data) {
			return errors.Join(ErrReadBack, err)
		}
		return nil
	})
}
