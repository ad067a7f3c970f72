// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/superblock"
)

// flippedBits is how many bits of a uuid may be damaged for it to be known still: two random ones differ in 64.
const flippedBits = 8

// slotOf finds the slot of a backing device, and what speaks for it; -1 where nothing does.
func (w *Work) slotOf(t uuids.Table, data map[uint32]*held, d claimant) (slot int, why string) {
	for i := range t {
		if u := t[i].UUID; d.slot < 0 && !u.IsZero() && (u.Distance(d.s.UUID) <= flippedBits || alike(u, d.s.UUID) >= len(u)/2) {
			return i, "its uuid but for a few bits or bytes"
		}
	}
	for i, v := range data { // one whose uuid is garbage names a device that nobody has; no other data may be the device's
		if len(w.unnamed(t, data)) == 0 && w.foreign(t, i) && w.holdsAlone(t, v, d.dev) {
			w.renamed = true // that device may exist, and be a copy of this one: that is for -y
			return int(i), "whose clean data are the same, and whose own device nobody has given,"
		}
	}
	for _, i := range slices.Backward(w.fitting(t, data, d)) { // a device that is attached again gets a slot behind its old one
		if w.holdsAlone(t, data[i], d.dev) {
			return int(i), "whose clean data are the same,"
		}
	}
	return -1, ""
}

// foreign reports whether a slot names a cached device that is not given.
func (w *Work) foreign(t uuids.Table, i uint32) bool {
	return int(i) < len(t) && t.State(i) == uuids.Valid && !nearlyInvalid(&t[i]) && !t[i].FlashOnly() && !w.given(t[i].UUID)
}

// nearlyInvalid is a slot with the mark of an invalidated one, but for a few bits.
func nearlyInvalid(u *ondisk.UUIDEntry) bool {
	return u.UUID.Distance(ondisk.InvalidUUID) <= flippedBits
}

// mostWays is how many devices onlyWay tries all ways of, and mostTries how often it gives one of them a slot.
const (
	mostWays  = 8
	mostTries = 1 << 16
)

// onlyWay gives each of the devices that seek a slot one whose data can be its, if there is one way alone to do that for all
// of them, and none beside them is without a slot.
func (w *Work) onlyWay(h *harvest, t uuids.Table, data map[uint32]*held, todo []claimant) map[int]uint32 {
	without := 0
	may := make([][]uint32, len(todo))
	for n, d := range todo {
		if d.slot < 0 {
			without++
		}
		may[n] = w.mayBe(h, t, data, d)
	}
	nobodys := slices.ContainsFunc(may, func(is []uint32) bool { return len(is) == 0 })
	if w.nameless(t) != without || len(todo) > mostWays || nobodys {
		return nil
	}
	var found map[int]uint32
	ways, now, tries := 0, map[int]uint32{}, 0
	var try func(n int)
	try = func(n int) {
		if tries++; tries > mostTries {
			ways = 2 // as good as not to be told
			return
		}
		if n == len(todo) {
			ways++
			found = maps.Clone(now)
			return
		}
		for _, i := range may[n] {
			if !slices.Contains(slices.Collect(maps.Values(now)), i) && ways < 2 {
				now[n] = i
				try(n + 1)
				delete(now, n)
			}
		}
	}
	try(0)
	if ways != 1 {
		return nil
	}
	return found
}

// mayBe are the inodes whose data can be a device's. Where none is without a name, it may be one that names a device
// which nobody has given, by its label this one: its uuid was written over.
func (w *Work) mayBe(h *harvest, t uuids.Table, data map[uint32]*held, d claimant) []uint32 {
	dirty := d.s.State() == ondisk.StateDirty
	other := func(i uint32) bool {
		return !most(w.equalData(data[i], d.dev.R), len(data[i].some)) || dirty && data[i].dirty == 0 || w.writtenBack(h, i)
	}
	may := slices.DeleteFunc(w.fitting(t, data, d), other)
	if len(may) > 0 || !dirty {
		return may
	}
	for i, v := range data {
		if w.foreign(t, i) && t[i].Label == d.s.Label && (t[i].Label != [32]byte{} || len(v.some) > 0) {
			may = append(may, i)
		}
	}
	slices.Sort(may)
	return slices.DeleteFunc(d.fits(data, may), other)
}

// nameless is how many of the given backing devices no slot names.
func (w *Work) nameless(t uuids.Table) (n int) {
	for _, d := range w.backing {
		s, err := superblock.Read(d.R)
		if err != nil {
			n++ // whatever it was
			continue
		}
		if _, named := t.Find(s.UUID); !named {
			n++
		}
	}
	return n
}

// alike is how many bytes of two uuids are the same: of two random ones hardly any.
func alike(a, b ondisk.UUID) (n int) {
	for i := range a {
		if a[i] == b[i] {
			n++
		}
	}
	return n
}

// given reports whether a uuid is that of one of the given devices.
func (w *Work) given(id ondisk.UUID) bool {
	return slices.ContainsFunc(w.backing, func(d fsck.Device) bool {
		s, err := superblock.Read(d.R)
		return err == nil && s.UUID == id
	})
}

// strangers reports whether dirty data are there of a device that is not given: a slot whose uuid is damaged looks so.
func (w *Work) strangers(t uuids.Table, data map[uint32]*held) bool {
	for i, v := range data {
		if v.dirty > 0 && w.foreign(t, i) {
			return true
		}
	}
	return false
}

// holdsAlone reports whether a device has the clean data that were sampled of an inode, and no other of the given that
// has no slot has them too.
func (w *Work) holdsAlone(t uuids.Table, v *held, d fsck.Device) bool {
	return w.holds(v, d.R) && !slices.ContainsFunc(w.backing, func(o fsck.Device) bool {
		s, err := superblock.Read(o.R)
		if err != nil || !s.IsBacking() || o.R == d.R {
			return false
		}
		_, named := t.Find(s.UUID)
		return !named && w.holds(v, o.R)
	})
}

// holds reports whether a device has the clean data that were sampled of an inode. Zeros tell nothing.
func (w *Work) holds(v *held, r io.ReaderAt) bool {
	told := held{some: slices.DeleteFunc(slices.Clone(v.some), func(k ondisk.Bkey) bool {
		b, err := readAll(w.dev.R, k.Ptr[0].Offset().Bytes(), int(k.Size().Bytes()))
		return err != nil || len(bytes.Trim(b, "\x00")) == 0
	})}
	return len(told.some) > 0 && most(w.equalData(&told, r), len(told.some))
}

// most reports whether so many of the samples are the same that the others differ by a power cut: what was written through
// then may have reached the one device and not the other.
func most(equal, samples int) bool { return 4*equal >= 3*samples }

// fitting are the inodes without a name whose data a backing device may have, by their places. A slot that is empty in
// the table is a candidate; one that was invalidated, or that says so but for a few bits, is only where there is no other, and
// the device says that its data are in the cache: the kernel makes a device clean, stale or nobody's before it invalidates its slot.
func (w *Work) fitting(t uuids.Table, data map[uint32]*held, d claimant) []uint32 {
	may := d.fits(data, w.unnamed(t, data))
	if len(may) > 0 || d.s.State() != ondisk.StateDirty {
		return may
	}
	for i, v := range data {
		if int(i) < len(t) && nearlyInvalid(&t[i]) && !t[i].FlashOnly() && v.dirty > 0 {
			may = append(may, i)
		}
	}
	slices.Sort(may)
	return d.fits(data, may)
}

// fits are those of a list whose data lie within the device.
func (d claimant) fits(data map[uint32]*held, list []uint32) []uint32 {
	return slices.DeleteFunc(list, func(i uint32) bool {
		return data[i].start < superblock.DataOffset(d.s) || data[i].end.Bytes() > d.dev.Size
	})
}

// equalData counts the sampled clean extents that a device holds too.
func (w *Work) equalData(v *held, r io.ReaderAt) (equal int) {
	for i := range v.some {
		k := &v.some[i]
		a, err := readAll(w.dev.R, k.Ptr[0].Offset().Bytes(), int(k.Size().Bytes()))
		if err != nil {
			continue
		}
		b, err := readAll(r, k.Start().Bytes(), int(k.Size().Bytes()))
		if err == nil && bytes.Equal(a, b) {
			equal++
		}
	}
	return equal
}

var errDiffers = errors.New("the backing device has something else")

// writtenBack reports whether one of the given devices holds all that is dirty of an inode.
func (w *Work) writtenBack(h *harvest, inode uint32) bool {
	for _, d := range w.backing {
		err := h.each(inspect.OfVolume(inode), func(k *ondisk.Bkey) error {
			v := held{some: []ondisk.Bkey{*k}}
			if k.Dirty() && w.equalData(&v, d.R) == 0 {
				return errDiffers
			}
			return nil
		})
		if err == nil {
			return true
		}
	}
	return false
}
