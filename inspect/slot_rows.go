// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/superblock"
)

// SlotRow is a slot of the uuid bucket, or the keys of an inode that has none. What no slot says is nil.
type SlotRow struct {
	Inode       uint32               `json:"inode"`
	State       Maybe[string]        `json:"state"` // valid, invalid or empty
	UUID        *string              `json:"uuid"`
	Label       *string              `json:"label"`
	FlashOnly   *bool                `json:"flash_only"`
	Sectors     *uint64              `json:"sectors"` // of a flash-only volume
	FirstReg    *uint32              `json:"first_registered"`
	LastReg     *uint32              `json:"last_registered"`
	Invalidated *uint32              `json:"invalidated"`
	Live        Maybe[ondisk.Sector] `json:"live_sectors"`
	Dirty       Maybe[ondisk.Sector] `json:"dirty_sectors"`

	SeenLive  ondisk.Sector `json:"-"` // the least, or the most, there is: Known.Words
	SeenDirty ondisk.Sector `json:"-"`
}

// SlotRows are the slots in order, and the inodes that keys name. Empty ones are left out unless all says so.
func (c *Cache) SlotRows(all bool) (rows []SlotRow) {
	volumes := map[uint32]*Volume{}
	last := len(c.UUIDs)
	for _, v := range c.Volumes {
		volumes[v.Inode] = v
		last = max(last, int(v.Inode)+1)
	}
	k := c.Known()
	for i := range uint32(last) {
		v, state := volumes[i], c.UUIDs.State(i)
		if v == nil && state == uuids.Empty && !(all && int(i) < len(c.UUIDs)) {
			continue
		}
		garbage := int(i) < len(c.UUIDs) && uuids.Garbage(&c.UUIDs[i])
		row := SlotRow{Inode: i, State: If(c.UUIDs != nil && !garbage, state.String())}
		if v != nil {
			row.SeenLive, row.SeenDirty = v.LiveSectors, v.DirtySectors
		}
		row.Live, row.Dirty = If(k.Counts(), row.SeenLive), If(k.Counts(), row.SeenDirty)
		if state != uuids.Empty && !garbage {
			row.slot(&c.UUIDs[i])
		}
		rows = append(rows, row)
	}
	return rows
}

func (r *SlotRow) slot(u *ondisk.UUIDEntry) {
	id, label, flash := u.UUID.String(), superblock.Label(u.Label), u.FlashOnly()
	r.UUID, r.Label, r.FlashOnly = &id, &label, &flash
	r.Sectors, r.FirstReg, r.LastReg, r.Invalidated = &u.Sectors, &u.FirstReg, &u.LastReg, &u.Invalidated
}
