// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/blockdev"
	"bctl/internal/disk/plan"
	"bctl/internal/disk/signature"
	"bctl/internal/hint"
	"bctl/superblock"
)

// FormatOptions say which devices become what.
type FormatOptions struct {
	Caches, Backings []string
	Super            superblock.FormatOptions // BlockSectors 0: the devices decide; no uuid: a new one for each
	SameSet          bool                     // the set's uuid was given, so the set may have been there before
	WipeBcache       bool                     // overwrite what is bcache's
	DiscardDirty     bool                     // even dirty data
	Force            bool                     // overwrite other signatures
	Init             bool                     // make the set's metadata too
	Attach           bool                     // and the backing devices' slots
	AnyOffset        bool                     // take a data offset inside a block, as make-bcache does
	Size             int64                    // of the image files to make; 0: the devices exist
	NewUUID          func() ondisk.UUID
	Write            Options
}

// Formatted is a device that is going to be formatted, or was: what it is, and all that is written to it.
type Formatted struct {
	Path     string
	Backing  bool
	Size     int64
	Super    *ondisk.Super
	Replaces *Evidence         // what was bcache's on it
	Erased   []string          // what else goes
	Left     []signature.Found // what lies in the volume's data
	Undo     string            // the undo file

	dev   formatDevice // nil: an image file that is still to be made
	image *blockdev.Device
	zero  []span     // magics to erase, an old journal
	made  bool       // by us: to be removed if nothing comes of it
	set   *plan.Plan // the set's metadata; nil: the kernel makes it
}

// formatDevice is what is formatted: a *blockdev.Device.
type formatDevice interface {
	Device
	LogicalBlock() int
	PreferredBlock() int
	Close() error
}

// A span is bytes that will be zero.
type span struct{ off, n int64 }

// Format checks all devices, then writes them through Run, cache first. It returns those that were written, also with
// an error; of a dry run those that would be. Whatever moment a cut comes at, a device is as before, or none of
// bcache's, or formatted.
func Format(ctx context.Context, o FormatOptions) (done []*Formatted, err error) {
	var targets []*Formatted
	defer func() {
		for _, t := range targets {
			t.close(slices.Contains(done, t))
		}
	}()
	for _, path := range append(slices.Clone(o.Caches), o.Backings...) {
		t, err := o.claim(path, targets)
		if err != nil {
			return nil, err
		}
		t.Backing = len(targets) >= len(o.Caches)
		targets = append(targets, t)
	}
	if o.Super.BlockSectors == 0 {
		o.Super.BlockSectors = defaultBlock(targets)
	}
	for _, t := range targets {
		if err := t.plan(ctx, o); err != nil {
			return nil, fmt.Errorf("%s: %w", t.Path, err)
		}
	}
	if err := o.planSet(targets); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.Write.DryRun {
		return targets, nil
	}
	return o.write(ctx, targets)
}

// claim keeps the device from everybody else, or sees that a file can be made in its place.
func (o *FormatOptions) claim(path string, before []*Formatted) (*Formatted, error) {
	t := &Formatted{Path: path}
	if err := blockdev.OnBcache(path); err != nil {
		return nil, err
	}
	if o.Size == 0 {
		var held []*blockdev.Device
		for _, b := range before {
			held = append(held, b.image)
		}
		dev, err := blockdev.Claim(path, held...)
		if errors.Is(err, os.ErrNotExist) {
			return nil, hint.Add(err, "use --size to make an image file")
		}
		if err != nil {
			return nil, err
		}
		if err := dev.CanWrite(); err != nil {
			dev.Close()
			return nil, err
		}
		t.dev, t.image, t.Size = dev, dev, dev.Size()
		return t, nil
	}
	t.Size = o.Size
	for _, b := range before {
		if absolute(path) == absolute(b.Path) {
			return nil, fmt.Errorf("%s: %w", path, blockdev.ErrTwice)
		}
	}
	err := blockdev.CanCreate(path)
	if errors.Is(err, blockdev.ErrExists) {
		return nil, hint.Add(err, "leave --size out to format it as it is")
	}
	if err == nil && underDev(path) {
		return nil, fmt.Errorf("%s: no image file is made under /dev: a device of that name is not there", path)
	}
	return t, err
}

// underDev reports whether a new file would stand among the device nodes, where it is lost with the next boot, and where
// whoever named it meant a device.
func underDev(path string) bool {
	dir, err := filepath.EvalSymlinks(filepath.Dir(absolute(path)))
	if err != nil {
		return false
	}
	return (dir+"/") == "/dev/" || strings.HasPrefix(dir, "/dev/") && dir != "/dev/shm" && !strings.HasPrefix(dir, "/dev/shm/")
}

// defaultBlock is make-bcache's: the largest of the devices' own. Some filesystems like larger units for their
// files than the kernel takes for a block.
func defaultBlock(targets []*Formatted) (block ondisk.Sector) {
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

// write makes the image files that are not there yet, and formats all devices.
func (o *FormatOptions) write(ctx context.Context, targets []*Formatted) (done []*Formatted, err error) {
	o.Write.fill()
	var stages []Stage
	for _, t := range targets {
		if t.dev == nil {
			if err := t.create(o.Size); err != nil {
				return nil, err
			}
		}
		p, err := t.order()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.Path, err)
		}
		stages = append(stages, Stage{Dev: t.dev, Plan: p, NoUndo: o.Size > 0, After: func() error {
			if err := t.verify(); err != nil {
				return fmt.Errorf("%s: %w", t.Path, err)
			}
			for _, f := range t.Left {
				o.Write.Note(fmt.Sprintf("%s: %v was left: it lies in the volume's data", t.Path, f))
			}
			done = append(done, t)
			return nil
		}})
	}
	o.Write.LetUdev = true // a new device is made for the kernel to get it, as make-bcache leaves it
	undo, err := Run(ctx, o.Write, stages...)
	for i, name := range undo {
		targets[i].Undo = name
	}
	return done, err
}

// create makes the image file.
func (t *Formatted) create(size int64) error {
	_, missing := os.Lstat(t.Path)
	dev, err := blockdev.Create(t.Path, size)
	if err != nil {
		return err
	}
	t.dev, t.image, t.made = dev, dev, missing != nil
	return nil
}

// close lets go of the device. A file made for nothing is removed.
func (t *Formatted) close(done bool) {
	if t.dev == nil {
		return
	}
	_ = t.dev.Close()
	if t.made && !done {
		os.Remove(t.Path)
	}
}
