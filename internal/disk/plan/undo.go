// SPDX-License-Identifier: GPL-2.0-only

package plan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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
	blocks []Write // what stood there: the last one written comes first
	steps  []int   // where each step ends in blocks
	news   func(w *Write) int64
	sums   bool // news leads to digests, not to contents
}

// Count is how many blocks it puts back.
func (u *Undo) Count() int { return len(u.blocks) }

// Bytes is how much it puts back.
func (u *Undo) Bytes() (n int64) {
	for i := range u.blocks {
		n += u.blocks[i].Bytes
	}
	return n
}

// Plan puts the old contents back, the last step first: what refers to new blocks goes before they do.
func (u *Undo) Plan() *Plan {
	p := new(Plan)
	from := 0
	for _, to := range u.steps {
		p.Then(u.blocks[from:to:to]...)
		from = to
	}
	for _, w := range u.Watched {
		p.Watched = append(p.Watched, w.Region)
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
	for i := len(u.blocks) - 1; i >= 0; i-- {
		if err := c.block(dev, &u.blocks[i]); err != nil {
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
	news     []byte
}

// sector is what a device writes whole or not at all.
const sector = 512

// block compares one block. Errors wrap ErrChanged where a sector is neither the old nor the new one.
func (c *comparison) block(dev Device, w *Write) error {
	return w.pieces(&c.buf, func(at int64, old []byte) error {
		now, err := c.buf.read(dev, w.Off+at, len(old))
		if err != nil {
			return err
		}
		size, from := sector, at
		if c.undo.sums {
			size, from = sectorSum, at/sector*sectorSum
		}
		n := (len(old) + sector - 1) / sector * size
		c.news = slices.Grow(c.news[:0], n)[:n]
		if !c.undo.sums {
			c.news = c.news[:len(old)]
		}
		if err := full.ReadAt(c.undo.r, c.news, c.undo.news(w)+from); err != nil {
			return err
		}
		if bad := c.sectors(now, old, size); bad >= 0 {
			return fmt.Errorf("%w: at byte %d", ErrChanged, w.Off+at+int64(bad))
		}
		return nil
	})
}

// sectors counts, and finds the first that is neither: -1 where there is none.
func (c *comparison) sectors(now, old []byte, size int) int {
	for i, at := 0, 0; at < len(now); i, at = i+1, at+sector {
		end := min(at+sector, len(now))
		is := now[at:end]
		if c.undo.sums {
			is = sumSector(is)
		}
		isOld, isNew := bytes.Equal(now[at:end], old[at:end]), bytes.Equal(is, c.news[i*size:min((i+1)*size, len(c.news))])
		switch {
		case !isOld && !isNew:
			return at
		case !isNew:
			c.old++
		case !isOld:
			c.new++
		}
	}
	return -1
}
