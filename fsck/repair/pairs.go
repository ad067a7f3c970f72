// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"bytes"
	"io"
	"sync"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/superblock"
)

// mendPairs makes backing devices say what the cache knows of them: the set that holds their data, and that they are
// dirty where it holds data that they lack.
func mendPairs(w *Work, rep *fsck.Report) (did bool, err error) {
	if rep == nil || rep.Type != "cache" || len(w.backing) == 0 || !w.asks(rep, finding.BackingSuper) {
		return false, nil
	}
	s, err := w.super()
	if err != nil {
		return false, err
	}
	c, err := w.asIs(s)
	if err != nil {
		return false, w.ctx.Err()
	}
	for i, d := range w.backing {
		b, err := superblock.Read(d.R)
		if err != nil || !b.IsBacking() {
			continue
		}
		fixed := *b
		pair(&fixed, c, w.o.chosen())
		if left(b, c) {
			over, err := w.overwritten(b, c, d.R)
			if err != nil {
				return false, err
			}
			if len(over) == 0 {
				continue // it has all of the data: it was being detached
			}
			w.replaced = append(w.replaced, over...)
		}
		fixed.Csum = fixed.Checksum()
		if fixed != *b {
			w.saw("%s: superblock: set %v, state %s", d.Name, fixed.SetUUID, fixed.State())
			w.patch(i+1, ondisk.SuperOffset, fixed.Append(nil), "backing superblock")
			did = true
		}
	}
	return did, nil
}

// left reports whether a backing device may have been written to since its dirty data came to the cache: it says that no
// cache has any, that it was used without one, or that it belongs to another set.
func left(b *ondisk.Super, c *inspect.Cache) bool {
	attached := b.State() == ondisk.StateClean || b.State() == ondisk.StateDirty
	return !attached || !b.SetUUID.IsZero() && b.SetUUID != c.Super.SetUUID
}

// overwritten are the dirty extents of a backing device that has something else in their place: what stands there now
// is given up when the cache's data count again.
func (w *Work) overwritten(b *ondisk.Super, c *inspect.Cache, r io.ReaderAt) (list []Lost, err error) {
	code := finding.BDDropped
	if b.SetUUID != c.Super.SetUUID {
		code = finding.BDOtherSet
	}
	inode, ok := c.UUIDs.Find(b.UUID)
	if !ok {
		return nil, nil
	}
	var mu sync.Mutex
	err = c.Walk(func(_ int, e *inspect.Extent) {
		if e.Inode() != inode || !e.Live || !e.Dirty() {
			return
		}
		n := int(e.Size().Bytes())
		ours, err1 := readAll(w.dev.R, e.Ptr[0].Offset().Bytes(), n)
		its, err2 := readAll(r, e.Start().Bytes(), n)
		if err1 == nil && err2 == nil && bytes.Equal(ours, its) {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		list = append(list, Lost{
			Device: b.UUID.String(), Label: superblock.Label(b.Label), Inode: inode, Offset: e.Start(), Count: e.Size(),
			Below: true, Code: code,
		})
	})
	return list, err
}

// pair fits a backing device's superblock to the cache that has its slot; legal: clean with dirty keys too, which a crash
// leaves.
func pair(b *ondisk.Super, c *inspect.Cache, legal bool) {
	inode, ok := c.UUIDs.Find(b.UUID)
	if !ok {
		if b.State() == ondisk.StateClean && b.SetUUID.IsZero() {
			b.SetState(ondisk.StateNone) // of no set, and no cache has anything of it
		}
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
	if dirty && (!attached || legal) {
		b.SetState(ondisk.StateDirty) // or the next registration gives its slot up, and the data
	}
}
