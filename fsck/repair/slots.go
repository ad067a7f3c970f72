// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"fmt"
	"slices"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/finding"
	"bctl/superblock"
)

// mendSlots makes the uuid bucket's slots from the best that is left: the slots that could be read, or an old copy of
// them, the backing devices that were given, and the inodes that have data.
func (w *Work) mendSlots(h *harvest, b *base) (uuids.Table, error) {
	journal := h.journal // a live journal that stays has data of the volumes all the same
	h.journal = true
	defer func() { h.journal = journal }()
	data, err := h.volumes()
	if err != nil {
		return nil, err
	}
	t, old := w.bestSlots(h, b, data)
	w.moveBack(t, data)
	w.mendMarks(h.c.Super.SetUUID, t, data)
	w.mendOdd(t, data)
	w.outdated(t, old, data)
	w.matchBacking(h, t, data)
	if err := w.adoptOrphans(h, t, data); err != nil {
		return nil, err
	}
	return t, w.ctx.Err()
}

// held is what is kept of an inode.
type held struct {
	start, end ondisk.Sector
	dirty      ondisk.Sector
	some       []ondisk.Bkey // a few clean extents, to know the backing device by
}

const sampled = 64

func (h *harvest) volumes() (map[uint32]*held, error) {
	out := map[uint32]*held{}
	since := h.since // to know a device by, clean data that may be old do
	h.since = nil
	defer func() { h.since = since }()
	err := h.each(inspect.Everything, func(k *ondisk.Bkey) error {
		v := out[k.Inode()]
		if v == nil {
			v = &held{start: k.Start()}
			out[k.Inode()] = v
		}
		v.end = k.Offset()
		if k.Dirty() {
			v.dirty += k.Size()
		} else if len(v.some) < sampled {
			v.some = append(v.some, *k)
		}
		return nil
	})
	return out, err
}

// mendMarks puts what is half there right: the invalid uuid and the time of invalidation come together, and no uuid
// stands twice.
func (w *Work) mendMarks(set ondisk.UUID, t uuids.Table, data map[uint32]*held) {
	first := map[ondisk.UUID]int{}
	for i := range t {
		u := &t[i]
		switch uuids.StateOf(u) {
		case uuids.Empty:
			if u.Invalidated == 0 {
				continue
			}
			if u.FirstReg > 0 && u.Invalidated >= u.FirstReg && data[uint32(i)] == nil { // its mark was zeroed, not its time
				u.UUID = ondisk.InvalidUUID
				w.saw("uuid slot %d: invalidated at %d, so it has that mark", i, u.Invalidated)
				continue
			}
			u.Invalidated = 0
			w.saw("uuid slot %d: not invalidated, nothing was there", i)
		case uuids.Invalid:
			v := data[uint32(i)]
			switch {
			case u.Invalidated == 0 && u.FlashOnly() && u.Sectors > 0: // the kernel takes that away too, where it invalidates a slot
				u.UUID = derivedUUID(set, fmt.Sprintf("volume %d", i))
				w.saw("uuid slot %d: not invalidated, it is a flash-only volume's still", i)
			case u.Invalidated == 0 && v != nil && v.dirty > 0: // the kernel writes mark and time together, and not before all is written back
				u.UUID = ondisk.UUID{}
				w.saw("uuid slot %d: not invalidated, dirty data are its; its uuid is lost", i)
			case u.Invalidated == 0:
				u.Invalidated = max(u.LastReg, u.FirstReg, 1)
				w.saw("uuid slot %d: invalidated", i)
			}
		case uuids.Valid:
			if u.Invalidated != 0 {
				u.Invalidated = 0
				w.saw("uuid slot %d: not invalidated, it has a uuid", i)
			}
			if u.Sectors > 0 && !u.FlashOnly() && !w.given(u.UUID) { // no cached device's slot has a size
				u.Flags |= 1
				w.saw("uuid slot %d: it is a flash-only volume's, it has a size", i)
			}
			if v := data[uint32(i)]; u.FlashOnly() && u.Sectors > uint64(mostSectors) {
				if u.Sectors %= uint64(mostSectors); v != nil {
					u.Sectors = max(u.Sectors, uint64(v.end))
				}
				w.saw("uuid slot %d: it has %d sectors", i, u.Sectors)
			}
			j, twice := first[u.UUID]
			if !twice {
				first[u.UUID] = i
				continue
			}
			spare := i // the kernel attaches to the first
			if data[uint32(j)] == nil && data[uint32(i)] != nil {
				spare, first[u.UUID] = j, i
			}
			w.saw("uuid slot %d: its uuid stands also in slot %d", spare, first[u.UUID])
			t[spare] = ondisk.UUIDEntry{}
		}
	}
}

// A claimant is a backing device of the set that no slot names, or whose slot has no data though its state says dirty.
type claimant struct {
	dev  fsck.Device
	s    *ondisk.Super
	slot int // where it stands; -1: nowhere
}

// claimants are the given ones. One that has a slot counts only where dirty data are there that none names.
func (w *Work) claimants(h *harvest, t uuids.Table, data map[uint32]*held) (out []claimant) {
	astray := slices.ContainsFunc(w.unnamed(t, data), func(i uint32) bool { return data[i].dirty > 0 })
	for _, d := range w.backing {
		s, err := superblock.Read(d.R)
		if err != nil || !s.IsBacking() || s.SetUUID != h.c.Super.SetUUID || s.State() != ondisk.StateClean && s.State() != ondisk.StateDirty {
			continue
		}
		switch i, ok := t.Find(s.UUID); {
		case !ok:
			out = append(out, claimant{d, s, -1})
		case astray && data[i] == nil && s.State() == ondisk.StateDirty:
			out = append(out, claimant{d, s, int(i)})
		}
	}
	return out
}

// matchBacking gives each backing device of the set that no slot names its slot: the one whose uuid differs in a few
// bits, or the one whose clean data are the device's, or the only one that can be its. So it does for one whose slot
// stands at a place without data.
func (w *Work) matchBacking(h *harvest, t uuids.Table, data map[uint32]*held) {
	todo := slices.DeleteFunc(w.claimants(h, t, data), func(d claimant) bool {
		i, why := w.slotOf(t, data, d)
		if i >= 0 {
			w.settle(t, d, i, why)
		}
		return i >= 0
	})
	for n, i := range w.onlyWay(h, t, data, todo) {
		w.renamed = w.renamed || todo[n].slot >= 0 || w.foreign(t, i) // -p leaves it
		w.settle(t, todo[n], int(i), "the only one with data that can be its,")
	}
	for _, d := range todo {
		if _, ok := t.Find(d.s.UUID); ok {
			continue
		}
		free := slices.IndexFunc(t, func(u ondisk.UUIDEntry) bool { return u.UUID.IsZero() })
		for free >= 0 && free < len(t) && (!t[free].UUID.IsZero() || data[uint32(free)] != nil) {
			free++ // the data of an inode without a name are another volume's
		}
		if free < 0 || free == len(t) {
			continue
		}
		w.renamed = w.renamed || d.s.State() == ondisk.StateDirty && w.strangers(t, data)
		w.astray = append(w.astray, slices.DeleteFunc(w.fitting(t, data, d), func(i uint32) bool { return data[i].dirty == 0 })...)
		w.homeless++
		w.settle(t, d, free, "the first free one; it has nothing in the cache, and") // a clean one would get it at registration
	}
}

// settle makes slot i a device's.
func (w *Work) settle(t uuids.Table, d claimant, i int, why string) {
	if d.slot >= 0 {
		t[i], t[d.slot] = t[d.slot], ondisk.UUIDEntry{}
	} else {
		t[i] = ondisk.UUIDEntry{UUID: d.s.UUID, Label: d.s.Label, FirstReg: max(t[i].FirstReg, d.s.LastMount, 1), LastReg: max(t[i].LastReg, d.s.LastMount, 1)}
	}
	w.saw("uuid slot %d: %s is %s", i, why, d.dev.Name)
}

// adoptOrphans makes what no slot names a volume of its own: a flash-only one, from which its data can be read. Where a
// given device may be the one that they were of, and starts without them, they are lost to it; perhaps, where there are
// more of them than such devices.
func (w *Work) adoptOrphans(h *harvest, t uuids.Table, data map[uint32]*held) error {
	slices.Sort(w.astray)
	w.astray = slices.Compact(w.astray)
	for i := range t {
		v := data[uint32(i)]
		if v == nil || v.dirty == 0 || t.State(uint32(i)) == uuids.Valid {
			continue
		}
		u := &t[i]
		flash := uuids.WasFlash(u)
		if flash || w.writtenBack(h, uint32(i)) {
			continue // fsck has no quarrel with it
		}
		reg := max(u.FirstReg, u.LastReg, 1)
		*u = ondisk.UUIDEntry{UUID: derivedUUID(h.c.Super.SetUUID, fmt.Sprintf("lost+found %d", i)), FirstReg: reg, LastReg: reg, Flags: 1, Sectors: uint64(v.end)}
		w.renamed = true
		copy(u.Label[:], fmt.Sprintf("lost+found %d", i))
		w.saw("volume %d: its %d dirty sectors become the flash-only volume %q", i, v.dirty, superblock.Label(u.Label))
		if !slices.Contains(w.astray, uint32(i)) {
			continue // the volume's device is not given, or gone
		}
		err := h.each(inspect.OfVolume(uint32(i)), func(k *ondisk.Bkey) error {
			if k.Dirty() {
				w.lost[Lost{
					Inode: k.Inode(), Offset: k.Start(), Count: k.Size(), Dirty: true, Known: len(w.astray) <= w.homeless, Code: finding.UUNoSlotDirty,
				}] = true
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// oldSlots looks for an older copy of the uuid bucket: the kernel writes it to another bucket each time. A bucket is one
// if all of it parses as slots that somebody may have filled; the one with the latest registration is taken.
func (w *Work) oldSlots(h *harvest) (best uuids.Table) {
	g := &h.c.Geo
	at := ondisk.Bucket(0)
	for b := g.FirstBucket + ondisk.Bucket(g.NJournal); b < g.NBuckets && w.ctx.Err() == nil; b++ {
		if h.c.Buckets.Mark(b) != inspect.Free {
			continue
		}
		head, err := readAll(w.dev.R, g.Start(b).Bytes(), ondisk.UUIDEntryBytes)
		if err != nil || !filled(head) {
			continue
		}
		t, err := uuids.Read(w.dev.R, g, g.Start(b), 1)
		if err == nil && newer(t, best) {
			best, at = t, b
		}
	}
	if best != nil {
		w.saw("uuids: an older copy in bucket %d", at)
		h.tx.Avoid(at) // a run that is cut short must find it again
	}
	return best
}

// filled reports whether a slot may have been filled by the kernel.
func filled(b []byte) bool {
	u, err := ondisk.DecodeUUIDEntry(b)
	return err == nil && sane(&u)
}

// sane is a slot with a uuid and times, and nothing that nobody writes.
func sane(u *ondisk.UUIDEntry) bool {
	const y2008, y2100 = 1199145600, 4102444800 // bcache is younger than the first
	return !u.UUID.IsZero() && u.FirstReg > y2008 && u.FirstReg <= u.LastReg && int64(u.LastReg) < y2100 &&
		u.Flags&^1 == 0 && ((u.Flags == 1) == (u.Sectors > 0) || u.UUID == ondisk.InvalidUUID) && u.Pad == [len(u.Pad)]byte{} // a label may hold anything
}

// plausible reports whether all slots may be, and when the last of them was changed.
func plausible(t uuids.Table) (last uint32, ok bool) {
	for i := range t {
		switch {
		case t[i] == (ondisk.UUIDEntry{}):
		case sane(&t[i]):
			last = max(last, t[i].LastReg, t[i].Invalidated)
		default:
			return 0, false
		}
	}
	return last, last > 0
}
