// SPDX-License-Identifier: GPL-2.0-only

// Package plan writes to a device in steps, and can take it back.
//
// A Plan is made before anything is written: every block, in the order of the steps. After each step the device is
// flushed, so a cut leaves all steps before it, any part of the one it fell into, and nothing of those behind it.
// Whoever makes a plan puts what nothing refers to yet first, and the one block that refers to it last.
//
// An undo file keeps what stood in the blocks before, and digests of what is written: it is on its medium before the
// first block is, and Undo refuses a device that is another one, or that somebody wrote to since.
package plan

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"bctl/internal/disk/full"
)

// Device is what a plan is carried out on.
type Device interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Size() int64
}

// Write is one block to be written.
type Write struct {
	Off  int64
	Data []byte
	What string // for people: "prio set 0, bucket 17"
}

// Plan is what is to be written, a flush after each step. No place is written twice.
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

// Run carries the plan out, and reads every step back before the next.
func (p *Plan) Run(dev Device) error {
	for _, step := range p.Steps {
		for _, w := range step {
			if _, err := dev.WriteAt(w.Data, w.Off); err != nil {
				return fmt.Errorf("%s: %w", w.What, err)
			}
		}
		if err := dev.Sync(); err != nil {
			return err
		}
		for _, w := range step {
			if got, err := read(dev, Region{w.Off, int64(len(w.Data))}); err != nil || !bytes.Equal(got, w.Data) {
				return fmt.Errorf("%s: %w", w.What, errors.Join(ErrReadBack, err))
			}
		}
	}
	return nil
}

func read(r io.ReaderAt, g Region) ([]byte, error) {
	b := make([]byte, g.Bytes)
	if err := full.ReadAt(r, b, g.Off); err != nil {
		return nil, err
	}
	return b, nil
}

// after is what a region holds once the plan is carried out.
func (p *Plan) after(r io.ReaderAt, g Region) ([]byte, error) {
	b, err := read(r, g)
	if err != nil {
		return nil, err
	}
	for _, step := range p.Steps {
		for _, w := range step {
			if from, to := max(w.Off, g.Off), min(w.Off+int64(len(w.Data)), g.Off+g.Bytes); from < to {
				copy(b[from-g.Off:to-g.Off], w.Data[from-w.Off:])
			}
		}
	}
	return b, nil
}
