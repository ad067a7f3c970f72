// SPDX-License-Identifier: GPL-2.0-only

package slots

import (
	"slices"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/change"
	"bctl/internal/disk/plan"
)

// Purged is what emptying slots does.
type Purged struct {
	Inodes []uint32
	Lost   []Piece       // dirty data that stand nowhere else
	Dirty  ondisk.Sector // the sum of them
	Clean  ondisk.Sector // given up too: backing devices have them
	Plan   *plan.Plan
}

// Leftover are the slots that were invalidated and have no dirty data: emptying them loses nothing.
func Leftover(c *inspect.Cache) (list []uint32) {
	for i := range c.UUIDs {
		if v := volume(c, uint32(i)); c.UUIDs.State(uint32(i)) == uuids.Invalid && v.DirtySectors == 0 {
			list = append(list, uint32(i))
		}
	}
	return list
}

// Purge plans slots empty, and their keys gone: the next volume can have the slot. discard gives up dirty data, and
// flash-only volumes that live; without it they are refused (ErrDirty), with what would be lost in the result. An inode
// without a slot has its keys dropped. spool keeps what is planned, nil for memory. Errors: ErrUnknown, ErrUnused, change's, the context's.
func Purge(c *inspect.Cache, inodes []uint32, discard bool, spool *change.Spool) (*Purged, error) {
	if err := known(c); err != nil {
		return nil, err
	}
	p := &Purged{Inodes: slices.Clone(inodes), Lost: []Piece{}}
	slices.Sort(p.Inodes)
	p.Inodes = slices.Compact(p.Inodes)
	table, keys := slices.Clone(c.UUIDs), false
	var refused error
	for _, i := range p.Inodes {
		has, err := p.count(c, i)
		if err != nil {
			return p, err
		}
		state := c.UUIDs.State(i)
		switch lives := state == uuids.Valid && c.UUIDs[i].FlashOnly(); {
		case state == uuids.Empty && !has && (int(i) >= len(table) || table[i] == ondisk.UUIDEntry{}):
			return p, slotError(i, ErrUnused)
		case !discard && (lives || volume(c, i).DirtySectors > 0) && refused == nil:
			refused = slotError(i, ErrDirty)
		}
		keys = keys || has
		if int(i) < len(table) {
			table[i] = ondisk.UUIDEntry{}
		}
	}
	if refused != nil {
		return p, refused
	}
	stays := live(c, inspect.Everything, func(k *ondisk.Bkey) bool {
		_, gone := slices.BinarySearch(p.Inodes, k.Inode())
		return !gone
	})
	if !keys {
		stays = nil
	}
	var err error
	p.Plan, err = commit(c, table, stays, spool)
	return p, err
}

// count adds what goes with an inode, and reports whether any key names it.
func (p *Purged) count(c *inspect.Cache, inode uint32) (any bool, err error) {
	for e, err := range c.Extents(inspect.OfVolume(inode)) {
		if err != nil {
			return any, err
		}
		any = true
		switch {
		case e.Live && e.Dirty():
			p.Lost = append(p.Lost, Piece{inode, e.Start(), e.Size()})
			p.Dirty += e.Size()
		case e.Live:
			p.Clean += e.Size()
		}
	}
	return any, nil
}
