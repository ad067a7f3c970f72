// SPDX-License-Identifier: GPL-2.0-only

// Package writeback brings dirty data from a cache to the backing devices that they belong to, as the kernel's writeback
// does, without the kernel.
//
//	Match      which device is which volume's, and whether its data may be overwritten
//	Survey     what there is to do, before anything is written
//	Copy       the data, in the order of the backing device:   cache -> buffers -> backing device -> read back; flush
//	Clear      the keys made clean, in one transaction; then the devices' state
//	Detach     a volume that is clean taken from the cache for good
//
// The extents stream from the tree in the order of their volumes' sectors, so nothing grows with their number. What is
// dirty stays dirty until it is on the backing device and was read back from it: a run that ends anywhere is run again.
package writeback

import (
	"errors"
	"fmt"
	"slices"

	"bctl/inspect"
	"bctl/inspect/volume"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/change"
	"bctl/internal/hint"
	"bctl/superblock"
)

// What keeps a device from being written to.
var (
	ErrSuper    = errors.New("its superblock is damaged")
	ErrState    = errors.New("it was used without the cache, or is to be")
	ErrSmall    = errors.New("it does not have the sectors that the cache holds data of")
	ErrTwice    = errors.New("two devices of one volume")
	ErrOther    = errors.New("the device of another volume")
	ErrNoVolume = errors.New("no such volume in the cache")
	ErrDamaged  = errors.New("the cache is damaged")
	ErrNotClean = errors.New("the cache holds dirty data of it")
)

// A Target is a volume whose device is there.
type Target struct {
	Inode  uint32
	Volume *inspect.Volume
	Dev    change.Device
	Super  *ondisk.Super // of Dev
	// Start and End are where the volume's data are on Dev, in bytes.
	Start, End int64
	// Newer is another volume of the cache that is Dev's too, since it was attached anew: what the cache has of it is
	// newer. nil: there is none.
	Newer *inspect.Volume

	attached bool // the kernel shows what the cache has over Dev
}

// Left is a volume with dirty data that is not written back.
type Left struct {
	Volume *inspect.Volume
	Why    string
}

// Match finds the volume of each device. Errors name the device, and wrap those above or those of package volume.
func Match(c *inspect.Cache, devs []change.Device) (targets []*Target, err error) {
	if c.UUIDs == nil {
		return nil, volume.NoTree(c)
	}
	for _, d := range devs {
		t, err := match(c, d)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.Path(), err)
		}
		for _, o := range targets {
			if o.Inode == t.Inode {
				return nil, fmt.Errorf("%s, %s: %w", o.Dev.Path(), d.Path(), ErrTwice)
			}
		}
		targets = append(targets, t)
	}
	slices.SortFunc(targets, func(a, b *Target) int { return int(a.Inode) - int(b.Inode) })
	return targets, nil
}

func match(c *inspect.Cache, d change.Device) (*Target, error) {
	t, err := newTarget(d)
	if err != nil {
		return nil, err
	}
	s := t.Super
	inode, ok := c.UUIDs.Find(s.UUID)
	state := s.State()
	attached := state == ondisk.StateClean || state == ondisk.StateDirty
	switch {
	case attached && s.SetUUID != c.Super.SetUUID:
		return nil, fmt.Errorf("%w: %v", volume.ErrOtherSet, s.SetUUID)
	case !ok:
		return nil, hint.Add(fmt.Errorf("%w: %v", volume.ErrNoSlot, s.UUID), "%s", orphans(c))
	case c.UUIDs[inode].FlashOnly():
		return nil, fmt.Errorf("%w: slot %d is a flash-only volume", volume.ErrNoSlot, inode)
	}
	t.Inode, t.Volume, t.attached = inode, volumeOf(c, inode), attached
	if !attached && t.Volume.DirtySectors > 0 {
		return nil, hint.Add(fmt.Errorf("%w: state %v, so it may have newer data than the cache", ErrState, state),
			"if it has not: --inode %d --to %s", inode, hint.Quote(d.Path()))
	}
	return t, nil
}

// orphans says which volumes no slot names, for one that looks for a lost one.
func orphans(c *inspect.Cache) string {
	text := ""
	for _, v := range c.Volumes {
		if u := slot(c, v.Inode); v.DirtySectors > 0 && (u == nil || uuids.StateOf(u) == uuids.Invalid && !uuids.WasFlash(u)) {
			text += fmt.Sprintf("; %d with %d dirty sectors", v.Inode, v.DirtySectors)
		}
	}
	if text == "" && c.Known().Counts() {
		return "the cache has no dirty data of a detached device"
	} else if text == "" {
		return ""
	}
	return "volumes that were detached: --inode N --to DEVICE, N of" + text[1:]
}

// newTarget reads a device.
func newTarget(d change.Device) (*Target, error) {
	s, err := superblock.ReadDevice(d, d.Size())
	switch {
	case err != nil:
		return nil, err
	case !s.IsBacking():
		return nil, volume.ErrNotBacking
	case s.Csum != s.Checksum():
		return nil, hint.Add(ErrSuper, "bctl fsck CACHE %s", hint.Quote(d.Path()))
	}
	t := &Target{Dev: d, Super: s, Start: superblock.DataOffset(s).Bytes(), End: d.Size() / ondisk.SectorBytes * ondisk.SectorBytes}
	if t.Start < ondisk.SuperOffset+ondisk.SuperSize || t.Start > t.End {
		return nil, fmt.Errorf("%w: its data would start at byte %d", ErrSuper, t.Start)
	}
	return t, nil
}

// To is a volume that was detached, of which the user says which device it is of.
func To(c *inspect.Cache, inode uint32, d change.Device) (*Target, error) {
	wrap := func(err error) (*Target, error) { return nil, fmt.Errorf("%s: %w", d.Path(), err) }
	t, err := newTarget(d)
	if err != nil {
		return wrap(err)
	}
	if c.UUIDs == nil {
		return nil, volume.NoTree(c)
	}
	t.Inode, t.Volume = inode, volumeOf(c, inode)
	state := t.Super.State()
	now, attached := c.UUIDs.Find(t.Super.UUID)
	attached = attached && t.Super.SetUUID == c.Super.SetUUID && (state == ondisk.StateClean || state == ondisk.StateDirty)
	switch u := slot(c, inode); {
	case u == nil && t.Volume.Extents == 0:
		return nil, fmt.Errorf("%w: %d", ErrNoVolume, inode)
	case u != nil && (u.FlashOnly() || uuids.WasFlash(u)):
		return nil, hint.Add(fmt.Errorf("%w: volume %d lives in the cache alone", ErrNoVolume, inode), "bctl export writes it to a file")
	case u != nil && uuids.StateOf(u) == uuids.Valid && u.UUID != t.Super.UUID:
		return wrap(fmt.Errorf("%w: volume %d is %v, this one is %v", ErrOther, inode, u.UUID, t.Super.UUID))
	case !attached && (state == ondisk.StateDirty || state == ondisk.StateClean && t.Super.SetUUID != c.Super.SetUUID):
		return wrap(fmt.Errorf("%w: %v, which may hold newer data of it", volume.ErrOtherSet, t.Super.SetUUID))
	}
	if attached && now != inode {
		t.Newer = volumeOf(c, now)
	}
	return t, nil
}

func slot(c *inspect.Cache, inode uint32) *ondisk.UUIDEntry {
	if c.UUIDs.State(inode) == uuids.Empty {
		return nil
	}
	return &c.UUIDs[inode]
}

// volumeOf is what the cache holds of an inode.
func volumeOf(c *inspect.Cache, inode uint32) *inspect.Volume {
	for _, v := range c.Volumes {
		if v.Inode == inode {
			return v
		}
	}
	return &inspect.Volume{Inode: inode, Slot: slot(c, inode)}
}

// Others are the volumes with dirty data that are not among the targets.
func Others(c *inspect.Cache, targets []*Target) (left []Left) {
	for _, v := range c.Volumes {
		if v.DirtySectors == 0 || slices.ContainsFunc(targets, func(t *Target) bool { return t.Inode == v.Inode }) {
			continue
		}
		why := "its backing device was not given"
		switch u := slot(c, v.Inode); {
		case u != nil && (u.FlashOnly() || uuids.WasFlash(u)):
			why = "it lives in the cache alone: bctl export"
		case u == nil || uuids.StateOf(u) == uuids.Invalid:
			why = fmt.Sprintf("no slot names it: --inode %d --to DEVICE", v.Inode)
		}
		left = append(left, Left{v, why})
	}
	return left
}
