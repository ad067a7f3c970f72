// SPDX-License-Identifier: GPL-2.0-only

package plan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"bctl/internal/disk/full"
)

// What can be wrong with an undo file, or with the device it is held against.
var (
	ErrUndoFile = errors.New("not a whole undo file")
	ErrChanged  = errors.New("not the device it was made for, or changed since")
)

// Undo is an undo file that was opened. What it keeps stays in the file.
type Undo struct {
	Head
	Watched []watch // must be as before the change or as after it

	r      io.ReaderAt
	many   index       // the blocks that were written first, where there are many: they are in order, and stay in the file
	blocks []Write     // what stood in the others: the last one written comes first
	steps  []int       // where each step ends in blocks
	later  map[int]int // of a block whose place was written again: the block of that write
	news   func(w *Write) int64
	sums   bool // news leads to digests, not to contents
}

// Count is how many blocks it puts back.
func (u *Undo) Count() int { return u.many.n + len(u.blocks) }

// Bytes is how much it puts back.
func (u *Undo) Bytes() int64 {
	n := u.many.bytes
	for i := range u.blocks {
		n += u.blocks[i].Bytes
	}
	return n
}

// Writes are those that put the old contents back, the last step first: what refers to new blocks goes before they do.
func (u *Undo) Writes() iter.Seq2[Write, error] {
	return func(yield func(Write, error) bool) {
		for i := range u.blocks {
			if !yield(u.blocks[i], nil) {
				return
			}
		}
		for b, err := range u.many.all() {
			if !yield(b.Write, err) || err != nil {
				return
			}
		}
	}
}

// Run puts the old contents back, and reads each step back before the next.
func (u *Undo) Run(dev Device) error { return u.Carry(context.Background(), dev, func(int64) {}) }

// Carry is Run as a plan's Carry is.
func (u *Undo) Carry(ctx context.Context, dev Device, done func(bytes int64)) error {
	if err := u.others().Carry(ctx, dev, done); err != nil {
		return err
	}
	for p, err := range u.many.parts() {
		if err != nil {
			return err
		}
		if err := p.Carry(ctx, dev, done); err != nil {
			return err
		}
	}
	return nil
}

// others puts back the blocks that are in memory.
func (u *Undo) others() *Plan {
	p := new(Plan)
	from := 0
	for _, to := range u.steps {
		p.Then(u.blocks[from:to:to]...)
		from = to
	}
	return p
}

// State is how a device stands to an undo file.
type State int

const (
	Undone  State = iota // all is as it was before the change
	Partly               // the change, or its undoing, was cut off
	Applied              // all is as the change left it
)

// Check reports whether dev is the device u was made for, and everything is as it was left: each sector as it was
// written, or, where the write or an undo was cut off, as it was before. Errors wrap ErrChanged.
func (u *Undo) Check(dev Device) error {
	_, err := u.State(dev)
	return err
}

// State is Check that tells how far the change is there.
func (u *Undo) State(dev Device) (State, error) {
	if dev.Size() != u.SizeBytes {
		return 0, fmt.Errorf("%w: it has %d bytes, that one had %d", ErrChanged, dev.Size(), u.SizeBytes)
	}
	c := comparison{undo: u}
	for b, err := range u.many.all() {
		if err == nil {
			err = c.place(dev, []*Write{&b.Write})
		}
		if err != nil {
			return 0, err
		}
	}
	again := map[int]bool{}
	for i := len(u.blocks) - 1; i >= 0; i-- {
		if again[i] {
			continue
		}
		writes := []*Write{&u.blocks[i]}
		for at, ok := u.later[i]; ok; at, ok = u.later[at] {
			writes, again[at] = append(writes, &u.blocks[at]), true
		}
		if err := c.place(dev, writes); err != nil {
			return 0, err
		}
	}
	for _, w := range u.Watched {
		s, err := sumOf(dev, w.Region)
		if err != nil {
			return 0, err
		}
		if s != w.Old && s != w.New {
			return 0, fmt.Errorf("%w: at byte %d", ErrChanged, w.Off)
		}
	}
	switch {
	case c.new == 0:
		return Undone, nil
	case c.old == 0:
		return Applied, nil
	}
	return Partly, nil
}

// comparison holds a device against an undo file.
type comparison struct {
	undo     *Undo
	old, new int // sectors that are the one and not the other
	buf      windows
	news     [][]byte // of each write
}

// sector is what a device writes whole or not at all.
const sector = 512

// place compares what stands at one place with what stood there before the first of the writes to it, and with each of
// them. Errors wrap ErrChanged where a sector is none of these.
func (c *comparison) place(dev Device, writes []*Write) error {
	w := writes[0]
	return w.pieces(&c.buf, func(at int64, old []byte) error {
		now, err := c.buf.read(dev, w.Off+at, len(old))
		if err != nil {
			return err
		}
		n, from := len(old), at
		if c.undo.sums {
			n, from = (n+sector-1)/sector*sectorSum, at/sector*sectorSum
		}
		c.news = c.news[:0]
		for _, w := range writes {
			b := make([]byte, n)
			if err := full.ReadAt(c.undo.r, b, c.undo.news(w)+from); err != nil {
				return err
			}
			c.news = append(c.news, b)
		}
		if bad := c.sectors(now, old); bad >= 0 {
			return fmt.Errorf("%w: at byte %d", ErrChanged, w.Off+at+int64(bad))
		}
		return nil
	})
}

// sectors counts, and finds the first that is none of them: -1 where there is none.
func (c *comparison) sectors(now, old []byte) int {
	for i, at := 0, 0; at < len(now); i, at = i+1, at+sector {
		end := min(at+sector, len(now))
		is, from, to := now[at:end], at, end
		if c.undo.sums {
			is, from, to = sumSector(is), i*sectorSum, (i+1)*sectorSum
		}
		isOld, isNew := bytes.Equal(now[at:end], old[at:end]), bytes.Equal(is, c.news[len(c.news)-1][from:to])
		switch {
		case isOld && isNew:
		case isOld:
			c.old++
		case isNew:
			c.new++
		case slices.ContainsFunc(c.news, func(b []byte) bool { return bytes.Equal(is, b[from:to]) }):
			c.old, c.new = c.old+1, c.new+1
		default:
			return at
		}
	}
	return -1
}
