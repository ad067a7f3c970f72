// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"bytes"
	"errors"
	"io"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
)

// flippedBits is how many bits of a uuid may be damaged for it to be known still: two random ones differ in 64.
const flippedBits = 8

// slotOf finds the slot of a backing device that none names, and what speaks for it; -1 where nothing does.
func (w *Work) slotOf(t uuids.Table, data map[uint32]*held, s *ondisk.Super, r io.ReaderAt) (slot int, why string) {
	for i := range t {
		if !t[i].UUID.IsZero() && t[i].UUID.Distance(s.UUID) <= flippedBits {
			return i, "its uuid but for a few bits"
		}
	}
	slot = -1
	for i, v := range data {
		if int(i) >= len(t) || t.State(i) == uuids.Valid {
			continue
		}
		if equal := w.equalData(v, r); equal > 0 && equal == len(v.some) {
			if slot >= 0 {
				return -1, ""
			}
			slot, why = int(i), "whose clean data are the same,"
		}
	}
	if slot < 0 {
		return w.onlySlot(t, data, len(w.backing))
	}
	return slot, why
}

// onlySlot is the one inode with data that no slot names, if there is one and one device.
func (w *Work) onlySlot(t uuids.Table, data map[uint32]*held, devices int) (int, string) {
	slot := -1
	for i := range data {
		if int(i) >= len(t) || t.State(i) == uuids.Valid {
			continue
		}
		if slot >= 0 {
			return -1, ""
		}
		slot = int(i)
	}
	if devices != 1 || slot < 0 {
		return -1, ""
	}
	return slot, "the only one with data and no name,"
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
