// SPDX-License-Identifier: GPL-2.0-only

// Package image makes metadata images of caches: all that fsck and its kin read of a cache, and nothing of what users
// wrote. docs/image.md describes what is in one; package metaimage is the file.
//
//	inspect reads the cache, and what it reads is noted      the pieces: journal, prio sets, uuids, nodes
//	what older entries lead to, and nodes that nothing does  more of them, for repairs to find
//	each piece is read, scrubbed and written                 names are others, old bytes between structures are zero
//
// What is made of a name is the same everywhere, and checksums fit or fail as before.
package image

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/full"
	"bctl/internal/disk/metaimage"
	"bctl/internal/ui/progress"
	"bctl/superblock"
)

// ErrKind says that a device is not what it was given as.
var ErrKind = errors.New("not a cache device")

// A Source is a device that an image is made of.
type Source struct {
	Name         string
	R            io.ReaderAt
	Size         int64 // bytes
	LogicalBlock int   // bytes
}

// Options say how an image is made.
type Options struct {
	Sanitize bool
	Rand     io.Reader // of the other names; must not be nil where they are wanted
	Workers  int       // 0: as many as there are processors
	Progress progress.Starter

	masks  *masks
	odd    uint64
	part   int64 // of a domain that is looked at at a time, in bytes; 0: as it comes
	unread bool  // what cannot be read is wanted too
}

// A Plan is an image that can be written.
type Plan struct {
	Index   metaimage.Index
	o       *Options
	devices []*collector
}

// New looks through a cache and the superblocks of backing devices, whose index in the image is theirs here plus one.
// Damage is no error. Errors: ErrKind, those of superblock.Read, and the context's.
func New(ctx context.Context, cache *Source, backing []*Source, o Options) (*Plan, error) {
	if o.Progress == nil {
		o.Progress = progress.Silent
	}
	p := &Plan{o: &o, Index: metaimage.Index{Sanitized: o.Sanitize}}
	if o.Sanitize {
		o.masks = newMasks(o.Rand)
		var b [8]byte
		o.masks.random(b[:])
		o.odd = binary.LittleEndian.Uint64(b[:]) | 1
	}
	for i, dev := range append([]*Source{cache}, backing...) {
		s, err := superblock.ReadDevice(dev.R, dev.Size)
		if err == nil && s.IsBacking() != (i > 0) {
			err = ErrKind
			if i > 0 {
				err = fmt.Errorf("a cache device, not a backing device")
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dev.Name, err)
		}
		c := &collector{ctx: ctx, o: &o, dev: dev}
		k := metaimage.Cache
		if i > 0 {
			k = metaimage.Backing
			c.add(piece{off: 0, n: headBytes, kind: headPiece})
			c.signatures()
		} else if err := c.cache(); err != nil {
			return nil, err
		}
		p.devices = append(p.devices, c)
		p.Index.Devices = append(p.Index.Devices, metaimage.Device{Kind: k, Size: dev.Size, LogicalBlock: dev.LogicalBlock, Areas: c.areas()})
	}
	return p, nil
}

// areas are the pieces, those that touch one another as one.
func (c *collector) areas() (out []metaimage.Area) {
	for _, p := range c.pieces {
		if n := len(out); n > 0 && out[n-1].Off+out[n-1].Len == p.off {
			out[n-1].Len += p.n
			continue
		}
		out = append(out, metaimage.Area{Off: p.off, Len: p.n})
	}
	return out
}

// Write writes the image. Errors: what can no longer be read, w's, the context's.
func (p *Plan) Write(ctx context.Context, w io.Writer) error {
	out, err := metaimage.Create(w, &p.Index)
	if err != nil {
		return err
	}
	bar := p.o.Progress("image", p.Index.Bytes())
	defer bar.Done()
	for _, c := range p.devices {
		for i := range c.pieces {
			if err := ctx.Err(); err != nil {
				return err
			}
			b := make([]byte, c.pieces[i].n)
			if err := full.ReadAt(c.dev.R, b, c.pieces[i].off); err != nil {
				return fmt.Errorf("%s: %w", c.dev.Name, err)
			}
			if p.o.Sanitize {
				b = c.scrubbed(&c.pieces[i], b)
			}
			if _, err := out.Write(b); err != nil {
				return err
			}
			bar.Add(int64(len(b)))
		}
	}
	if err := out.Close(); err != nil {
		return err
	}
	if p.o.Sanitize && p.o.masks.failed != nil {
		return fmt.Errorf("random names: %w", p.o.masks.failed)
	}
	return nil
}

// Size checks that a device can take what an image has of one: it must be as large. Errors say what is not.
func Size(d *metaimage.Device, size int64) error {
	if d.Size != size {
		return fmt.Errorf("%d bytes, and what the image was made of had %d (%d sectors)", size, d.Size, d.Size/ondisk.SectorBytes)
	}
	return nil
}
