// SPDX-License-Identifier: GPL-2.0-only

package fsck

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"sync"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// Verified is what a comparison of clean data with the backing devices saw.
type Verified struct {
	Extents       int64         `json:"extents"` // compared, equal or not
	Sectors       ondisk.Sector `json:"sectors"`
	DifferExtents int64         `json:"differ_extents"`
	DifferSectors ondisk.Sector `json:"differ_sectors"`
	UnreadExtents int64         `json:"unread_extents"` // could not be read, on either device
	UnreadSectors ondisk.Sector `json:"unread_sectors"`
	Unread        []string      `json:"unread"` // the first of them, and why
}

// unreadNamed is how many extents that could not be read are named.
const unreadNamed = 10

// verifier counts from all workers.
type verifier struct {
	mu     sync.Mutex
	v      Verified
	unread []unread
}

type unread struct {
	at  ondisk.Sector
	why string
}

func (r *verifier) note(e *inspect.Extent, same bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil:
		r.v.UnreadExtents++
		r.v.UnreadSectors += e.Size()
		r.unread = append(r.unread, unread{e.Ptr[0].Offset(), fmt.Sprintf("extent %s: %v", e.String(), err)})
		if len(r.unread) > 2*unreadNamed {
			r.first()
		}
		return
	case !same:
		r.v.DifferExtents++
		r.v.DifferSectors += e.Size()
	}
	r.v.Extents++
	r.v.Sectors += e.Size()
}

// first leaves the first of those that could not be read.
func (r *verifier) first() {
	sort.Slice(r.unread, func(i, j int) bool { return r.unread[i].at < r.unread[j].at })
	r.unread = r.unread[:min(len(r.unread), unreadNamed)]
}

// devices are the given backing devices of the cache's volumes, by inode.
func (c *checker) devices() map[uint32]io.ReaderAt {
	byInode := map[uint32]io.ReaderAt{}
	for i := range c.backing {
		if v := c.volumeOf(c.backing[i].super.UUID); v != nil {
			byInode[v.Inode] = c.backing[i].R
		}
	}
	return byInode
}

// verifyClean compares every clean extent with what its backing device has there. What cannot be read is counted: one
// bad sector says nothing of all others.
func (c *checker) verifyClean() {
	c.verified = &Verified{Unread: []string{}}
	if c.c == nil || c.c.UUIDs == nil {
		return
	}
	byInode := c.devices()
	var r verifier
	err := c.c.Walk(func(_ int, e *inspect.Extent) {
		back := byInode[e.Inode()]
		if back == nil || !e.Live || e.Dirty() || c.ctx.Err() != nil {
			return
		}
		same, err := sameData(c.dev.R, e.Ptr[0].Offset(), back, e.Start(), e.Size())
		r.note(e, same, err)
		if err == nil && !same {
			c.found.Add(finding.About(c.c.Subject(e), finding.EXStaleData, "differs from the backing device"))
		}
	})
	if err != nil {
		return // the context's: Run says so
	}
	r.first()
	*c.verified = r.v
	c.verified.Unread = []string{}
	for _, u := range r.unread {
		c.verified.Unread = append(c.verified.Unread, u.why)
	}
}

// decideStale asks the backing devices about dirty data behind stale pointers: where the cache still has at the old
// place what the backing device has, they were written back before the bucket was reused. Data that are one byte over
// and over prove nothing. What nobody can tell is said.
func (c *checker) decideStale() {
	c.saved = map[uint32]ondisk.Sector{}
	stale := slices.ContainsFunc(c.c.Volumes, func(v *inspect.Volume) bool { return v.StaleDirty > 0 })
	if len(c.backing) == 0 || !stale {
		return
	}
	byInode := c.devices()
	var mu sync.Mutex
	_ = c.c.Walk(func(_ int, e *inspect.Extent) { // its error is the context's: Run says so
		if e.Stale == 0 || !e.Dirty() || c.ctx.Err() != nil {
			return
		}
		if back := byInode[e.Inode()]; back != nil {
			same, err := sameData(c.dev.R, e.Ptr[0].Offset(), back, e.Start(), e.Size())
			if err == nil && same && !uniform(back, e.Start(), e.Size()) {
				mu.Lock()
				defer mu.Unlock()
				c.saved[e.Inode()] += e.Size()
				return
			}
		}
		c.found.Add(finding.About(c.c.Subject(e), finding.EXStaleDirty, "stale dirty pointer: its bucket was reused"))
	})
}

// uniform reports whether data are one byte over and over.
func uniform(r io.ReaderAt, at, n ondisk.Sector) bool {
	b := make([]byte, n.Bytes())
	if _, err := r.ReadAt(b, at.Bytes()); err != nil && !errors.Is(err, io.EOF) || len(b) == 0 {
		return true
	}
	return bytes.Count(b, b[:1]) == len(b)
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
