// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/superblock"
)

// mendPairs makes backing devices say what the cache knows of them: the set that holds their data, and that they are
// dirty where it holds data that they lack.
func mendPairs(w *Work, rep *fsck.Report) (did bool, err error) {
	if rep == nil || rep.Type != "cache" || len(w.backing) == 0 {
		return false, nil
	}
	s, err := w.super()
	if err != nil {
		return false, err
	}
	c, err := inspect.Open(w.ctx, w.dev.R, s, inspect.Options{Size: w.dev.Size, Workers: w.o.Workers, Sink: func(finding.Finding) {}})
	if err != nil {
		return false, w.ctx.Err()
	}
	for i, d := range w.backing {
		b, err := superblock.Read(d.R)
		if err != nil || !b.IsBacking() {
			continue
		}
		fixed := *b
		pair(&fixed, c)
		fixed.Csum = fixed.Checksum()
		if fixed != *b {
			w.saw("%s: superblock: set %v, state %s", d.Name, fixed.SetUUID, fixed.State())
			w.patch(i+1, ondisk.SuperOffset, fixed.Append(nil), "backing superblock")
			did = true
		}
	}
	return did, nil
}

// pair fits a backing device's superblock to the cache that has its slot.
func pair(b *ondisk.Super, c *inspect.Cache) {
	inode, ok := c.UUIDs.Find(b.UUID)
	if !ok {
		return
	}
	dirty := false
	for _, v := range c.Volumes {
		dirty = dirty || v.Inode == inode && v.DirtySectors > 0
	}
	attached := b.State() == ondisk.StateClean || b.State() == ondisk.StateDirty
	if dirty || attached && b.SetUUID.IsZero() {
		b.SetUUID = c.Super.SetUUID
	}
	if dirty && !attached {
		b.SetState(ondisk.StateDirty) // or the next registration gives its slot up, and the data
	}
}
