// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"slices"
	"sync"

	"bctl/internal/bcache/journal"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/finding"
	"bctl/superblock"
)

// bestSlots takes each slot by itself: from the newest bucket where it stands, else from an older copy. The bucket has
// no checksum, so what is wrong with one slot says nothing of its neighbours; and the kernel never empties a slot, so
// one that was in use in an older copy was in use. old are those that an older copy tells: a volume may have been
// detached since.
func (w *Work) bestSlots(h *harvest, b *base, data map[uint32]*held) (t uuids.Table, old map[int]bool) {
	g := &h.c.Geo
	t, old = make(uuids.Table, g.NrUUIDs()), map[int]bool{}
	copies, current := []uuids.Table{}, false
	other := sync.OnceValue(func() uuids.Table { return w.oldSlots(h) }) // it looks at every free bucket
	if _, ok := plausible(h.c.UUIDs); ok && b.uuids {
		copies = append(copies, h.c.UUIDs)
	}
	if j, _ := b.log.Read(b.last); j != nil && journal.UUIDFault(g, &j.UUIDBucket.Bkey) == "" {
		if newest, err := uuids.Read(w.dev.R, g, j.UUIDBucket.Ptr[0].Offset(), j.Version); err == nil {
			current = true
			copy(t, newest)
		}
	} else if b.uuids {
		copy(t, h.c.UUIDs)
	}
	if b.stray { // an older entry's bucket: the newest may stand somewhere, though nothing leads there any more
		if newer(other(), t) {
			current = false
			copy(t, other())
		}
	}
	for i := range t {
		old[i] = !current && t[i] != (ondisk.UUIDEntry{})
	}
	elsewhere := slices.ContainsFunc(w.seen, func(f finding.Finding) bool { return f.Code == finding.UUPointer })
	garbage := func(u *ondisk.UUIDEntry) bool { // what stands in another structure's bucket looks like slots here and there
		return uuids.Garbage(u) || heads(u.UUID[:], g.SetMagic) || elsewhere && *u != (ondisk.UUIDEntry{}) && !sane(u)
	}
	wanting := !b.uuids
	for i := range t {
		wanting = wanting || garbage(&t[i]) || t[i].UUID.IsZero() && data[uint32(i)] != nil
	}
	if !wanting {
		return t, old
	}
	if other() != nil {
		copies = append(copies, other())
	}
	for i := range t {
		if !garbage(&t[i]) && t[i] != (ondisk.UUIDEntry{}) {
			continue
		}
		if t[i] != (ondisk.UUIDEntry{}) {
			if w.nearlyOf(t, i, h.c.Super.SetUUID) {
				continue
			}
			w.saw("uuid slot %d: garbage", i)
			t[i] = ondisk.UUIDEntry{}
		}
		for _, c := range copies {
			if i < len(c) && uuids.StateOf(&c[i]) == uuids.Valid && !uuids.Garbage(&c[i]) && !has(t, c[i].UUID) {
				t[i], old[i] = c[i], true
				w.saw("uuid slot %d: %v, from an older copy", i, t[i].UUID)
				break
			}
		}
	}
	return t, old
}

// heads reports whether another structure of the set begins at the start of b, of at least 16 bytes.
func heads(b []byte, setMagic uint64) bool {
	var head [ondisk.JsetBytes]byte
	copy(head[:16], b)
	h, err := ondisk.DecodeBsetHeader(head[:])
	return err == nil && h.HasMagic(setMagic) || ondisk.PrioSetHasMagic(head[:], setMagic) || ondisk.JsetHasMagic(head[:], setMagic)
}

// nearlyOf makes a slot that is garbage but for its uuid, of which a few bits may be wrong too, that of the given device
// which has it, if there is one and no other slot names it.
func (w *Work) nearlyOf(t uuids.Table, i int, set ondisk.UUID) bool {
	for _, d := range w.backing {
		s, err := superblock.Read(d.R)
		if err != nil || !s.IsBacking() || s.SetUUID != set || s.State() != ondisk.StateClean && s.State() != ondisk.StateDirty ||
			t[i].UUID.Distance(s.UUID) > flippedBits || slices.ContainsFunc(t, func(u ondisk.UUIDEntry) bool { return u.UUID == s.UUID && u != t[i] }) {
			continue
		}
		t[i] = ondisk.UUIDEntry{UUID: s.UUID, Label: s.Label, FirstReg: max(s.LastMount, 1), LastReg: max(s.LastMount, 1)}
		w.saw("uuid slot %d: garbage, but for its uuid: it is %s", i, d.Name)
		return true
	}
	return false
}

// newer reports whether a table was written after another: the kernel notes the time of what it changes, and empties no
// slot.
func newer(t, than uuids.Table) bool {
	a, ok := plausible(t)
	b, _ := plausible(than)
	return ok && (a > b || a == b && inUse(t) > inUse(than))
}

func inUse(t uuids.Table) (n int) {
	for i := range t {
		if t[i] != (ondisk.UUIDEntry{}) {
			n++
		}
	}
	return n
}

// pageSlots is how many slots are written, or go astray, as one. Fewer that are empty, before others, were wiped.
const pageSlots = 4096 / ondisk.UUIDEntryBytes

// moveBack puts slots where they were, of a page that was written to the wrong place: the kernel fills the first empty
// slot, so none is used behind an empty one, but where somebody purged that. Data of inodes without a slot tell of it,
// where those that have one now have none.
func (w *Work) moveBack(t uuids.Table, data map[uint32]*held) {
	used := func(u ondisk.UUIDEntry) bool { return u != ondisk.UUIDEntry{} }
	hole := slices.IndexFunc(t, func(u ondisk.UUIDEntry) bool { return !used(u) })
	if hole < 0 || hole%pageSlots != 0 {
		return
	}
	from := slices.IndexFunc(t[hole:], used)
	if from < 0 || from%pageSlots != 0 {
		return
	}
	from += hole
	n := slices.IndexFunc(t[from:], func(u ondisk.UUIDEntry) bool { return !used(u) })
	if n < 0 {
		n = len(t) - from
	}
	astray := false
	for i := range uint32(n) {
		if data[uint32(from)+i] != nil || !sane(&t[from+int(i)]) {
			return
		}
		astray = astray || data[uint32(hole)+i] != nil
	}
	if n = min(n, from-hole); !astray {
		return
	}
	copy(t[hole:], t[from:from+n])
	clear(t[from : from+n])
	w.renamed, w.moved = true, true // -p leaves it
	w.saw("uuid slots %d to %d: they stood %d too far behind", hole, hole+n-1, from-hole)
}

// outdated invalidates slots that an older copy tells of a given backing device, where its data say otherwise. A device
// that is attached again takes a new slot, behind the old one.
func (w *Work) outdated(t uuids.Table, old map[int]bool, data map[uint32]*held) {
	for _, d := range w.backing {
		s, err := superblock.Read(d.R)
		if err != nil || !s.IsBacking() {
			continue
		}
		i, ok := t.Find(s.UUID)
		if !ok || !old[int(i)] {
			continue
		}
		again := slices.ContainsFunc(w.unnamed(t, data), func(j uint32) bool { return j > i && w.holds(data[j], d.R) })
		v := data[i]
		differs := v != nil && v.dirty == 0 && w.equalData(v, d.R) < len(v.some)
		if again || differs {
			w.saw("uuid slot %d: %s was detached since", i, d.Name)
			t[i].UUID, t[i].Invalidated = ondisk.InvalidUUID, max(t[i].LastReg, 1)
		}
	}
}

// unnamed are the inodes that have data and no name, in order.
func (w *Work) unnamed(t uuids.Table, data map[uint32]*held) (out []uint32) {
	for i := range data {
		if int(i) < len(t) && t[i].UUID.IsZero() {
			out = append(out, i)
		}
	}
	slices.Sort(out)
	return out
}

func has(t uuids.Table, u ondisk.UUID) bool {
	return slices.ContainsFunc(t, func(e ondisk.UUIDEntry) bool { return e.UUID == u })
}
