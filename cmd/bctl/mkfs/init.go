// SPDX-License-Identifier: GPL-2.0-only

package mkfs

import (
	"fmt"
	"math/rand/v2"
	"time"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
)

// planSet makes the cache complete, for --init, and the backing devices part of it, for --attach. Their state must
// be clean: the kernel invalidates the slot of a device that says it is not attached.
func (o *formatOptions) planSet(targets []*target) (err error) {
	if !o.init {
		return nil
	}
	now := uint32(time.Now().Unix())
	var cache *target
	var volumes []ondisk.UUIDEntry
	for _, t := range targets {
		switch {
		case !t.backing:
			cache = t
		case o.attach:
			volumes = append(volumes, ondisk.UUIDEntry{UUID: t.super.UUID, Label: t.super.Label, FirstReg: now, LastReg: now})
			t.super.SetState(ondisk.StateClean)
			t.super.Csum = t.super.Checksum()
		}
	}
	if cache.set, err = change.NewSet(cache.super, volumes, now, rand.Uint64()|1); err != nil {
		return fmt.Errorf("%s: %w", cache.path, err)
	}
	return nil
}

// writeSet writes the metadata of the set while the device is none of bcache's: the superblock comes last.
func (t *target) writeSet() error {
	if t.set == nil {
		return nil
	}
	if err := t.dev.Zero(ondisk.SuperOffset, ondisk.SuperSize); err != nil {
		return err
	}
	if err := t.dev.Sync(); err != nil {
		return err
	}
	return t.set.Run(t.dev)
}
