// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"context"
	"errors"
	"fmt"

	"bctl/alloc/cachesim"
	"bctl/cmd/bctl/app"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/disk/plan"
	"bctl/internal/finding"
	"bctl/superblock"
)

// benchCommit is --commit: the bare loop on a device, whose prio writes are made for real.
func benchCommit(ctx context.Context, o *benchOptions, io *app.IO) error {
	name := o.name
	write := change.Options{Command: "alloc-bench", NoUndo: true} // of an image that is for trying
	dev, err := change.Open(name, write)
	if err != nil {
		return err
	}
	defer dev.Close()
	if dev.IsBlock() {
		return fmt.Errorf("%s: a block device: --commit throws its clean data away, so it takes image files only", name)
	}
	var found finding.Collector
	cache, err := app.OpenCache(ctx, name, dev, io, &found)
	if err != nil {
		return err
	}
	switch n := found.Count(finding.Damage); {
	case n > 0:
		return app.WithHint(fmt.Errorf("%s: damaged (%s), so nothing was written", name, app.Plural(n, "finding")), "see bctl fsck %s", app.Quote(name))
	case cache.Journal == nil || cache.Journal.Newest == nil:
		return fmt.Errorf("%s: never registered: it has no journal to write to", name)
	}
	if err := dev.CanWrite(); err != nil {
		return err
	}
	if o.ops == 0 && o.time == 0 {
		o.ops = uint64(cache.Geo.NBuckets)
	}
	row, err := o.commit(ctx, dev, cache, func(p *plan.Plan) error {
		_, err := change.Run(ctx, write, change.Stage{Dev: dev, Plan: p})
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return o.writeBench(io, []benchRow{row})
}

// commit runs the loop on dev, which cache was read from and run writes to.
func (o *benchOptions) commit(ctx context.Context, dev plan.Device, cache *inspect.Cache, run func(*plan.Plan) error) (benchRow, error) {
	o.takeCache(cache)
	cfg, err := o.config(o.policies[0], o.count, o.buckets[0])
	if err != nil {
		return benchRow{}, err
	}
	w := &prioCommitter{ctx: ctx, dev: dev, run: run, entries: make([]ondisk.PrioEntry, o.count)}
	cfg.Alloc.Prios = w
	l, err := cachesim.NewBare(cfg.Alloc, o.prios, o.seed, o.device)
	if err != nil {
		return benchRow{}, err
	}
	l.LeavePointers(o.device)
	m, err := cachesim.Bench{Ops: o.ops, Time: o.time, Tick: func(int64) {}}.Loop(ctx, l)
	if err != nil {
		return benchRow{}, fmt.Errorf("%w (%d prio sets were written before)", err, w.sets)
	}
	return benchRowOf(&cfg.Alloc, m), nil
}

// prioCommitter is the alloc.PrioWriter of a real device. What the model packs is kept until its journal entry comes:
// all of it is then one transaction, in the kernel's order.
type prioCommitter struct {
	ctx     context.Context
	dev     plan.Device
	run     func(*plan.Plan) error
	entries []ondisk.PrioEntry // of all buckets, each as it was when its set was packed
	sets    int
}

// Pack takes the image of a set.
func (w *prioCommitter) Pack(_ uint64, _, lo, hi int, entry func(int) (uint16, uint8), _ int) {
	for i := lo; i < hi; i++ {
		w.entries[i].Prio, w.entries[i].Gen = entry(i)
	}
}

// Write has nothing to do: Journal tells the buckets again.
func (w *prioCommitter) Write(int, int) error { return nil }

// Journal makes the set current. The device is read anew, so that the transaction judges by what is there.
func (w *prioCommitter) Journal(seq uint64, buckets []uint32) error {
	p, err := w.plan(seq, buckets)
	if err != nil {
		return err
	}
	w.sets++
	return w.run(p)
}

func (w *prioCommitter) plan(seq uint64, buckets []uint32) (*plan.Plan, error) {
	s, err := superblock.Read(w.dev)
	if err != nil {
		return nil, err
	}
	var found finding.Collector
	cache, err := inspect.Open(w.ctx, w.dev, s, inspect.Options{Size: w.dev.Size(), Sink: found.Add})
	if err != nil {
		return nil, err
	}
	if n := found.Count(finding.Damage); n > 0 {
		return nil, fmt.Errorf("damaged after %d prio sets: %s", w.sets, found.Findings()[0].Message)
	}
	tx, err := change.Begin(cache)
	if err != nil {
		return nil, err
	}
	tx.RetireEmpty()
	var to []ondisk.Bucket
	for _, b := range buckets {
		to = append(to, ondisk.Bucket(b))
	}
	got, err := tx.PutPrios(to, func(b ondisk.Bucket) ondisk.PrioEntry { return w.entries[b] })
	if err == nil && got != seq {
		err = errors.New("the allocator and the device disagree on the prio sets' seq")
	}
	if err != nil {
		return nil, err
	}
	return tx.Commit()
}
