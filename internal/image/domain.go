// SPDX-License-Identifier: GPL-2.0-only

package image

import (
	"context"
	"fmt"
	"math/bits"
	"sync/atomic"

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

// partBytes is how much of a device is looked at at a time: each takes a walk through the tree, and a bit for each unit.
const partBytes = 512 << 30

// Areas is the domain as ddrescue takes it, in order: what is in it counts as finished, all else as untried. Errors:
// ErrKind, those of superblock.Read and the context's; damage is no error.
func (d Domain) Areas(ctx context.Context, dev *Source, o Options, use func(mapfile.Area) error) error {
	if o.Progress == nil {
		o.Progress = progress.Silent
	}
	s, err := superblock.ReadDevice(dev.R, dev.Size)
	if err == nil && s.IsBacking() {
		err = ErrKind
	}
	if err != nil {
		return fmt.Errorf("%s: %w", dev.Name, err)
	}
	var pieces []mapfile.Area
	if d.Metadata {
		o.Sanitize, o.unread = false, true
		c := &collector{ctx: ctx, o: &o, dev: dev}
		if err := c.cache(); err != nil {
			return err
		}
		for _, p := range c.pieces {
			pieces = append(pieces, mapfile.Area{Off: p.off, Len: p.n})
		}
	}
	var c *inspect.Cache
	if d.Dirty || d.Cached {
		c, err = inspect.Open(ctx, dev.R, s, inspect.Options{Size: dev.Size, Small: true, Workers: o.Workers, Progress: o.Progress, Sink: func(finding.Finding) {}})
		if err != nil {
			return fmt.Errorf("%s: %w", dev.Name, err)
		}
	}
	part := o.part
	if part == 0 {
		part = partBytes
	}
	out := joiner{use: use}
	wanted := newBits(dev.Size, part)
	for ; wanted.from < dev.Size; wanted.next() {
		for _, p := range pieces {
			wanted.set(p.Off, p.Len)
		}
		if c != nil {
			if err := d.extents(c, wanted); err != nil {
				return err
			}
		}
		if err := wanted.areas(&out); err != nil {
			return err
		}
	}
	return out.end()
}

// extents adds where live extents stand.
func (d Domain) extents(c *inspect.Cache, wanted *bits4k) error {
	return c.WalkOf(func(k *ondisk.Bkey) bool {
		off, n := k.Ptr[0].Offset().Bytes(), k.Size().Bytes()
		return (d.Cached || k.Dirty()) && off < wanted.to && off+n > wanted.from
	}, func(_ int, e *inspect.Extent) {
		if e.Live {
			wanted.set(e.Ptr[0].Offset().Bytes(), e.Size().Bytes())
		}
	})
}

// bits4k has a bit for each domainBytes of a part of a device.
type bits4k struct {
	from, to int64
	size     int64 // of the device
	bits     []uint64
}

func newBits(size, part int64) *bits4k {
	to := min(size, part)
	return &bits4k{0, to, size, make([]uint64, to/domainBytes/64+1)}
}

// next turns to the next part, of which no bit is set.
func (b *bits4k) next() {
	n := b.to - b.from
	b.from, b.to = b.to, min(b.to+n, b.size)
	clear(b.bits)
}

// set may be called from several goroutines.
func (b *bits4k) set(off, n int64) {
	from, to := max(off, b.from)-b.from, min(off+n, b.to)-b.from
	for i, end := from/domainBytes, (to+domainBytes-1)/domainBytes; i < end; {
		k := min(64-i%64, end-i)
		atomic.OrUint64(&b.bits[i/64], ^uint64(0)>>(64-k)<<(i%64))
		i += k
	}
}

// areas hands on the runs of equal bits.
func (b *bits4k) areas(out *joiner) error {
	for at := b.from; at < b.to; {
		i := (at - b.from) / domainBytes
		word, status := b.bits[i/64]>>(i%64), byte(mapfile.Untried)
		if word&1 != 0 {
			word, status = ^word, mapfile.Finished
		}
		run := min(int64(bits.TrailingZeros64(word)), 64-i%64) // units
		n := min(run*domainBytes, b.to-at)
		if err := out.add(mapfile.Area{Off: at, Len: n, Status: status}); err != nil {
			return err
		}
		at += n
	}
	return nil
}

// A joiner makes neighbours of one status one.
type joiner struct {
	use  func(mapfile.Area) error
	last mapfile.Area
}

func (j *joiner) add(a mapfile.Area) error {
	if j.last.Len > 0 && j.last.Status == a.Status {
		j.last.Len += a.Len
		return nil
	}
	err := j.end()
	j.last = a
	return err
}

// end hands the last on.
func (j *joiner) end() error {
	if j.last.Len == 0 {
		return nil
	}
	return j.use(j.last)
}
