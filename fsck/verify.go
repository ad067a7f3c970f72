// SPDX-License-Identifier: GPL-2.0-only

package fsck

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// verifyClean compares every clean extent with what its backing device has there.
func (c *checker) verifyClean() error {
	if c.c == nil || c.c.UUIDs == nil {
		return nil
	}
	byInode := map[uint32]io.ReaderAt{}
	for i := range c.backing {
		if v := c.volumeOf(c.backing[i].super.UUID); v != nil {
			byInode[v.Inode] = c.backing[i].R
		}
	}
	var mu sync.Mutex
	var failed error
	err := c.c.Walk(func(_ int, e *inspect.Extent) {
		back := byInode[e.Inode()]
		if back == nil || !e.Live || e.Dirty() {
			return
		}
		same, err := sameData(c.dev.R, e.Ptr[0].Offset(), back, e.Start(), e.Size())
		switch {
		case err != nil:
			mu.Lock()
			failed = errors.Join(failed, err)
			mu.Unlock()
		case !same:
			c.found.Add(finding.About(c.c.Subject(e), finding.EXStaleData, "differs from the backing device"))
		}
	})
	return errors.Join(err, failed)
}

// writtenBack is the backing device that holds all dirty data of a detached volume already, or nil. The slot does not
// name its device any more, so each that was given may be it. What cannot be read proves nothing.
func (c *checker) writtenBack(v *inspect.Volume) *backing {
	for i := range c.backing {
		b := &c.backing[i]
		var differ atomic.Bool
		err := c.c.Walk(func(_ int, e *inspect.Extent) {
			if e.Inode() != v.Inode || !e.Live || !e.Dirty() || differ.Load() {
				return
			}
			if same, err := sameData(c.dev.R, e.Ptr[0].Offset(), b.R, e.Start(), e.Size()); err != nil || !same {
				differ.Store(true)
			}
		})
		if err == nil && !differ.Load() {
			return b
		}
	}
	return nil
}

func sameData(a io.ReaderAt, at ondisk.Sector, b io.ReaderAt, from, n ondisk.Sector) (bool, error) {
	x, y := make([]byte, n.Bytes()), make([]byte, n.Bytes())
	if _, err := a.ReadAt(x, at.Bytes()); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	if _, err := b.ReadAt(y, from.Bytes()); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return bytes.Equal(x, y), nil
}
