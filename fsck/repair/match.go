// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/superblock"
)

// flippedBits is how many bits of a uuid may be damaged for it to be known still: two random ones differ in 64.
const flippedBits = 8

// slotOf finds the slot of a backing device that none names, and what speaks for it; -1 where nothing does.
func (w *Work) slotOf(h *harvest, t uuids.Table, data map[uint32]*held, s *ondisk.Super, d fsck.Device) (slot int, why string) {
	for i := range t {
		if u := t[i].UUID; !u.IsZero() && (u.Distance(s.UUID) <= flippedBits || alike(u, s.UUID) >= len(u)/2) {
			return i, "its uuid but for a few bits or bytes"
		}
	}
	for i, v := range data { // one whose uuid is garbage names a device that nobody has; no other data may be the device's
		if int(i) < len(t) && len(w.unnamed(t, data)) == 0 && t.State(i) == uuids.Valid && !t[i].FlashOnly() && !w.given(t[i].UUID) && w.holdsAlone(t, v, d) {
			w.renamed = true // that device may exist, and be a copy of this one: that is for -y
			return int(i), "whose clean data are the same, and whose own device nobody has given,"
		}
	}
	may := w.fitting(t, data, s, d)
	for _, i := range slices.Backward(may) { // a device that is attached again gets a slot behind its old one
		if w.holdsAlone(t, data[i], d) {
			return int(i), "whose clean data are the same,"
		}
	}
	may = slices.DeleteFunc(may, func(i uint32) bool {
		return !most(w.equalData(data[i], d.R), len(data[i].some)) || s.State() == ondisk.StateDirty && data[i].dirty == 0 || w.writtenBack(h, i)
	})
	if len(may) != 1 || w.nameless(t) != 1 {
		return -1, ""
	}
	return int(may[0]), "the only one with data that can be its,"
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
		if int(i) < len(t) && v.dirty > 0 && t.State(i) == uuids.Valid && !t[i].FlashOnly() && !w.given(t[i].UUID) {
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
func (w *Work) fitting(t uuids.Table, data map[uint32]*held, s *ondisk.Super, d fsck.Device) []uint32 {
	fits := func(list []uint32) []uint32 {
		return slices.DeleteFunc(list, func(i uint32) bool {
			return data[i].start < superblock.DataOffset(s) || data[i].end.Bytes() > d.Size
		})
	}
	may := fits(w.unnamed(t, data))
	if len(may) > 0 || s.State() != ondisk.StateDirty {
		return may
	}
	for i, v := range data {
		if int(i) < len(t) && (t.State(i) == uuids.Invalid || t[i].UUID.Distance(ondisk.InvalidUUID) <= flippedBits) && !t[i].FlashOnly() && v.dirty > 0 {
			may = append(may, i)
		}
	}
	slices.Sort(may)
	return fits(may)
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
