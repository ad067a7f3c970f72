package fsck

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"bctl/inspect"
	"bctl/internal/finding"
	"bctl/internal/ondisk"
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
			c.found.Add(finding.New(finding.EXStaleData, "extent %s: differs from the backing device", e.String()).
				Of(e.Inode(), e.Start(), e.Size()).At(e.Ptr[0].Offset()))
		}
	})
	return errors.Join(err, failed)
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
