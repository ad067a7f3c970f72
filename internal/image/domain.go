// SPDX-License-Identifier: GPL-2.0-only

package image

import (
	"context"
	"fmt"
	"sync"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/mapfile"
	"bctl/internal/finding"
	"bctl/internal/ui/progress"
	"bctl/superblock"
)

// A Domain says what of a cache is to be copied first.
type Domain struct {
	Metadata bool // what an image has, and what of it could not be read
	Dirty    bool // data that nobody else has
	Cached   bool // all data
}

// domainBytes is the unit of a domain: what a disk reads at a time.
const domainBytes = 4096

// Map is the domain as ddrescue takes it: what is in it counts as finished, all else as untried. Errors: ErrKind, those
// of superblock.Read and the context's; damage is no error.
func (d Domain) Map(ctx context.Context, dev *Source, o Options) (mapfile.Map, error) {
	if o.Progress == nil {
		o.Progress = progress.Silent
	}
	s, err := superblock.ReadDevice(dev.R, dev.Size)
	if err == nil && s.IsBacking() {
		err = ErrKind
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dev.Name, err)
	}
	wanted := newBits(dev.Size)
	if d.Metadata {
		o.Sanitize, o.unread = false, true
		c := &collector{ctx: ctx, o: &o, dev: dev}
		if err := c.cache(); err != nil {
			return nil, err
		}
		for _, p := range c.pieces {
			wanted.set(p.off, p.n)
		}
	}
	if d.Dirty || d.Cached {
		if err := d.extents(ctx, s, dev, o, wanted); err != nil {
			return nil, err
		}
	}
	return wanted.areas(), nil
}

// extents adds where live extents stand.
func (d Domain) extents(ctx context.Context, s *ondisk.Super, dev *Source, o Options, wanted *bits4k) error {
	c, err := inspect.Open(ctx, dev.R, s, inspect.Options{Size: dev.Size, Workers: o.Workers, Progress: o.Progress, Sink: func(finding.Finding) {}})
	if err != nil {
		return fmt.Errorf("%s: %w", dev.Name, err)
	}
	var mu sync.Mutex
	return c.Walk(func(_ int, e *inspect.Extent) {
		if e.Live && (d.Cached || e.Dirty()) {
			mu.Lock()
			defer mu.Unlock()
			wanted.set(e.Ptr[0].Offset().Bytes(), e.Size().Bytes())
		}
	})
}

// bits4k has a bit for each domainBytes of a device.
type bits4k struct {
	size int64
	bits []uint64
}

func newBits(size int64) *bits4k {
	return &bits4k{size, make([]uint64, (size/domainBytes+64)/64)}
}

func (b *bits4k) set(off, n int64) {
	for i := max(off, 0) / domainBytes; i*domainBytes < min(off+n, b.size); i++ {
		b.bits[i/64] |= 1 << (i % 64)
	}
}

// areas are the runs of equal bits.
func (b *bits4k) areas() (m mapfile.Map) {
	for at := int64(0); at < b.size; at += domainBytes {
		status := byte(mapfile.Untried)
		if i := at / domainBytes; b.bits[i/64]>>(i%64)&1 != 0 {
			status = mapfile.Finished
		}
		n := min(domainBytes, b.size-at)
		if k := len(m); k > 0 && m[k-1].Status == status {
			m[k-1].Len += n
		} else {
			m = append(m, mapfile.Area{Off: at, Len: n, Status: status})
		}
	}
	return m
}
