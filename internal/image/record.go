// SPDX-License-Identifier: GPL-2.0-only

package image

import (
	"io"
	"sync"

	"bctl/internal/bcache/ondisk"
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

// settle keeps of the readings what writing needs: the tables are large.
func (c *collector) settle() {
	for i := range c.pieces {
		p := &c.pieces[i]
		if p.from == nil {
			continue
		}
		if b := p.from.g.BucketOf(ondisk.Sector(p.off / ondisk.SectorBytes)); b < p.from.c.Buckets.Len() {
			p.gen = p.from.c.Buckets.Gen(b)
		}
	}
	for i := range c.pieces {
		if from := c.pieces[i].from; from != nil {
			from.c = nil
		}
	}
}
