// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"errors"
	"fmt"
	"strings"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/inspect/volume"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/disk/signature"
	"bctl/superblock"
)

// ErrLostSuper says that a superblock is lost, and that what is left does not tell what stood in it.
var ErrLostSuper = errors.New("its superblock is lost, and cannot be made anew")

// lostBacking is a backing device's superblock made anew, from the cache's slot for it. Errors wrap ErrLostSuper: they
// say what was found. It is nil where there is a superblock, or no cache to tell.
func (w *Work) lostBacking(i int, dev fsck.Device, raw []byte) ([]byte, error) {
	if old, err := ondisk.DecodeSuper(raw); err != nil || old.Magic == ondisk.SuperMagic && old.Csum == old.Checksum() {
		return nil, nil //nolint:nilerr // whoever needs it will say so
	}
	s, err := w.super()
	if err != nil || s.IsBacking() {
		return nil, nil //nolint:nilerr // the cache's superblock comes first
	}
	g, err := superblock.NewGeometry(s)
	if err != nil {
		return nil, nil //nolint:nilerr // likewise
	}
	c, err := w.best(s, &g)
	if err != nil {
		return nil, err
	}
	slot, err := w.lostSlot(c, dev)
	if err != nil {
		return nil, err
	}
	data, err := w.dataOffset(c, slot, dev)
	if err != nil {
		return nil, err
	}
	made := superOfSlot(c, slot, data)
	w.saw("%s: it is volume %d, %s; its data start at sector %d", dev.Name, slot, made.UUID, data)
	return made.Append(nil), nil
}

// superOfSlot is what the slot tells: in state dirty the kernel keeps the slot, and whatever is dirty is written back.
func superOfSlot(c *inspect.Cache, slot uint32, data ondisk.Sector) *ondisk.Super {
	u := &c.UUIDs[slot]
	s := &ondisk.Super{
		Offset: uint64(ondisk.SuperSector), Magic: ondisk.SuperMagic, Version: ondisk.VersionBacking, UUID: u.UUID, SetUUID: c.Super.SetUUID,
		Label: u.Label, Seq: 1, BlockSize: c.Super.BlockSize, LastMount: u.LastReg,
	}
	if data != ondisk.DataStartDefault {
		s.Version, s.Nbuckets = ondisk.VersionBackingOffset, uint64(data)
	}
	for _, v := range c.Volumes {
		if v.Inode == slot && v.DirtySectors > 0 {
			s.SetCacheMode(ondisk.Writeback)
		}
	}
	s.SetState(ondisk.StateDirty)
	s.Csum = s.Checksum()
	return s
}

// lostSlot finds the slot of a device without a superblock: the one whose clean data it holds, or the only one that is
// left for it.
func (w *Work) lostSlot(c *inspect.Cache, dev fsck.Device) (uint32, error) {
	given := map[ondisk.UUID]bool{}
	for _, d := range w.backing {
		s, err := superblock.Read(d.R)
		if err != nil {
			continue
		}
		if slot, ok := c.UUIDs.Find(s.UUID); ok && d.R == dev.R && !c.UUIDs[slot].FlashOnly() {
			return slot, nil // damaged elsewhere
		}
		given[s.UUID] = true
	}
	var same, silent, other []uint32
	for i := range c.UUIDs {
		slot := uint32(i)
		if c.UUIDs.State(slot) != uuids.Valid || c.UUIDs[i].FlashOnly() || given[c.UUIDs[i].UUID] {
			continue
		}
		v, end, err := sample(c, slot)
		if err != nil {
			return 0, err
		}
		equal := w.equalData(v, dev.R)
		switch {
		case end.Bytes() > dev.Size || len(v.some) > 0 && 10*equal < 9*len(v.some):
			other = append(other, slot)
		case len(v.some) > 0:
			same = append(same, slot)
		default:
			silent = append(silent, slot)
		}
	}
	switch {
	case len(same) == 1:
		return same[0], nil
	case len(same) == 0 && len(silent) == 1 && len(other) == 0:
		return silent[0], nil
	case len(same)+len(silent)+len(other) == 0:
		return 0, fmt.Errorf("%s: %w: no slot of the cache is left for it; of a device that was never attached the cache holds nothing", dev.Name, ErrLostSuper)
	}
	return 0, fmt.Errorf("%s: %w: it holds the clean data of volumes %v, volumes %v have none to compare, and it is none of %v",
		dev.Name, ErrLostSuper, same, silent, other)
}

// nearSlot gives a damaged superblock that still names the set the uuid of a slot, where they differ in a few bits.
func (w *Work) nearSlot(s *ondisk.Super) {
	cache, err := w.super()
	if err != nil || cache.IsBacking() || cache.SetUUID != s.SetUUID {
		return
	}
	g, err := superblock.NewGeometry(cache)
	if err != nil {
		return
	}
	c, err := w.best(cache, &g)
	if err != nil {
		return // whoever needs it will say so
	}
	if _, ok := c.UUIDs.Find(s.UUID); ok {
		return
	}
	for i := range c.UUIDs {
		u := &c.UUIDs[i]
		if uuids.StateOf(u) == uuids.Valid && !u.FlashOnly() && u.UUID.Distance(s.UUID) <= flippedBits {
			s.UUID = u.UUID
			return
		}
	}
}

// sample is a few clean extents of a volume, and where its last extent ends.
func sample(c *inspect.Cache, slot uint32) (*held, ondisk.Sector, error) {
	v := &held{}
	for e, err := range c.Extents(inspect.OfVolume(slot)) {
		if err != nil {
			return nil, 0, err
		}
		if !e.Live {
			continue
		}
		v.end = e.Offset()
		if !e.Dirty() && len(v.some) < sampled {
			v.some = append(v.some, e.Bkey)
		}
	}
	return v, v.end, nil
}

// sweepSectors is how far a data offset is sought unasked.
const sweepSectors = 32768

// dataOffset is where a volume's data start on its backing device: at a filesystem or the like, as volume and cache
// together show it; or at the first sector there can be, where that holds data.
func (w *Work) dataOffset(c *inspect.Cache, slot uint32, dev fsck.Device) (ondisk.Sector, error) {
	if w.o.Hints.DataOffset > 0 {
		return w.o.Hints.DataOffset, nil
	}
	first, cached := ondisk.Sector(dev.Size/ondisk.SectorBytes), false // no later than its first cached sector
	for e, err := range c.Extents(inspect.OfVolume(slot)) {
		if err != nil {
			return 0, err
		}
		if e.Live {
			first, cached = e.Start(), true
			break
		}
	}
	if w.startsAt(c, slot, dev, ondisk.DataStartDefault) {
		return ondisk.DataStartDefault, nil
	}
	var hits []string
	at := ondisk.Sector(0)
	for d := ondisk.DataStartDefault + ondisk.PageSectors; d <= min(first, sweepSectors) && w.ctx.Err() == nil; d += ondisk.PageSectors {
		if w.startsAt(c, slot, dev, d) {
			at = d
			hits = append(hits, fmt.Sprint(d))
		}
	}
	b, err := readAll(dev.R, ondisk.DataStartDefault.Bytes(), ondisk.SectorBytes)
	switch {
	case len(hits) == 1:
		return at, nil
	case len(hits) > 1:
		return 0, fmt.Errorf("%s: %w: something begins at each of the sectors %s: --data-offset says where its data start", dev.Name, ErrLostSuper, strings.Join(hits, ", "))
	case first == ondisk.DataStartDefault || err == nil && strings.Trim(string(b), "\x00") != "":
		return ondisk.DataStartDefault, nil
	case first < ondisk.DataStartDefault:
		return 0, fmt.Errorf("%s: %w: the cache has its sector %d, where no data start", dev.Name, ErrLostSuper, first)
	}
	// Keys count from the start of the device: where its data start is nothing that a dirty extent depends on.
	at = ondisk.DataStartDefault
	why := "make-bcache's default"
	if cached && first%mebibyte == 0 { // the kernel looks for partitions at a volume's start, whoever wants another start takes a whole MiB
		at, why = first, "the first that is cached"
	}
	w.result.Guess = fmt.Sprintf("%s: its data start between sectors %d and %d, and nothing known begins there: %s, %d, is taken; --data-offset says otherwise",
		dev.Name, ondisk.DataStartDefault, first, why, at)
	w.once("%s", w.result.Guess)
	return at, nil
}

// mebibyte in sectors.
const mebibyte ondisk.Sector = 2048

// startsAt reports whether something known begins at a sector of the volume.
func (w *Work) startsAt(c *inspect.Cache, slot uint32, dev fsck.Device, at ondisk.Sector) bool {
	v := volume.New(c, slot, volume.Below{R: dev.R, Start: at.Bytes(), End: dev.Size}, volume.Options{})
	found, err := signature.Probe(v, v.Size())
	for _, f := range found {
		if !f.End && f.Name != "bcache" && err == nil {
			return true
		}
	}
	return false
}
