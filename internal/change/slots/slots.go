// SPDX-License-Identifier: GPL-2.0-only

// Package slots plans changes of a cache's uuid slots, and of the keys of the volumes that they name: a detached volume
// is linked to its backing device again, the keys of an old inode go to a new one, a slot is emptied so that it can be
// used again.
//
//	the backing device   its superblock first: dirty, of our set. With no slot in the cache the kernel brings up nothing
//	the cache            a new tree, uuid bucket and prio chain beside the old, then one journal entry
//
// So a cut between the two leaves a backing device that nobody writes to, and dirty data that stay where they are; what
// was cut is run again. Everything here is a plan: nothing is written.
package slots

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/change"
	"bctl/internal/disk/plan"
)

// What keeps a change from being planned.
var (
	ErrUnknown   = errors.New("not all of the cache's metadata can be read")
	ErrNoSlot    = errors.New("no such slot")
	ErrUnused    = errors.New("the slot is empty, and no key names it")
	ErrNotDirty  = errors.New("the cache holds no dirty data of it")
	ErrLinked    = errors.New("the slot belongs to another volume")
	ErrTwoInodes = errors.New("the backing device was attached again")
	ErrConflict  = errors.New("old and new data of the same sectors differ")
	ErrDirty     = errors.New("it has dirty data that would be lost")
	ErrSmall     = errors.New("the data reach behind the end of the backing device")
	ErrBefore    = errors.New("the data begin before those of the backing device")
	ErrFlash     = errors.New("it was a flash-only volume, and no backing device has its data; bctl export reads them")
	ErrOtherSet  = errors.New("the backing device belongs to another set")
)

// A Piece is a run of a volume's sectors. For a cached device they count from the backing device's start.
type Piece struct {
	Inode   uint32        `json:"inode"`
	Offset  ondisk.Sector `json:"offset_sectors"`
	Sectors ondisk.Sector `json:"sectors"`
}

// keyStream is keys in order, each valid until the next. An error ends it.
type keyStream = iter.Seq2[*ondisk.Bkey, error]

// known refuses a cache of which anything is unknown: a tree that is made anew from a part would lose the rest.
func known(c *inspect.Cache) error {
	if c.Journal == nil || !c.Known().All() {
		return ErrUnknown
	}
	return nil
}

// commit plans the slots, the prio chain and the entry; keys is nil where the tree stays. spool keeps what is planned, nil for memory.
func commit(c *inspect.Cache, table uuids.Table, keys keyStream, spool *change.Spool) (*plan.Plan, error) {
	t, err := change.Begin(c)
	if err != nil {
		return nil, err
	}
	t.Spool(spool)
	if keys != nil {
		if err := t.Rekey(keys); err != nil {
			return nil, err
		}
	}
	if err := t.SetUUIDs(table); err != nil {
		return nil, err
	}
	if _, err := t.MakeRoom(); err != nil {
		return nil, err
	}
	if _, _, err := t.RewritePrios(); err != nil {
		return nil, err
	}
	return t.Commit()
}

// live are the live keys of a range that keep says yes to, in order.
func live(c *inspect.Cache, r inspect.Range, keep func(k *ondisk.Bkey) bool) keyStream {
	return func(yield func(*ondisk.Bkey, error) bool) {
		for e, err := range c.Extents(r) {
			if err != nil {
				yield(nil, err)
				return
			}
			if e.Live && keep(&e.Bkey) && !yield(&e.Bkey, nil) {
				return
			}
		}
	}
}

// chain is one stream behind the other.
func chain(streams ...keyStream) keyStream {
	return func(yield func(*ondisk.Bkey, error) bool) {
		for _, s := range streams {
			for k, err := range s {
				if !yield(k, err) || err != nil {
					return
				}
			}
		}
	}
}

// volume is the counts of an inode, zero where it has none.
func volume(c *inspect.Cache, inode uint32) inspect.Volume {
	for _, v := range c.Volumes {
		if v.Inode == inode {
			return *v
		}
	}
	return inspect.Volume{Inode: inode}
}

// slotError names the slot.
func slotError(inode uint32, err error) error { return fmt.Errorf("slot %d: %w", inode, err) }

// Label plans a slot's label. Errors: ErrUnknown, change's.
func Label(c *inspect.Cache, inode uint32, label [32]byte) (*plan.Plan, error) {
	if err := known(c); err != nil {
		return nil, err
	}
	table := slices.Clone(c.UUIDs)
	table[inode].Label = label
	return commit(c, table, nil, nil)
}
