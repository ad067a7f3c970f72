// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"errors"
	"slices"
	"time"

	"bctl/alloc"
)

// Prios are what the bare loop does to the bucket it has taken, as the kernel's own code was measured:
//
//	ties     nothing, so all prios are equal
//	random   it gets a prio of 1 to 32768
//	rescale  nothing, and all prios are rescaled by the bucket's size
//
// Their places are those of the constants below.
var Prios = []string{"ties", "random", "rescale"}

type bareprios uint8

const (
	priosTies bareprios = iota
	priosRandom
	priosRescale
)

// ErrStuck says that gc finds nothing more to give back.
var ErrStuck = errors.New("every bucket is dirty, metadata or held: nothing is left to allocate")

// A Bare is the allocator alone: a loop that takes a bucket, drops its pin, and lets gc keep all there is.
type Bare struct {
	c     *alloc.Cache
	prios bareprios
	rng   alloc.SplitMix64
	size  int32
	timer *Histogram
	disk  *Device // whose pointers gc leaves where they are; nil: gc keeps the marks there are
}

// NewBare starts the loop on an empty device, or on d. Errors: alloc.ErrConfig.
func NewBare(cfg alloc.Config, prios string, seed uint64, d *Device) (*Bare, error) {
	cfg.Sync = true
	c, err := alloc.New(cfg)
	if err != nil {
		return nil, err
	}
	if d != nil {
		if err := d.load(c); err != nil {
			return nil, err
		}
	}
	if err := c.StartExisting(); err != nil {
		return nil, err
	}
	c.Run()
	return &Bare{c: c, prios: bareprios(max(slices.Index(Prios, prios), 0)), rng: alloc.SplitMix64(seed), size: int32(cfg.BucketSize)}, c.Err()
}

// Do takes n buckets. Errors: ErrStuck, alloc's.
func (l *Bare) Do(n int) error {
	if l.timer == nil {
		for range n {
			if err := l.once(); err != nil {
				return err
			}
		}
		return l.c.Err()
	}
	for range n {
		start := time.Now()
		if err := l.once(); err != nil {
			return err
		}
		l.timer.Add(time.Since(start))
	}
	return l.c.Err()
}

func (l *Bare) once() error {
	b, ok := l.c.Alloc(alloc.ReserveNone)
	if err := l.c.Err(); err != nil {
		return err
	}
	if !ok {
		return ErrStuck
	}
	l.c.Put(b)
	switch l.prios {
	case priosRandom:
		l.c.SetPrio(b, uint16(1+l.rng.Next()%32768))
	case priosRescale:
		l.c.Rescale(l.size)
	}
	l.c.Run()
	if l.c.WantsGC() {
		l.keep()
	}
	return nil
}

// keep runs gc until the allocator is content, or gets no further.
func (l *Bare) keep() {
	for l.c.WantsGC() {
		before := l.c.Stats().Invalidated
		if l.disk != nil {
			l.gcOnDisk()
		} else {
			l.c.GCKeep()
		}
		l.c.Run()
		if l.c.Stats().Invalidated == before {
			return
		}
	}
}

// LeavePointers has gc take the pointers on d as they are, because nobody rewrites its btree: a bucket that was
// invalidated holds nothing, and its oldest pointer stays as old as it was.
func (l *Bare) LeavePointers(d *Device) { l.disk = d }

func (l *Bare) gcOnDisk() {
	l.c.GCStart()
	for i := l.c.Config().FirstBucket; i < len(l.disk.Buckets); i++ {
		b, was := l.c.Bucket(i), l.disk.Buckets[i]
		b.LastGC = was.LastGC
		if b.Pin == 0 && b.Gen == was.Gen {
			b.Mark, b.Used = was.Mark, was.Used
		}
		l.c.SetBucket(i, b)
	}
	l.c.GCFinish()
}
