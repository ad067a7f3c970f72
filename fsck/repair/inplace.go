// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"bytes"
	"slices"

	"bctl/fsck"
	"bctl/internal/bcache/journal"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/superblock"
)

// slotsInPlace corrects the uuid slots where they stand, if nothing else is damaged, left out or not, and none of them
// moves: where no bucket is free there is no other place for them. Slots are whole within a sector and need none of the
// others, so what is cut short leaves each as it was, or right. It reports whether anything is to be written. Errors: the
// context's, the device's.
func (w *Work) slotsInPlace(s *ondisk.Super, g *superblock.Geometry, rep *fsck.Report) (bool, error) {
	other := slices.ContainsFunc(w.all, func(f finding.Finding) bool {
		family := f.Code.Family()
		return f.Severity == finding.Damage && (family != "UU" || f.Code == finding.UUPointer) && family != "SB" && family != "BD"
	})
	if other || w.whole != nil || w.o.Rewind != 0 {
		return false, nil
	}
	b, err := w.start(s, g, rep)
	if err != nil {
		return false, err
	}
	newest := w.c.Journal.Newest
	if newest.Version == 0 || journal.UUIDFault(g, &newest.UUIDBucket.Bkey) != "" {
		return false, nil
	}
	tx, err := w.begin(w.c)
	if err != nil {
		return false, err
	}
	h, err := w.gather(w.c, tx, b)
	if err != nil {
		return false, err
	}
	slots, err := w.newSlots(h, b)
	if err != nil || slots == nil || w.moved {
		return false, err
	}
	data, err := slots.Encode(g)
	if err != nil {
		return false, err
	}
	at := newest.UUIDBucket.Ptr[0].Offset().Bytes()
	if is, err := readAll(w.dev.R, at, len(data)); err == nil && bytes.Equal(is, data) {
		return false, nil
	}
	w.saw("uuid slots: corrected where they stand, for no bucket is free")
	w.patch(0, at, data, "uuid slots")
	w.inPlace = true
	return true, nil
}
