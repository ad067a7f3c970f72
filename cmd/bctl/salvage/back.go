// SPDX-License-Identifier: GPL-2.0-only

package salvage

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"bctl/cmd/bctl/app"
	"bctl/inspect"
	"bctl/inspect/volume"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/disk/blockdev"
	"bctl/internal/disk/mapfile"
	"bctl/internal/disk/plan"
	"bctl/internal/finding"
	"bctl/internal/hint"
	"bctl/internal/writeback"
	"bctl/superblock"
)

// A back is a writeback that goes on.
type back struct {
	o       writebackOptions
	io      *app.IO
	cache   *blockdev.Device
	r       io.ReaderAt // of cache, as far as a mapfile has it
	m       mapfile.Map // nil: none
	devs    []change.Device
	c       *inspect.Cache
	found   finding.Collector
	targets []*writeback.Target
	job     *writeback.Job
	report  backReport
}

func writeBack(ctx context.Context, o writebackOptions, to *app.IO) error {
	b := &back{o: o, io: to}
	open, err := b.claim()
	defer func() {
		for _, d := range open {
			d.Close()
		}
	}()
	if err != nil {
		return err
	}
	if err := b.read(ctx); err != nil {
		return err
	}
	if n := b.found.Count(finding.Damage); n > 0 {
		to.Note("%s is damaged (%d findings): what its metadata do not tell is not copied; see bctl fsck", o.cache, n)
	}
	if err := b.match(); err != nil {
		if errors.Is(err, volume.ErrNoTree) && o.mapfile != "" {
			err = app.WithHint(fmt.Errorf("%s: %w, as far as %s has it", o.cache, err, o.mapfile),
				"copy the metadata first: bctl domain --metadata DEVICE -o FILE, ddrescue --domain-mapfile=FILE")
		}
		return err
	}
	lost, err := b.lostFile()
	if err != nil {
		return err
	}
	b.job = writeback.New(b.c, b.targets, b.cache.LogicalBlock(), writeback.Options{
		Clean: o.clean, Retries: o.retries, Verify: o.verify, Progress: o.progress, Lost: lost.add, Unread: b.unread,
	})
	err = b.job.Survey(ctx)
	for _, t := range b.targets {
		if n := b.job.Counts(t).Clean; n > 0 {
			to.Note("%s lacks %s of clean data that the cache has, and that the kernel would show: they are copied too; --clean none leaves them", t.Dev.Path(), size(n))
		}
	}
	if err == nil && o.yes {
		err = b.carry(ctx, lost)
	}
	if err = errors.Join(err, lost.close()); err != nil {
		return err
	}
	return b.tell()
}

// claim opens the devices, for reading alone where nothing is going to be written.
func (b *back) claim() (open []*blockdev.Device, err error) {
	names := append([]string{b.o.cache}, b.o.backing...)
	if b.o.to != "" {
		names = append(names, b.o.to)
	}
	for i, name := range names {
		d, err := change.Open(name, b.o.write, open...)
		if err != nil {
			return open, err
		}
		for _, other := range open {
			if d.Same(other) {
				d.Close()
				return open, app.Usagef("%s and %s are the same device", other.Path(), name)
			}
		}
		open = append(open, d)
		if i > 0 {
			b.devs = append(b.devs, d)
		}
	}
	b.cache, b.r = open[0], open[0]
	if b.o.mapfile == "" {
		return open, nil
	}
	f, err := os.Open(b.o.mapfile)
	if err != nil {
		return open, err
	}
	defer f.Close()
	m, err := mapfile.Parse(bufio.NewReader(f))
	if err != nil {
		return open, fmt.Errorf("%s: %w", b.o.mapfile, err)
	}
	b.m, b.r = m, m.Over(b.cache)
	return open, nil
}

// unread is how many of n bytes of the cache are in sectors that the mapfile does not have whole.
func (b *back) unread(off, n int64) (bytes int64) {
	if b.m == nil {
		return 0
	}
	end := int64(0)
	for _, a := range b.m.Unread(off, n) {
		from := max(a.Off-a.Off%ondisk.SectorBytes, end)
		end = (a.Off + a.Len + ondisk.SectorBytes - 1) / ondisk.SectorBytes * ondisk.SectorBytes
		bytes += max(end-from, 0)
	}
	return bytes
}

// read reads the cache's metadata.
func (b *back) read(ctx context.Context) error {
	b.found = finding.Collector{}
	s, err := superblock.ReadDevice(b.r, b.cache.Size())
	if err == nil && s.IsBacking() {
		err = app.WithHint(errors.New("a backing device, it holds no dirty data of others"), "the cache is named first: bctl writeback CACHE BACKING...")
	}
	if err == nil {
		app.MindMemory(s)
		b.c, err = inspect.Open(ctx, b.r, s, inspect.Options{Size: b.cache.Size(), Small: true, Sink: b.found.Add, Progress: b.o.progress})
	}
	if err != nil {
		return fmt.Errorf("%s: %w", b.o.cache, err)
	}
	return nil
}

// match finds the volume of each device.
func (b *back) match() (err error) {
	named := b.devs
	if b.o.to != "" {
		named = named[:len(named)-1]
	}
	b.targets, err = writeback.Match(b.c, named)
	if err != nil || b.o.to == "" {
		return nameCache(err, b.o.cache)
	}
	t, err := writeback.To(b.c, b.o.inode, b.devs[len(b.devs)-1])
	if err != nil {
		return nameCache(err, b.o.cache)
	}
	for _, o := range b.targets {
		if o.Inode == t.Inode {
			return app.Usagef("volume %d is named twice", t.Inode)
		}
	}
	b.targets = append(b.targets, t)
	return nil
}

// carry copies, and clears.
func (b *back) carry(ctx context.Context, lost *lostFile) error {
	began := time.Now()
	var stages []change.Stage
	for _, t := range b.targets {
		s := change.Stage{Dev: t.Dev, Data: b.job.Data(t)}
		if b.o.clear {
			s.Later = b.job.LaterState(t)
		}
		if b.job.Counts(t) != (writeback.Counts{}) || b.o.write.Undo != "" {
			stages = append(stages, s)
		}
	}
	first := b.o.write
	if first.NoUndo = first.Undo == ""; first.NoUndo && len(stages) > 0 {
		b.io.Note("what stands on the backing devices is not kept: --undo FILE would")
	}
	undo, err := change.Run(ctx, first, stages...)
	for i, name := range undo {
		b.report.files = append(b.report.files, undoFile{name, stages[i].Dev.Path()})
	}
	b.report.seconds, b.report.copied = time.Since(began).Seconds(), b.job.Copied()
	if err != nil {
		return b.halfway(ctx, err)
	}
	if err := lost.sync(); err != nil {
		return err
	}
	if !b.o.clear {
		return nil
	}
	return b.clear(ctx, len(undo))
}

// halfway says how to go on where the copying ended early.
func (b *back) halfway(ctx context.Context, err error) error {
	way := "nothing is cleared, and the cache has all of it still, as dirty: run it again once that is mended"
	switch {
	case ctx.Err() != nil:
		b.io.Note("%s of the dirty data are on the backing devices, and stay dirty in the cache; run it again to go on", size(b.report.copied))
		return err
	case errors.Is(err, change.ErrUndoKeep), hint.Of(err) != "":
		return err
	case errors.Is(err, plan.ErrReadBack):
		way = "the device does not give back what it was given, and may be failing; nothing is cleared, and the cache has all of it still"
	}
	return app.WithHint(err, "%s", way)
}

// clear makes what was copied clean. kept is how many undo files there are.
func (b *back) clear(ctx context.Context, kept int) error {
	spool := change.NewSpool("")
	defer spool.Close() // it was read
	cleared, err := b.job.Clear(b.found.Findings(), spool)
	if errors.Is(err, change.ErrNoSpace) {
		cleared, err = b.clearTight(ctx, &kept, spool)
	}
	if err != nil {
		err = fmt.Errorf("%s: the data are copied, but nothing is cleared: %w", b.o.cache, err)
		if errors.Is(err, writeback.ErrDamaged) {
			err = app.WithHint(err, "bctl fsck -y %s, and then again", app.Quote(b.o.cache))
		}
		return err
	}
	stages := []change.Stage{{Dev: b.cache, Plan: cleared.Plan, Prove: cleared.Prove(ctx, b.cache.Size())}}
	for _, t := range b.targets {
		p := cleared.CleanState(t)
		if p != nil {
			stages = append(stages, change.Stage{Dev: t.Dev, Plan: p, NoUndo: kept > 0})
		}
		b.report.cleaned(t, p != nil)
	}
	b.report.keys = cleared.Keys
	if cleared.Keys == 0 {
		stages = stages[1:]
	}
	b.forget()
	undo, err := change.Run(ctx, b.numbered(kept), stages...)
	for i, name := range undo {
		b.report.files = append(b.report.files, undoFile{name, stages[min(i, len(stages)-1)].Dev.Path()})
	}
	b.report.isClear = err == nil
	return err
}

// clearTight is the clearing of a cache that has no room for another tree: clean data make room, and where those are not
// enough, what was copied.
func (b *back) clearTight(ctx context.Context, kept *int, spool *change.Spool) (cleared *writeback.Cleared, err error) {
	if err = b.makeRoom(ctx, kept); err == nil {
		cleared, err = b.job.Clear(b.found.Findings(), spool)
	}
	if !errors.Is(err, change.ErrNoSpace) {
		return cleared, err
	}
	if cleared, err = b.job.Drop(b.found.Findings(), spool); err == nil {
		b.io.Note("the cache has no room to keep what was copied: it is given up there, and is on the backing devices")
	}
	return cleared, err
}

// forget gives the memory of the old state up: the proof reads the new one.
func (b *back) forget() {
	b.report.others = writeback.Others(b.c, b.targets)
	b.c = nil
	b.job.Use(nil)
	debug.FreeOSMemory()
}

// numbered has the undo files that come now called after those that are there.
func (b *back) numbered(kept int) change.Options {
	o := b.o.write
	if o.Undo != "" && kept > 0 {
		o.Undo = fmt.Sprintf("%s.%d", o.Undo, kept+1)
	}
	return o
}

// makeRoom gives up clean data where a new tree has no room, and reads the cache anew.
func (b *back) makeRoom(ctx context.Context, kept *int) error {
	p, given, err := b.job.Room()
	if err != nil {
		return err
	}
	b.io.Note("%s given up, longest unused, to make room", app.Plural(given, "clean bucket"))
	prove := b.sound(ctx)
	b.forget()
	undo, err := change.Run(ctx, b.numbered(*kept), change.Stage{Dev: b.cache, Plan: p, Prove: prove})
	for _, name := range undo {
		b.report.files = append(b.report.files, undoFile{name, b.o.cache})
	}
	if *kept += len(undo); err != nil {
		return err
	}
	if err := b.read(ctx); err != nil {
		return err
	}
	b.job.Use(b.c)
	return nil
}

// sound proves that nothing is damaged in a cache as it will be.
func (b *back) sound(ctx context.Context) func(io.ReaderAt) error {
	super := b.c.Super
	return func(after io.ReaderAt) error {
		var found finding.Collector
		_, err := inspect.Open(ctx, after, super, inspect.Options{Size: b.cache.Size(), Small: true, Sink: found.Add})
		if err == nil && found.Count(finding.Damage) > 0 {
			err = writeback.ErrNotProven
		}
		return err
	}
}
