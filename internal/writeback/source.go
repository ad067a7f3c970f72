// SPDX-License-Identifier: GPL-2.0-only

package writeback

import (
	"io"
	"sync"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/full"
)

// A source is the cache's data, as far as they can be read. What could not once is not tried again. Its methods may be
// called from several goroutines.
type source struct {
	r       io.ReaderAt
	medium  func(b []byte, off int64) (int, error)
	block   int64 // the smallest unit that is read
	retries int

	mu  sync.Mutex
	bad map[int64]bool // blocks, by where they start
}

// mediumReader is a device that can be read past the page cache, block by block.
type mediumReader interface {
	ReadMedium(b []byte, off int64) (int, error)
}

func newSource(r io.ReaderAt, block, retries int) *source {
	s := &source{r: r, medium: r.ReadAt, block: max(int64(block), ondisk.SectorBytes), retries: retries, bad: map[int64]bool{}}
	if m, ok := r.(mediumReader); ok {
		s.medium = m.ReadMedium
	}
	return s
}

// chunk is how much is tried at once where something in it cannot be read.
const chunk = 64 << 10

// read fills b with what stands at off, and calls lost for each run that could not be read, in order, with its place in
// b; what b holds there means nothing.
func (s *source) read(b []byte, off int64, lost func(at, n int64)) {
	if !s.knownBad(off, int64(len(b))) && full.ReadAt(s.r, b, off) == nil {
		return
	}
	from, to := int64(0), int64(0) // the run that cannot be read
	for at := int64(0); at < int64(len(b)); {
		n := min(chunk, int64(len(b))-at)
		if !s.knownBad(off+at, n) && full.ReadAt(s.r, b[at:at+n], off+at) == nil {
			at += n
			continue
		}
		for end := at + n; at < end; {
			start := (off + at) / s.block * s.block
			k := min(end-at, start+s.block-off-at)
			if !s.readBlock(b[at:at+k], off+at, start) {
				if to != at {
					if to > from {
						lost(from, to-from)
					}
					from = at
				}
				to = at + k
			}
			at += k
		}
	}
	if to > from {
		lost(from, to-from)
	}
}

// readBlock reads a part of the block at start, again and again.
func (s *source) readBlock(b []byte, off, start int64) bool {
	if s.knownBad(start, 1) {
		return false
	}
	for range 1 + s.retries {
		if full.ReadAt(readerAt(s.medium), b, off) == nil {
			return true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bad) < mostRanges { // more are tried again
		s.bad[start] = true
	}
	return false
}

// knownBad reports whether any block of n bytes from off on could not be read before.
func (s *source) knownBad(off, n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bad) == 0 {
		return false
	}
	for at := off / s.block * s.block; at < off+n; at += s.block {
		if s.bad[at] {
			return true
		}
	}
	return false
}

type readerAt func(b []byte, off int64) (int, error)

func (f readerAt) ReadAt(b []byte, off int64) (int, error) { return f(b, off) }
