// SPDX-License-Identifier: GPL-2.0-only

package mkfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/blockdev"
	"bctl/internal/disk/plan"
	"bctl/internal/disk/signature"
	"bctl/superblock"
)

// A target is a device that is going to be formatted: what it is, and all that will be written to it.
type target struct {
	path    string
	backing bool
	dev     *blockdev.Device // nil: an image file that is still to be made
	size    int64
	super   *ondisk.Super
	zero    []span // besides the start; magics to erase, an old journal
	left    []signature.Found
	made    bool       // by us: to be removed if nothing comes of it
	set     *plan.Plan // the set's metadata, to be written before the superblock; nil: the kernel makes it
}

// A span is bytes that will be zero, and why.
type span struct {
	off, n int64
	what   string
}

// runFormat checks all devices, then writes them, cache first. It returns those that were written, also with an
// error.
func runFormat(ctx context.Context, o formatOptions) (done []*target, err error) {
	var targets []*target
	defer func() {
		for _, t := range targets {
			t.close(slices.Contains(done, t))
		}
	}()
	for _, path := range append(slices.Clone(o.caches), o.backings...) {
		t, err := claimTarget(path, o, targets)
		if err != nil {
			return nil, err
		}
		t.backing = len(targets) >= len(o.caches)
		targets = append(targets, t)
	}
	if o.super.BlockSectors == 0 {
		o.super.BlockSectors = defaultBlock(targets)
	}
	for _, t := range targets {
		if err := t.plan(o); err != nil {
			return nil, fmt.Errorf("%s: %w", t.path, err)
		}
	}
	if err := o.planSet(targets); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.dryRun {
		return targets, nil
	}
	for _, t := range targets {
		if err := t.arm(o); err != nil {
			return nil, err
		}
	}
	for _, t := range targets {
		if err := errors.Join(ctx.Err(), t.write(o)); err != nil {
			return done, err
		}
		done = append(done, t)
	}
	return done, nil
}

// claimTarget keeps the device from everybody else, or sees that a file can be made in its place.
func claimTarget(path string, o formatOptions, before []*target) (*target, error) {
	t := &target{path: path}
	if o.size == 0 {
		var held []*blockdev.Device
		for _, b := range before {
			held = append(held, b.dev)
		}
		dev, err := blockdev.Claim(path, held...)
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%w; use --size to make an image file", err)
		}
		if err != nil {
			return nil, err
		}
		if err := dev.CanWrite(); err != nil {
			dev.Close()
			return nil, err
		}
		t.dev, t.size = dev, dev.Size()
		return t, nil
	}
	t.size = o.size
	for _, b := range before {
		if samePath(path, b.path) {
			return nil, fmt.Errorf("%s: %w", path, blockdev.ErrTwice)
		}
	}
	err := blockdev.CanCreate(path)
	if errors.Is(err, blockdev.ErrExists) {
		return nil, fmt.Errorf("%w; leave --size out to format it as it is", err)
	}
	return t, err
}

func samePath(a, b string) bool {
	x, err := filepath.Abs(a)
	y, err2 := filepath.Abs(b)
	return err == nil && err2 == nil && x == y
}

// defaultBlock is make-bcache's: the largest of the devices' own. Some filesystems like larger units for their
// files than the kernel takes for a block.
func defaultBlock(targets []*target) (block ondisk.Sector) {
	for _, t := range targets {
		own := ondisk.Sector(ondisk.PageSectors)
		if t.dev != nil {
			own = ondisk.Sector(t.dev.PreferredBlock() / ondisk.SectorBytes)
		}
		if t.dev == nil || !t.dev.IsBlock() {
			own = min(own, ondisk.PageSectors)
		}
		block = max(block, own)
	}
	return block
}

// plan decides everything that will be written. What must not be overwritten comes first: whoever named the wrong
// device should hear of that, not of its size.
func (t *target) plan(o formatOptions) (err error) {
	var old *ondisk.Super
	var found []signature.Found
	super, d, format := o.super, superblock.Device{Size: t.size}, superblock.FormatCache
	if t.dev != nil {
		d.LogicalBlock = t.dev.LogicalBlock()
		if old, err = t.oldSuper(o); err != nil {
			return err
		}
		if found, err = t.signatures(o); err != nil {
			return err
		}
	}
	if super.UUID.IsZero() {
		super.UUID = ondisk.UUID(uuid.New())
	}
	if t.backing {
		format = superblock.FormatBacking
	}
	if t.super, err = format(super, d); err != nil {
		return err
	}
	t.planErase(found)
	if t.dev == nil || t.backing || !o.setGiven {
		return nil // a new set cannot meet an old journal
	}
	return t.planJournal(old)
}

// oldSuper is the bcache superblock that the device has and that may be overwritten.
func (t *target) oldSuper(o formatOptions) (*ondisk.Super, error) {
	old, err := superblock.Read(t.dev)
	switch {
	case errors.Is(err, superblock.ErrNotBcache):
		return nil, nil
	case err != nil:
		return nil, err
	case o.wipeBcache:
		return old, nil
	}
	kind := "cache"
	if old.IsBacking() {
		kind = "backing"
	}
	return nil, fmt.Errorf("it is a bcache %s device already (uuid %v, set %v); use --wipe-bcache to overwrite it", kind, old.UUID, old.SetUUID)
}

// planJournal erases what is left of a cache of the same set.
func (t *target) planJournal(old *ondisk.Super) (err error) {
	stale := old != nil && old.SetUUID == t.super.SetUUID
	if !stale {
		stale, err = superblock.OldJournal(t.dev, t.super)
	}
	if stale {
		off, n := superblock.JournalArea(t.super)
		t.zero = append(t.zero, span{off, n, "old journal of the same set"})
	}
	return err
}

// signatures is the foreign signatures that may be overwritten.
func (t *target) signatures(o formatOptions) ([]signature.Found, error) {
	found, err := signature.Probe(t.dev, t.size)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(f signature.Found) bool { return f.Name == "bcache" })
	if len(found) == 0 || o.force {
		return found, nil
	}
	var texts []string
	for _, f := range found[:min(len(found), 5)] {
		texts = append(texts, f.String())
	}
	if len(found) > 5 {
		texts = append(texts, fmt.Sprintf("%d more", len(found)-5))
	}
	return nil, fmt.Errorf("it holds %s; use --force to overwrite it", strings.Join(texts, ", "))
}

// planErase erases them: mkfs and blkid want one signature on a device. What lies in a backing device's data may as
// well belong to the volume, which ends where the device ends: that is left, and told.
func (t *target) planErase(found []signature.Found) {
	for _, f := range found {
		switch {
		case f.Offset < ondisk.SuperOffset+ondisk.SuperSize: // overwritten anyway
		case t.backing && f.Offset >= superblock.DataOffset(t.super).Bytes():
			t.left = append(t.left, f)
		default:
			t.zero = append(t.zero, span{f.Offset, int64(f.Length), f.String()})
		}
	}
}
