// SPDX-License-Identifier: GPL-2.0-only

package image

import (
	"io"
	"sync"
)

// A recorder notes what is read, and can be: what fsck reads of a cache is what an image must have.
type recorder struct {
	r    io.ReaderAt
	mu   sync.Mutex
	seen map[extent]bool
	all  bool // what could not be read too
}

type extent struct{ off, n int64 }

func record(r io.ReaderAt) *recorder { return &recorder{r: r, seen: map[extent]bool{}} }

// ReadAt is io.ReaderAt.
func (r *recorder) ReadAt(b []byte, off int64) (int, error) {
	n, err := r.r.ReadAt(b, off)
	if n == len(b) || r.all {
		r.mu.Lock()
		r.seen[extent{off, int64(len(b))}] = true
		r.mu.Unlock()
	}
	return n, err
}
