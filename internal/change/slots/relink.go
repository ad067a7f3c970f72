// SPDX-License-Identifier: GPL-2.0-only

package slots

import (
	"fmt"
	"slices"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/change"
	"bctl/internal/disk/plan"
	"bctl/superblock"
)

// Relink says how.
type Relink struct {
	Inode  uint32        // whose dirty data are the backing device's
	Super  *ondisk.Super // of the backing device
	End    ondisk.Sector // of the backing device
	Merge  bool          // the keys go to the inode that the device has now, where it has one
	Prefer Prefer
	Now    uint32        // seconds since 1970
	Spool  *change.Spool // for what is planned; nil: memory
}

// Linked is what linking does.
type Linked struct {
	Inode     uint32        // that the device has afterwards
	Dirty     ondisk.Sector // of the old inode
	Clean     ondisk.Sector // of the old inode, given up: the backing device may have been written to since
	Conflicts []Conflict
	Super     *ondisk.Super // of the backing device, as it shall be; nil: it stays
	Plan      *plan.Plan    // of the cache
}

// Orphans are the inodes that have dirty data and no cached device: invalidated slots, and inodes without a slot. Those
// of destroyed flash-only volumes are not among them.
func Orphans(c *inspect.Cache) (list []uint32) {
	for _, v := range c.Volumes {
		state := c.UUIDs.State(v.Inode)
		if v.DirtySectors > 0 && (state == uuids.Empty || state == uuids.Invalid && !uuids.WasFlash(v.Slot)) {
			list = append(list, v.Inode)
		}
	}
	return list
}

// Link plans a volume's slot back to its backing device, and the device's superblock dirty and of this set. Where the
// device was attached again since and has another inode, the dirty keys go there if o.Merge says so: ErrTwoInodes
// without it; ErrConflict, with the conflicts in the result, where the data of both differ and o.Prefer does not say
// which stay. The old inode's clean keys are dropped. Errors besides: ErrUnknown, ErrNoSlot, ErrNotDirty, ErrLinked,
// ErrSmall, ErrBefore, ErrFlash, ErrOtherSet, change's, the context's.
func Link(c *inspect.Cache, o Relink) (*Linked, error) {
	if err := known(c); err != nil {
		return nil, err
	}
	l := &Linked{Inode: o.Inode, Conflicts: []Conflict{}}
	if err := l.judge(c, o); err != nil {
		return l, err
	}
	table := slices.Clone(c.UUIDs)
	keys := live(c, inspect.Everything, func(k *ondisk.Bkey) bool { return k.Inode() != o.Inode || k.Dirty() })
	if now, ok := c.UUIDs.Find(o.Super.UUID); ok && now != o.Inode {
		l.Inode = now
		table[now].LastReg = max(table[now].LastReg, o.Now)
		keys = l.moved(c, o)
	} else {
		u := &table[o.Inode]
		*u = ondisk.UUIDEntry{UUID: o.Super.UUID, Label: o.Super.Label, FirstReg: max(u.FirstReg, 1), LastReg: max(u.LastReg, o.Now, 1)}
	}
	var err error
	if l.Plan, err = commit(c, table, keys, o.Spool); err != nil {
		return l, err
	}
	if len(l.Conflicts) > 0 && o.Prefer == PreferNeither {
		l.Plan = nil
		return l, fmt.Errorf("inodes %d and %d: %w", o.Inode, l.Inode, ErrConflict)
	}
	l.Super = dirtied(o.Super, c.Super.SetUUID)
	return l, nil
}

// judge refuses what does not belong together.
func (l *Linked) judge(c *inspect.Cache, o Relink) error {
	if int(o.Inode) >= len(c.UUIDs) {
		return slotError(o.Inode, ErrNoSlot)
	}
	state := c.UUIDs.State(o.Inode)
	now, attached := c.UUIDs.Find(o.Super.UUID)
	s := o.Super.State()
	used := s == ondisk.StateClean || s == ondisk.StateDirty
	switch {
	case uuids.WasFlash(&c.UUIDs[o.Inode]):
		return slotError(o.Inode, ErrFlash)
	case state == uuids.Valid && c.UUIDs[o.Inode].UUID != o.Super.UUID:
		return slotError(o.Inode, fmt.Errorf("%w, %v", ErrLinked, c.UUIDs[o.Inode].UUID))
	case used && o.Super.SetUUID != c.Super.SetUUID:
		return fmt.Errorf("%w, %v, and is %v there", ErrOtherSet, o.Super.SetUUID, s)
	case attached && now != o.Inode && !o.Merge:
		return fmt.Errorf("%w: it is inode %d now", ErrTwoInodes, now)
	}
	v := volume(c, o.Inode)
	l.Dirty, l.Clean = v.DirtySectors, v.LiveSectors-v.DirtySectors
	if l.Dirty == 0 {
		return slotError(o.Inode, ErrNotDirty)
	}
	return l.fits(c, o)
}

// fits makes sure that the dirty data lie within the backing device's.
func (l *Linked) fits(c *inspect.Cache, o Relink) error {
	from := superblock.DataOffset(o.Super)
	for e, err := range c.Extents(inspect.OfVolume(o.Inode)) {
		switch {
		case err != nil:
			return err
		case e.Live && e.Dirty() && e.Start() < from:
			return fmt.Errorf("%w: sectors %d to %d, its data are from %d to %d", ErrBefore, e.Start(), e.Offset(), from, o.End)
		case e.Live && e.Dirty() && e.Offset() > o.End:
			return fmt.Errorf("%w: sectors %d to %d, its data are from %d to %d", ErrSmall, e.Start(), e.Offset(), from, o.End)
		}
	}
	return nil
}

// moved is all keys, the old inode's dirty ones among the new one's.
func (l *Linked) moved(c *inspect.Cache, o Relink) keyStream {
	others := func(k *ondisk.Bkey) bool { return k.Inode() != o.Inode && k.Inode() != l.Inode }
	at := ondisk.Pos{Inode: l.Inode}
	end := ondisk.Pos{Inode: l.Inode, Offset: ondisk.MaxKeyOffset}
	return chain(
		live(c, inspect.Range{To: at}, others),
		merged(c, o.Inode, l.Inode, o.Prefer, func(x Conflict) { l.Conflicts = append(l.Conflicts, x) }),
		live(c, inspect.Range{From: end, To: inspect.Everything.To}, others),
	)
}

// dirtied is a backing device's superblock as one that a cache of the set has dirty data of; nil where it is that.
func dirtied(s *ondisk.Super, set ondisk.UUID) *ondisk.Super {
	to := *s
	to.SetUUID = set
	to.SetState(ondisk.StateDirty)
	to.Csum = to.Checksum()
	if to == *s {
		return nil
	}
	return &to
}
