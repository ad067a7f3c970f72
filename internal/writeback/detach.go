// SPDX-License-Identifier: GPL-2.0-only

package writeback

import (
	"fmt"
	"slices"
	"time"

	"bctl/inspect"
	"bctl/inspect/volume"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/change"
	"bctl/internal/disk/plan"
	"bctl/internal/finding"
	"bctl/internal/hint"
)

// Detached is a volume that is taken from the cache for good, as the kernel does it:
//
//	backing device   no set, state none: it comes up alone from here on
//	cache            the mark of an invalid one in its slot, which is never used again
//
// A cut between leaves a slot whose device does not want it: legal, and run again it is finished.
type Detached struct {
	Inode   uint32
	Backing *plan.Plan // nil: it says so already
	Cache   *plan.Plan
}

// Detach plans it. Errors name the device, and wrap ErrDamaged, ErrNotClean, or what Match's do.
func Detach(c *inspect.Cache, found []finding.Finding, d change.Device, now time.Time) (*Detached, error) {
	if Damaged(c, found) {
		return nil, ErrDamaged
	}
	out, err := detach(c, d)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Path(), err)
	}
	table := slices.Clone(c.UUIDs)
	u := &table[out.Inode]
	u.UUID, u.Invalidated = ondisk.InvalidUUID, uint32(now.Unix())
	out.Cache, err = slots(c, table)
	return out, err
}

// detach finds the volume, and plans the backing device's part.
func detach(c *inspect.Cache, d change.Device) (*Detached, error) {
	t, err := newTarget(d)
	if err != nil {
		return nil, err
	}
	s := *t.Super
	state := s.State()
	attached := state == ondisk.StateClean || state == ondisk.StateDirty
	inode, ok := c.UUIDs.Find(s.UUID)
	switch {
	case attached && s.SetUUID != c.Super.SetUUID:
		return nil, fmt.Errorf("%w: %v", volume.ErrOtherSet, s.SetUUID)
	case !ok || c.UUIDs[inode].FlashOnly():
		return nil, fmt.Errorf("%w: %v", volume.ErrNoSlot, s.UUID)
	case volumeOf(c, inode).DirtySectors > 0:
		return nil, hint.Add(fmt.Errorf("%w: %d sectors", ErrNotClean, volumeOf(c, inode).DirtySectors),
			"bctl writeback --yes --clear CACHE %s, and then again", hint.Quote(d.Path()))
	}
	out := &Detached{Inode: inode}
	if attached || !s.SetUUID.IsZero() {
		s.SetUUID = ondisk.UUID{}
		s.SetState(ondisk.StateNone)
		out.Backing = superPlan(&s)
	}
	return out, nil
}

// slots plans a transaction that writes the uuid bucket anew.
func slots(c *inspect.Cache, table uuids.Table) (*plan.Plan, error) {
	tx, err := change.Begin(c)
	if err != nil {
		return nil, err
	}
	if err := tx.SetUUIDs(table); err != nil {
		return nil, err
	}
	if _, err := tx.MakeRoom(); err != nil {
		return nil, err
	}
	if _, _, err := tx.RewritePrios(); err != nil {
		return nil, err
	}
	tx.RetireEmpty()
	return tx.Commit()
}
