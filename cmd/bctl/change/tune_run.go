// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/change/slots"
	"bctl/internal/disk"
	"bctl/internal/disk/blockdev"
	"bctl/internal/finding"
	"bctl/superblock"
)

// tune changes the device, and the label of its slot.
func (o *tuneOptions) tune(ctx context.Context, tell *app.IO) error {
	dev, err := change.Open(o.device, o.write)
	if err != nil {
		return err
	}
	defer dev.Close()
	s, err := superblock.ReadDevice(dev, dev.Size())
	if err != nil {
		return fmt.Errorf("%s: %w", o.device, err)
	}
	t := &tuned{was: s}
	if t.is, err = o.wanted(s); err != nil {
		return err
	}
	if err := sane(s, t.is, dev); err != nil {
		return fmt.Errorf("%s: %w", o.device, err)
	}
	if o.state != nil && *o.state != s.State() {
		if t.proved, err = o.proof(ctx, s, dev, tell); err != nil {
			return err
		}
	}
	t.plan = superPlan(s, t.is)
	names, stages := []string{}, []change.Stage{}
	if *t.is != *s {
		names = append(names, o.device)
		stages = append(stages, change.Stage{Dev: dev, Plan: t.plan, Prove: func(after io.ReaderAt) error {
			is, will := fsck.Device{Name: o.device, R: dev, Size: dev.Size()}, fsck.Device{Name: o.device, R: after, Size: dev.Size()}
			if !s.IsBacking() {
				return nil // of a cache these fields lead nowhere
			}
			return repair.ProveSet(ctx, []fsck.Device{is}, []fsck.Device{will})
		}})
	}
	if o.cache != "" && o.label != nil {
		held, stage, err := o.relabel(ctx, t, dev, tell)
		if err != nil {
			return err
		}
		defer held.Close()
		if stage != nil {
			names, stages = append(names, o.cache), append(stages, *stage)
		}
	}
	if t.undo, err = change.Run(ctx, o.write, stages...); err != nil {
		return fmt.Errorf("%s: %w", o.device, err)
	}
	if err := o.tell(tell, t); err != nil {
		return err
	}
	if o.write.DryRun {
		tell.Note("nothing was written")
	}
	lastWords(false, t.undo, tell, names...)
	return nil
}

// relabel plans the label of the device's slot in the cache. The stage is nil where there is nothing to change.
func (o *tuneOptions) relabel(ctx context.Context, t *tuned, dev *blockdev.Device, tell *app.IO) (*blockdev.Device, *change.Stage, error) {
	u := uuidOptions{cache: o.cache, backing: o.device, write: o.write}
	held, err := change.Open(o.cache, o.write, dev)
	if err != nil {
		return nil, nil, err
	}
	var found finding.Collector
	c, err := app.OpenCache(ctx, o.cache, held, tell, &found)
	if err == nil {
		err = sound(o.cache, found.Findings())
	}
	if err != nil {
		held.Close()
		return nil, nil, err
	}
	inode, ok := c.UUIDs.Find(t.is.UUID)
	if !ok {
		tell.Note("%s has no slot for it", o.cache)
		return held, nil, nil
	}
	if c.UUIDs[inode].Label == t.is.Label {
		return held, nil, nil
	}
	p, err := slots.Label(c, inode, t.is.Label)
	if err != nil {
		held.Close()
		return nil, nil, fmt.Errorf("%s: %w", o.cache, err)
	}
	t.slot = &inode
	stage := u.stage(ctx, held, p, dev, t.plan.Overlay(dev))
	return held, &stage, nil
}

// What keeps a state from being changed.
var (
	errNoProof  = errors.New("no cache of its set was found: whether one holds dirty data of it is not known")
	errNoSet    = errors.New("it is of no set: there is nothing that it could be clean with")
	errStale    = errors.New("it was used without its cache, which still has data of it from before")
	errHasDirty = errors.New("a cache has dirty data of it")
)

// proof makes sure that no cache has data that the device lacks, or must not show. It returns what proved it.
func (o *tuneOptions) proof(ctx context.Context, s *ondisk.Super, dev *blockdev.Device, tell *app.IO) (by []string, err error) {
	if *o.state == ondisk.StateClean && s.SetUUID.IsZero() {
		return nil, fmt.Errorf("%s: %w", o.device, errNoSet)
	}
	names := []string{o.cache}
	if o.cache == "" {
		names = cachesOf(s.SetUUID)
	}
	for _, name := range names {
		if err := o.judge(ctx, s, name, tell); err != nil {
			return nil, err
		}
	}
	if len(names) == 0 && !o.cacheLost {
		return nil, app.WithHint(fmt.Errorf("%s: %w", o.device, errNoProof), "name the cache behind it, or give --cache-lost: what it held is given up")
	}
	if len(names) == 0 {
		tell.Note("%s: what its cache held of it is given up (state %v)", o.device, s.State())
	}
	return names, nil
}

// judge looks for data of the device in a cache.
func (o *tuneOptions) judge(ctx context.Context, s *ondisk.Super, name string, tell *app.IO) error {
	dev, err := app.OpenDevice(tell, name)
	if err != nil {
		return err
	}
	defer dev.Close()
	var found finding.Collector
	c, err := app.OpenCache(ctx, name, dev, tell, &found)
	if err != nil {
		return err
	}
	if c.Journal == nil && !found.Damaged() {
		return nil // it was never used
	}
	if !c.Known().All() {
		return app.WithHint(fmt.Errorf("%s: %w", name, slots.ErrUnknown), "repair it first: bctl fsck %s", app.Quote(name))
	}
	if c.Super.SetUUID != s.SetUUID {
		return fmt.Errorf("%s: set %v, %s is of set %v", name, c.Super.SetUUID, o.device, s.SetUUID)
	}
	way := fmt.Sprintf("bctl uuid list %s; write them back, relink them or purge them first", app.Quote(name))
	inode, ok := c.UUIDs.Find(s.UUID)
	if !ok {
		if list := slots.Orphans(c); len(list) > 0 {
			return app.WithHint(fmt.Errorf("%s: slots %v were invalidated with dirty data, which may be those of %s: %w", name, list, o.device, errHasDirty), "%s", way)
		}
		return nil
	}
	i := slices.IndexFunc(c.Volumes, func(v *inspect.Volume) bool { return v.Inode == inode })
	switch {
	case i < 0:
	case c.Volumes[i].DirtySectors > 0:
		return app.WithHint(fmt.Errorf("%s: %w: %d sectors, under inode %d", name, errHasDirty, c.Volumes[i].DirtySectors, inode), "%s", way)
	case *o.state == ondisk.StateClean && s.State() == ondisk.StateStale && c.Volumes[i].LiveSectors > 0:
		return app.WithHint(fmt.Errorf("%s: %w", o.device, errStale), "--state none: it can then be attached anew")
	}
	return nil
}

// cachesOf are the block devices of this machine that are caches of a set.
func cachesOf(set ondisk.UUID) (names []string) {
	if set.IsZero() {
		return nil
	}
	for _, name := range blockdev.Every() {
		dev, err := disk.Open(name)
		if err != nil {
			continue
		}
		if s, err := superblock.ReadDevice(dev, dev.Size()); err == nil && !s.IsBacking() && s.SetUUID == set {
			names = append(names, name)
		}
		dev.Close()
	}
	return names
}
