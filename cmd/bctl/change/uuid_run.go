// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/change/slots"
	"bctl/internal/disk/blockdev"
	"bctl/internal/disk/plan"
	"bctl/internal/finding"
	"bctl/internal/ui/render"
	"bctl/superblock"
)

// open opens the cache that a command is going to change, and reads it.
func (o *uuidOptions) open(ctx context.Context, tell *app.IO) (dev *blockdev.Device, c *inspect.Cache, err error) {
	if dev, err = change.Open(o.cache, o.write); err != nil {
		return nil, nil, err
	}
	var found finding.Collector
	if c, err = app.OpenCache(ctx, o.cache, dev, tell, &found); err == nil {
		err = sound(o.cache, found.Findings())
	}
	if err != nil {
		dev.Close()
		return nil, nil, err
	}
	return dev, c, nil
}

func (o *uuidOptions) purge(ctx context.Context, tell *app.IO) error {
	dev, c, err := o.open(ctx, tell)
	if err != nil {
		return err
	}
	defer dev.Close()
	if o.leftover {
		if o.inodes = slots.Leftover(c); len(o.inodes) == 0 {
			return fmt.Errorf("%s: no invalid slot without dirty data", o.cache)
		}
	}
	spool := change.NewSpool(o.write.SpoolDir())
	defer spool.Close() // it was read
	p, err := slots.Purge(c, o.inodes, o.discard, spool)
	if errors.Is(err, slots.ErrDirty) {
		err = app.WithHint(fmt.Errorf("%w: %s", err, piecesText(p.Lost)), "write them back first, or --discard-dirty gives them up")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", o.cache, err)
	}
	if p.Dirty > 0 && !o.write.DryRun {
		tell.Note("given up: %s", piecesText(p.Lost))
	}
	undo, err := change.Run(ctx, o.write, o.stage(ctx, dev, p.Plan, nil, nil))
	if err != nil {
		return fmt.Errorf("%s: %w", o.cache, err)
	}
	fields := []render.Field{
		{Key: "device", Value: o.cache, Name: "device"},
		{Key: "inodes", Value: p.Inodes, Name: "purged", Text: "slots " + strings.Trim(fmt.Sprint(p.Inodes), "[]") + o.done()},
		{Key: "dirty_sectors", Value: p.Dirty, Name: o.given(), Text: fmt.Sprintf("%d dirty sectors, %d clean ones", p.Dirty, p.Clean)},
		{Key: "clean_sectors", Value: p.Clean},
	}
	if err := render.Write(tell.Out, tell.Format, pieceView(append(fields, o.tail(undo)...), "lost", p.Lost)); err != nil {
		return err
	}
	o.last(undo, tell, o.cache)
	return nil
}

// given is what is said of what is lost.
func (o *uuidOptions) given() string {
	if o.write.DryRun {
		return "lost then"
	}
	return "given up"
}

// stage is the cache's, proved by fsck with the backing device as it will be.
func (o *uuidOptions) stage(ctx context.Context, dev *blockdev.Device, p *plan.Plan, back *blockdev.Device, backAfter io.ReaderAt) change.Stage {
	return change.Stage{Dev: dev, Plan: p, Prove: func(after io.ReaderAt) error {
		before := []fsck.Device{{Name: o.cache, R: dev, Size: dev.Size()}}
		will := []fsck.Device{{Name: o.cache, R: after, Size: dev.Size()}}
		if back != nil {
			before = append(before, fsck.Device{Name: o.backing, R: back, Size: back.Size()})
			will = append(will, fsck.Device{Name: o.backing, R: backAfter, Size: back.Size()})
		}
		return repair.ProveSet(ctx, before, will)
	}}
}

func (o *uuidOptions) relink(ctx context.Context, tell *app.IO) error {
	dev, c, err := o.open(ctx, tell)
	if err != nil {
		return err
	}
	defer dev.Close()
	back, err := change.Open(o.backing, o.write, dev)
	if err != nil {
		return err
	}
	defer back.Close()
	s, err := superblock.ReadDevice(back, back.Size())
	if err == nil && !s.IsBacking() {
		err = errors.New("a cache device, want a backing device")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", o.backing, err)
	}
	inode, err := o.which(c, s)
	if err != nil {
		return err
	}
	spool := change.NewSpool(o.write.SpoolDir())
	defer spool.Close() // it was read
	l, err := slots.Link(c, slots.Relink{
		Inode: inode, Super: s, End: ondisk.Sector(back.Size() / ondisk.SectorBytes), Merge: o.merge, Prefer: o.prefer, Now: uint32(time.Now().Unix()), Spool: spool,
	})
	if err != nil && !errors.Is(err, slots.ErrConflict) {
		return linkHint(fmt.Errorf("%s: %w", o.backing, err))
	}
	refused := err
	var undo []string
	var stages []change.Stage
	if refused == nil {
		super := new(plan.Plan)
		if l.Super != nil {
			super = superPlan(s, l.Super)
			stages = append(stages, change.Stage{Dev: back, Plan: super})
		}
		stages = append(stages, o.stage(ctx, dev, l.Plan, back, super.Overlay(back)))
		if undo, err = change.Run(ctx, o.write, stages...); err != nil {
			return fmt.Errorf("%s: %w", o.cache, err)
		}
	}
	if err := o.tellLinked(tell, l, inode, undo, refused); err != nil {
		return err
	}
	if refused != nil {
		return app.WithHint(fmt.Errorf("%s: %w: %s", o.backing, refused, app.Plural(len(l.Conflicts), "conflict")), "--prefer says which data stay: old, new, or dirty where what is new and clean may have been read since")
	}
	names := []string{o.cache}
	if len(stages) == 2 {
		names = []string{o.backing, o.cache}
	}
	o.last(undo, tell, names...)
	return nil
}

// which is the inode that is meant: the one that was named, or the only one that has dirty data and no device.
func (o *uuidOptions) which(c *inspect.Cache, s *ondisk.Super) (uint32, error) {
	if len(o.inodes) == 1 {
		return o.inodes[0], nil
	}
	list := slots.Orphans(c)
	switch len(list) {
	case 0:
		if now, ok := c.UUIDs.Find(s.UUID); ok {
			return now, nil
		}
		return 0, fmt.Errorf("%s: no detached volume has dirty data", o.cache)
	case 1:
		return list[0], nil
	}
	return 0, app.WithHint(fmt.Errorf("%s: slots %s have dirty data and no backing device", o.cache, strings.Trim(fmt.Sprint(list), "[]")), "--inode says which belongs to %s", app.Quote(o.backing))
}

func linkHint(err error) error {
	if errors.Is(err, slots.ErrTwoInodes) {
		return app.WithHint(err, "--merge moves the dirty keys to that inode")
	}
	return err
}

// superPlan writes of a superblock the sectors that change: label, flags and checksum stand in the first.
func superPlan(was, is *ondisk.Super) *plan.Plan {
	a, b := was.Append(nil), is.Append(nil)
	p := new(plan.Plan)
	var writes []plan.Write
	for i := 0; i < len(b); i += ondisk.SectorBytes {
		if part := b[i : i+ondisk.SectorBytes]; string(a[i:i+ondisk.SectorBytes]) != string(part) {
			writes = append(writes, plan.Write{Off: ondisk.SuperOffset + int64(i), Data: part, What: "superblock"})
		}
	}
	p.Then(writes...)
	p.Watched = []plan.Region{{Off: ondisk.SuperOffset, Bytes: ondisk.SuperSize}}
	return p
}
