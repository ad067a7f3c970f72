// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"slices"

	"bctl/internal/bcache/journal"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/superblock"
)

// bestSlots takes each slot by itself: from the newest bucket where it stands, else from an older copy. The bucket has
// no checksum, so what is wrong with one slot says nothing of its neighbours; and the kernel never empties a slot, so
// one that was in use in an older copy was in use.
func (w *Work) bestSlots(h *harvest, b *base, data map[uint32]*held) uuids.Table {
	g := &h.c.Geo
	t := make(uuids.Table, g.NrUUIDs())
	copies := []uuids.Table{}
	if _, ok := plausible(h.c.UUIDs); ok && b.uuids {
		copies = append(copies, h.c.UUIDs)
	}
	if j, _ := b.log.Read(b.last); j != nil && journal.UUIDFault(g, &j.UUIDBucket.Bkey) == "" {
		if newest, err := uuids.Read(w.dev.R, g, j.UUIDBucket.Ptr[0].Offset(), j.Version); err == nil {
			copy(t, newest)
		}
	} else if b.uuids {
		copy(t, h.c.UUIDs)
	}
	wanting := !b.uuids
	for i := range t {
		wanting = wanting || isGarbage(&t[i]) || t[i].UUID.IsZero() && data[uint32(i)] != nil
	}
	if !wanting {
		return t
	}
	if old := w.oldSlots(h); old != nil {
		copies = append(copies, old)
	}
	for i := range t {
		if !isGarbage(&t[i]) && t[i] != (ondisk.UUIDEntry{}) {
			continue
		}
		if t[i] != (ondisk.UUIDEntry{}) {
			w.saw("uuid slot %d: garbage", i)
			t[i] = ondisk.UUIDEntry{}
		}
		for _, c := range copies {
			if i < len(c) && uuids.StateOf(&c[i]) == uuids.Valid && !isGarbage(&c[i]) && !has(t, c[i].UUID) {
				t[i] = c[i]
				w.saw("uuid slot %d: %v, from an older copy", i, t[i].UUID)
				break
			}
		}
	}
	return t
}

func has(t uuids.Table, u ondisk.UUID) bool {
	return slices.ContainsFunc(t, func(e ondisk.UUIDEntry) bool { return e.UUID == u })
}

// isGarbage reports whether a slot holds what nobody wrote as one: more than a flipped bit or two in the bytes that are
// always zero, and no text for a label.
func isGarbage(u *ondisk.UUIDEntry) bool {
	odd := 0
	for _, b := range u.Pad {
		if b != 0 {
			odd++
		}
	}
	return odd > 2 || u.Flags&^1 != 0 && !superblock.PrintableLabel(u.Label)
}
