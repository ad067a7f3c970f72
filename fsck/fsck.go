// SPDX-License-Identifier: GPL-2.0-only

// Package fsck checks a bcache device and says what is wrong with it, without ever writing.
//
//	pass           looks at                                             finds
//	superblock     cache_sb_disk, signatures before the first bucket    SB
//	journal        the whole ring; which entries a replay would take    JR
//	prio chain     every prio set                                       PR
//	btree          every node, from the root down, in parallel          BT
//	extents        every piece that survives newer keys and the journal EX
//	gens           bucket gens against all pointers                     GN
//	uuids          slots, and the volumes that extents belong to        UU
//	space          sums and reserves                                    SP
//	backing        each backing device, alone and against the cache     BD
//
// No pass stops another: what a damaged structure hides is said, and everything else is still checked. Package
// inspect reads the device and reports what it meets on the way; the passes here judge what it leaves: the bucket
// table, the volumes and the superblocks. What a code means stands in package finding's table.
package fsck

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/ui/progress"
	"bctl/superblock"
)

// Device is something to check.
type Device struct {
	Name         string
	R            io.ReaderAt
	Size         int64 // bytes
	LogicalBlock int   // bytes; 0 where it is not known
}

// Options say how to check.
type Options struct {
	Workers  int                        // 0: as many as there are processors
	Progress progress.Starter           // nil: silent
	Now      int64                      // seconds since 1970; 0 leaves times unjudged
	Verify   bool                       // compare clean extents with the backing devices
	Leaves   func(b ondisk.Bucket) bool // reads of the tree's leaves those in such buckets alone, and counts no other; nil: all
	Sink     finding.Sink               // gets every finding of the cache's structures too, as it comes up and with no limit; may be nil
}

// Run checks dev, a cache device together with backing devices of its set, or a backing device alone.
// Damage is no error. Errors: not a bcache device, or one that cannot be read at all; the context's, for what a check
// that was cut short did not see must not be taken for what is not there.
func Run(ctx context.Context, dev Device, backing []Device, o Options) (*Report, error) {
	c, err := check(ctx, dev, backing, o)
	if err != nil {
		return nil, err
	}
	return c.report(), nil
}

// ErrTwin says that the device that is to be the cache has the superblock of a backing device, written over its own.
var ErrTwin = errors.New("it has the superblock of a backing device")

// notCache says that a device which is to be the cache has a backing device's superblock.
func notCache(dev Device, backing []Device, s *ondisk.Super) error {
	for _, d := range backing {
		if b, err := superblock.Read(d.R); err == nil && *b == *s {
			return fmt.Errorf("%s: %w, %s; if it is the cache and has its journal still, `bctl fsck -y` makes its own anew; if not, name the cache first", dev.Name, ErrTwin, d.Name)
		}
	}
	return fmt.Errorf("%s: a backing device; name the cache device first", dev.Name)
}

func check(ctx context.Context, dev Device, backing []Device, o Options) (*checker, error) {
	s, err := superblock.ReadDevice(dev.R, dev.Size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dev.Name, err)
	}
	c := &checker{ctx: ctx, o: o, dev: dev, super: s}
	if s.IsBacking() {
		if len(backing) > 0 {
			return nil, notCache(dev, backing, s)
		}
		c.backingAlone()
		return c, nil
	}
	c.superblock()
	if err := c.readBacking(backing); err != nil {
		return nil, err
	}
	if err := c.cache(); err != nil {
		return nil, err
	}
	c.judgeBacking()
	if o.Verify {
		c.verifyClean()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

type checker struct {
	ctx     context.Context
	o       Options
	dev     Device
	super   *ondisk.Super
	backing []backing
	lost    []error        // of given backing devices: that they have no superblock
	c       *inspect.Cache // nil where the superblock leads nowhere
	found   finding.Collector

	past     pastEnds                 // extents behind the ends of their volumes
	saved    map[uint32]ondisk.Sector // of each inode: dirty data that nothing leads to, but the backing device has
	verified *Verified
}

// cache reads everything behind the superblock, and judges it.
func (c *checker) cache() error {
	cache, err := inspect.Open(c.ctx, c.dev.R, c.super, inspect.Options{
		Size: c.dev.Size, Workers: c.o.Workers, Progress: c.o.Progress, Sink: c.take, Ends: c.volumeEnds(), Leaves: c.o.Leaves,
	})
	switch {
	case c.ctx.Err() != nil:
		return c.ctx.Err()
	case err != nil:
		c.found.Add(finding.New(finding.SBNoGeometry, "superblock: %v: nothing else can be found", err))
		return nil
	}
	c.c = cache
	if cache.Journal == nil {
		return nil // never registered
	}
	c.past.report(c.found.Add)
	c.decideStale()
	c.uuids()
	c.gens()
	c.space()
	c.fill()
	c.salvage()
	return c.journalled()
}

// take is what inspect reports to. What many extents share is told once, and what the backing devices can decide waits
// for that.
func (c *checker) take(f finding.Finding) {
	if c.o.Sink != nil {
		c.o.Sink(f)
	}
	e, ok := f.Subject.(finding.Extent)
	switch {
	case ok && (f.Code == finding.EXPastBacking || f.Code == finding.UUFlashEnd):
		c.past.add(f.Code, &e)
	case ok && f.Code == finding.EXStaleDirty && len(c.backing) > 0:
	default:
		c.found.Add(f)
	}
}

// volumeEnds is how large the given backing devices are, by uuid.
func (c *checker) volumeEnds() map[ondisk.UUID]ondisk.Sector {
	ends := map[ondisk.UUID]ondisk.Sector{}
	for _, b := range c.backing {
		ends[b.super.UUID] = ondisk.Sector(b.Size / ondisk.SectorBytes)
	}
	return ends
}
