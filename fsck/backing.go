// SPDX-License-Identifier: GPL-2.0-only

package fsck

import (
	"fmt"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/finding"
	"bctl/superblock"
)

type backing struct {
	Device
	super *ondisk.Super
}

// readBacking reads the superblocks of the given backing devices. Errors: one is no backing device.
func (c *checker) readBacking(devs []Device) error {
	for _, d := range devs {
		s, err := superblock.ReadDevice(d.R, d.Size)
		if err == nil && !s.IsBacking() {
			err = fmt.Errorf("a cache device, want a backing device")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
		c.backing = append(c.backing, backing{d, s})
	}
	return nil
}

func (c *checker) backingAlone() {
	c.judgeBackingSuper(&backing{c.dev, c.super}, "")
}

func (c *checker) judgeBackingSuper(b *backing, name string) {
	for _, fault := range superblock.Check(b.super, b.limits(c.o.Now)) {
		c.found.Add(finding.About(finding.Super{Device: name, Backing: true}, fault.Code, "%v", fault))
	}
	end := superblock.DataOffset(b.super)
	if end < 1<<40 {
		c.signatures(&b.Device, finding.BDSignature, end.Bytes(), name)
	}
}

// judgeBacking holds every backing device against the cache and the others.
func (c *checker) judgeBacking() {
	seen := map[ondisk.UUID]string{}
	for i := range c.backing {
		b := &c.backing[i]
		c.judgeBackingSuper(b, b.Name)
		emit := func(code finding.Code, format string, args ...any) {
			c.found.Add(finding.About(finding.Backing{Device: b.Name}, code, format, args...))
		}
		if other, ok := seen[b.super.UUID]; ok {
			emit(finding.BDDuplicate, "uuid %v is also %s's", b.super.UUID, other)
		}
		seen[b.super.UUID] = b.Name
		if b.super.BlockSize < c.super.BlockSize {
			emit(finding.BDBlock, "blocks of %d sectors, the cache's have %d", b.super.BlockSize, c.super.BlockSize)
		}
		if c.c != nil && c.c.UUIDs != nil {
			c.judgeAttached(b, emit)
		}
	}
}

// judgeAttached compares what the backing device says of itself with what the cache knows of it.
func (c *checker) judgeAttached(b *backing, emit func(finding.Code, string, ...any)) {
	state := b.super.State()
	attached := state == ondisk.StateClean || state == ondisk.StateDirty
	ours := b.super.SetUUID == c.super.SetUUID
	v := c.volumeOf(b.super.UUID)
	switch {
	case attached && ours && v == nil:
		emit(finding.BDNoSlot, "state %s, but uuid %v is in no slot of the cache", state, b.super.UUID)
	case !ours && v != nil && v.DirtySectors > 0:
		emit(finding.BDOtherSet, "its set is %v, but the cache holds %d dirty sectors of it", b.super.SetUUID, v.DirtySectors)
	case attached && !ours:
		emit(finding.BDStranger, "attached to set %v, the cache's is %v", b.super.SetUUID, c.super.SetUUID)
	}
	if v == nil {
		if !attached && c.c.UUIDs.Count(uuids.Empty) == 0 {
			emit(finding.BDNoRoom, "not attached, and no slot is free")
		}
		return
	}
	switch {
	case v.DirtySectors > 0 && state != ondisk.StateDirty:
		emit(finding.BDStateDirty, "state %s, but the cache holds %d dirty sectors of it", state, v.DirtySectors)
	case v.DirtySectors == 0 && state == ondisk.StateDirty:
		emit(finding.BDStateDirty, "state dirty, but the cache holds no dirty sectors of it")
	}
	if label := superblock.Label(b.super.Label); label != v.Label() {
		emit(finding.BDLabel, "label %q, its slot has %q", label, v.Label())
	}
}

func (c *checker) volumeOf(u ondisk.UUID) *inspect.Volume {
	for _, v := range c.c.Volumes {
		if v.Slot != nil && v.Slot.UUID == u {
			return v
		}
	}
	return nil
}
