// SPDX-License-Identifier: GPL-2.0-only

package fsck

import (
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/finding"
	"bctl/superblock"
)

// uuids judges the slots, and the volumes by their slots.
func (c *checker) uuids() {
	if c.c.UUIDs == nil {
		return
	}
	first := map[ondisk.UUID]int{}
	for i := range c.c.UUIDs {
		u := &c.c.UUIDs[i]
		if uuids.Garbage(u) {
			continue // one cause is one finding: UUGarbage
		}
		if j, ok := first[u.UUID]; ok && uuids.StateOf(u) == uuids.Valid {
			c.slot(i, finding.UUDuplicate, "uuid %v stands also in slot %d", u.UUID, j)
		} else if !ok {
			first[u.UUID] = i
		}
		c.judgeSlot(i, u)
	}
	if n, free := len(c.c.UUIDs), c.c.UUIDs.Count(uuids.Empty); c.c.UUIDs.Garbage() == 0 && 10*free < n {
		c.found.Add(finding.New(finding.UUFewSlots, "uuid bucket: %d of %d slots are free", free, n))
	}
	for _, v := range c.c.Volumes {
		c.judgeVolume(v)
	}
}

func (c *checker) slot(i int, code finding.Code, format string, args ...any) {
	c.found.Add(finding.About(finding.Slot{Slot: uint32(i)}, code, format, args...))
}

func (c *checker) judgeSlot(i int, u *ondisk.UUIDEntry) {
	state := uuids.StateOf(u)
	if (state == uuids.Invalid) != (u.Invalidated != 0) {
		c.slot(i, finding.UUInvalid, "uuid %v, invalidated at %d", u.UUID, u.Invalidated)
	}
	rest := *u
	rest.UUID, rest.Invalidated = ondisk.UUID{}, 0
	switch {
	case state == uuids.Empty && rest != (ondisk.UUIDEntry{}):
		c.slot(i, finding.UUSuspect, "no uuid, but other fields are set")
	case u.Pad != [len(u.Pad)]byte{}:
		c.slot(i, finding.UUSuspect, "unused bytes are set")
	case u.Flags&^1 != 0:
		c.slot(i, finding.UUSuspect, "unknown flags %#x", u.Flags)
	case !superblock.PrintableLabel(u.Label):
		c.slot(i, finding.UUSuspect, "its label is no text: %q", u.Label[:])
	case state == uuids.Valid && u.FirstReg == 0:
		c.slot(i, finding.UUSuspect, "it was never registered")
	case state == uuids.Valid && u.UUID.Distance(ondisk.InvalidUUID) <= 8:
		c.slot(i, finding.UUSuspect, "uuid %v is nearly the mark of an invalidated slot", u.UUID)
	}
	if state == uuids.Valid && u.FlashOnly() != (u.Sectors > 0) {
		c.slot(i, finding.UUFlash, "flash-only %v, %d sectors", u.FlashOnly(), u.Sectors)
	}
	if u.LastReg < u.FirstReg || c.o.Now > 0 && int64(u.LastReg) > c.o.Now+86400 {
		c.slot(i, finding.UURegTimes, "first registered at %d, last at %d", u.FirstReg, u.LastReg)
	}
}

// judgeVolume checks that a slot leads to the volume's data.
func (c *checker) judgeVolume(v *inspect.Volume) {
	state := c.c.UUIDs.State(v.Inode)
	garbage := int(v.Inode) < len(c.c.UUIDs) && uuids.Garbage(&c.c.UUIDs[v.Inode])
	if v.Extents+v.Stale == 0 || state == uuids.Valid || garbage {
		return
	}
	emit := func(code finding.Code, format string, args ...any) {
		c.found.Add(finding.About(finding.Volume{Inode: v.Inode}, code, format, args...))
	}
	switch {
	case int(v.Inode) >= len(c.c.UUIDs):
		emit(finding.UUInode, "%d sectors, %d of them dirty; there are %d slots", v.LiveSectors, v.DirtySectors, len(c.c.UUIDs))
	case state == uuids.Invalid && v.DirtySectors > 0 && uuids.WasFlash(v.Slot):
		emit(finding.UUDestroyed, "%d dirty sectors of a flash-only volume that was destroyed", v.DirtySectors)
	case state == uuids.Invalid && v.DirtySectors > 0:
		b, lacks, again := c.writtenBack(v)
		if b != nil && lacks == 0 {
			emit(finding.UUWrittenBack, "%d dirty sectors of a detached backing device, %s", v.DirtySectors, onDevice(b, again))
			return
		}
		emit(finding.UULostDirty, "%d dirty sectors, but its backing device was detached (slot invalidated at %d)%s", v.DirtySectors, v.Slot.Invalidated, partly(v, b, lacks+again))
	case v.DirtySectors > 0:
		b, lacks, again := c.writtenBack(v)
		if b != nil && lacks == 0 {
			emit(finding.UUWrittenBack, "%d dirty sectors under an empty slot, %s", v.DirtySectors, onDevice(b, again))
			return
		}
		emit(finding.UUNoSlotDirty, "%d dirty sectors, but its slot is empty%s", v.DirtySectors, partly(v, b, lacks+again))
	default:
		emit(finding.UULostClean, "%d clean sectors, but no slot leads to them", v.LiveSectors)
	}
}
