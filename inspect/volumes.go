// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"slices"

	"bctl/internal/bcache/uuids"
	"bctl/superblock"
)

// volumes joins the workers' counts with the slots.
func (c *Cache) volumes(tallies []tally) {
	all := map[uint32]*Volume{}
	get := func(inode uint32) *Volume {
		v, ok := all[inode]
		if !ok {
			v = &Volume{Inode: inode}
			if int(inode) < len(c.UUIDs) && c.UUIDs.State(inode) != uuids.Empty && !uuids.Garbage(&c.UUIDs[inode]) {
				v.Slot = &c.UUIDs[inode]
			}
			all[inode] = v
		}
		return v
	}
	for i := range c.UUIDs {
		switch {
		case uuids.Garbage(&c.UUIDs[i]):
			c.namesLost = true
		case c.UUIDs.State(uint32(i)) == uuids.Valid:
			get(uint32(i))
		}
	}
	for _, t := range tallies {
		for _, v := range t.vols {
			sum := get(v.Inode)
			sum.Extents += v.Extents
			sum.LiveSectors += v.LiveSectors
			sum.DirtySectors += v.DirtySectors
			sum.Stale += v.Stale
			sum.StaleDirty += v.StaleDirty
			sum.StaleSectors += v.StaleSectors
			sum.DeadSectors += v.DeadSectors
		}
	}
	c.Volumes = make([]*Volume, 0, len(all))
	for _, v := range all {
		// The kernel never empties a slot, so one that should name these data is lost.
		c.namesLost = c.namesLost || v.Extents > 0 && int(v.Inode) < len(c.UUIDs) && c.UUIDs.State(v.Inode) == uuids.Empty
		c.Volumes = append(c.Volumes, v)
	}
	slices.SortFunc(c.Volumes, func(a, b *Volume) int { return int(a.Inode) - int(b.Inode) })
}

// UUID is the volume's uuid as text, nil where no slot names it.
func (v *Volume) UUID() *string {
	if v.Slot == nil {
		return nil
	}
	text := v.Slot.UUID.String()
	return &text
}

// Label is the volume's label in its slot.
func (v *Volume) Label() string {
	if v.Slot == nil {
		return ""
	}
	return superblock.Label(v.Slot.Label)
}
