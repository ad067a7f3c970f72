// SPDX-License-Identifier: GPL-2.0-only

package fsck

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/disk/full"
	"bctl/internal/finding"
	"bctl/superblock"
)

// A pair is a cache and a backing device, judged by what the next registration makes of them, and by the order in which
// the kernel writes to the two:
//
//	attach  slot (its journal entry may come later)   backing: our set, clean
//	write   data, key in the journal                  backing: dirty, at any time around that
//	detach  all dirty data are on the backing device  backing: no set, none   slot: invalidated
//
// A crash may lie between any two. So clean without a slot is a device that was being attached, and dirty keys of one
// without a set are of one that was being detached: then it has their data, which can be compared. Dirty without a slot
// is a device that was written to before its slot's journal entry, which leaves a trace, or one whose slot is lost.

// judgeAttached compares what the backing device says of itself with what the cache knows of it.
func (c *checker) judgeAttached(b *backing, emit func(finding.Code, string, ...any)) {
	state := b.super.State()
	attached := state == ondisk.StateClean || state == ondisk.StateDirty
	ours := b.super.SetUUID == c.super.SetUUID
	v := c.volumeOf(b.super.UUID)
	switch {
	case state == ondisk.StateDirty && ours && v == nil:
		c.judgeUnknown(b, emit)
	case v != nil && v.DirtySectors > 0 && !(attached && ours):
		c.judgeLeft(b, v, emit)
	case attached && !ours:
		emit(finding.BDStranger, "attached to set %v, the cache's is %v", b.super.SetUUID, c.super.SetUUID)
	}
	if v == nil {
		if (!attached || ours) && state != ondisk.StateDirty && c.slots() != nil && c.slots().Count(uuids.Empty) == 0 {
			emit(finding.BDNoRoom, "not attached, and no slot is free")
		}
		return
	}
	switch {
	case v.DirtySectors > 0 && state == ondisk.StateClean && ours:
		emit(finding.BDStateDirty, "state clean, but the cache holds %d dirty sectors of it", v.DirtySectors)
	case v.DirtySectors == 0 && state == ondisk.StateDirty && ours:
		emit(finding.BDStateDirty, "state dirty, but the cache holds no dirty sectors of it")
	}
	if label := superblock.Label(b.super.Label); label != v.Label() {
		emit(finding.BDLabel, "label %q, its slot has %q", label, v.Label())
	}
}

// judgeUnknown judges a dirty device of the set that no slot names.
func (c *checker) judgeUnknown(b *backing, emit func(finding.Code, string, ...any)) {
	at, cut := c.attachCutShort(b.super.UUID)
	switch {
	case cut:
		emit(finding.BDCutShort, "state dirty, but a crash cut its attach short: the slot that was written for it, in bucket %d, never came to count, "+
			"and nothing of it is in the cache; it does not come up", at)
	case c.c.Journal == nil:
		emit(finding.BDNoSlot, "state dirty, but the cache was never registered: it was made anew, or is another one; the device does not come up")
	default:
		emit(finding.BDNoSlot, "state dirty, but uuid %v is in no slot of the cache: it does not come up", b.super.UUID)
	}
}

// judgeLeft judges dirty data of a device that does not want them: attached elsewhere, or to nothing. The kernel never
// brings the two together again, or invalidates the slot when it does.
func (c *checker) judgeLeft(b *backing, v *inspect.Volume, emit func(finding.Code, string, ...any)) {
	differ, err := c.differing(v, b)
	state := b.super.State()
	switch {
	case err != nil:
		emit(finding.BDDropped, "state %s, and the next registration drops %d dirty sectors of it, which could not be compared: %v", state, v.DirtySectors, err)
	case differ == 0:
		emit(finding.BDLeft, "state %s, and it has all %d dirty sectors that the cache holds of it", state, v.DirtySectors)
	case b.super.SetUUID != c.super.SetUUID:
		emit(finding.BDOtherSet, "its set is %v, but the cache holds %d dirty sectors of it, %d of which it lacks", b.super.SetUUID, v.DirtySectors, differ)
	default:
		emit(finding.BDDropped, "state %s: the next registration drops %d dirty sectors of it, %d of which it lacks", state, v.DirtySectors, differ)
	}
}

// differing is how many of a volume's dirty sectors a backing device lacks. Errors: what could not be read.
func (c *checker) differing(v *inspect.Volume, b *backing) (n int64, err error) {
	var differ atomic.Int64
	var mu sync.Mutex
	var failed error
	err = c.c.Walk(func(_ int, e *inspect.Extent) {
		if e.Inode() != v.Inode || !e.Live || !e.Dirty() {
			return
		}
		k, err := differingSectors(c.dev.R, e.Ptr[0].Offset(), b.R, e.Start(), e.Size())
		if err != nil {
			mu.Lock()
			failed = errors.Join(failed, err)
			mu.Unlock()
		}
		differ.Add(k)
	})
	if err == nil {
		err = failed
	}
	return differ.Load(), err
}

// differingSectors counts the sectors of two runs of n that differ.
func differingSectors(a io.ReaderAt, at ondisk.Sector, b io.ReaderAt, from, n ondisk.Sector) (differ int64, err error) {
	err = eachDiffering(a, at, b, from, n, func(ondisk.Sector) { differ++ })
	return differ, err
}

// eachDiffering names the sectors of two runs of n that differ, by where they stand in b.
func eachDiffering(a io.ReaderAt, at ondisk.Sector, b io.ReaderAt, from, n ondisk.Sector, do func(ondisk.Sector)) error {
	x, y := make([]byte, n.Bytes()), make([]byte, n.Bytes())
	if err := full.ReadAt(a, x, at.Bytes()); err != nil {
		return err
	}
	if err := full.ReadAt(b, y, from.Bytes()); err != nil {
		return err
	}
	for i := 0; i < len(x); i += ondisk.SectorBytes {
		if !bytes.Equal(x[i:i+ondisk.SectorBytes], y[i:i+ondisk.SectorBytes]) {
			do(from + ondisk.Sector(i/ondisk.SectorBytes))
		}
	}
	return nil
}

// slots is the uuid table, nil where there is none yet or it cannot be read.
func (c *checker) slots() uuids.Table {
	if c.c == nil {
		return nil
	}
	return c.c.UUIDs
}

// A Pairing is a backing device that was given, or one that the set has and that was not. What is not known is nil.
type Pairing struct {
	Device    *string `json:"device"` // nil: not given, so not checked
	UUID      string  `json:"uuid"`
	SetUUID   *string `json:"set_uuid"`
	Label     string  `json:"label"`
	State     *string `json:"state"`
	CacheMode *string `json:"cache_mode"`
	Inode     *uint32 `json:"inode"` // nil: the cache has no volume of it
}

// pairings lists the given devices in their order, then the volumes whose device was not given.
func (c *checker) pairings() []Pairing {
	list := []Pairing{}
	given := map[ondisk.UUID]bool{}
	for i := range c.backing {
		s := c.backing[i].super
		given[s.UUID] = true
		set, state, mode := s.SetUUID.String(), s.State().String(), s.CacheMode().String()
		p := Pairing{Device: &c.backing[i].Name, UUID: s.UUID.String(), SetUUID: &set, Label: superblock.Label(s.Label), State: &state, CacheMode: &mode}
		if at, ok := c.slots().Find(s.UUID); ok {
			inode := uint32(at)
			p.Inode = &inode
		}
		list = append(list, p)
	}
	for i := range c.slots() {
		u := &c.slots()[i]
		if uuids.StateOf(u) == uuids.Valid && !uuids.Garbage(u) && !u.FlashOnly() && !given[u.UUID] {
			inode := uint32(i)
			list = append(list, Pairing{UUID: u.UUID.String(), Label: superblock.Label(u.Label), Inode: &inode})
		}
	}
	return list
}
