// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"encoding/binary"
	"maps"
	"slices"

	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/journal"
	"bctl/internal/bcache/ondisk"
)

// damagedEntries takes the keys of live journal entries that could neither be read nor corrected, where it is proven which of
// them are good: all that is wrong is one run of bytes, or in the header. What the run had is lost, and may have replaced
// anything; that is said of the whole entry, as of one that is gone. Errors: the context's.
func (h *harvest) damagedEntries() error {
	newest, live := h.c.Journal.Newest, map[uint64][]inspect.Range{} // what entries say
	for j := range h.c.Entries() {                                   //nolint:errcheck // what could be read of an entry is what is replayed
		if j != nil {
			live[j.Seq] = append([]inspect.Range{}, rangesIn(j)...)
		}
	}
	found := map[uint64][]stand{}
	for _, at := range journal.Broken(h.w.dev.R, &h.c.Geo) {
		raw := h.readable(at.Sector.Bytes(), int(at.Bytes))
		seq := ondisk.JsetNumbers(raw).Seq
		if size := ondisk.JsetSize(raw); seq < newest.LastSeq || seq >= newest.Seq || live[seq] != nil || size > int64(len(raw)) {
			continue
		} else if keys := h.goodKeys(raw[:size]); len(keys) > 0 {
			if _, twice := found[seq]; twice { // of which of them it was nobody knows
				keys = nil
			}
			found[seq] = keys
		}
		if err := h.w.ctx.Err(); err != nil {
			return err
		}
	}
	for _, seq := range slices.Sorted(maps.Keys(found)) {
		h.takeEntry(seq, found[seq], live)
		told := []inspect.Range{}
		for i := range found[seq] {
			k := &found[seq][i].k
			told = append(told, inspect.Of(k.Inode(), k.Start(), k.Offset()))
		}
		live[seq] = told
	}
	return nil
}

// takeEntry takes the keys of one, but for what the entries behind it say.
func (h *harvest) takeEntry(seq uint64, keys []stand, live map[uint64][]inspect.Range) {
	if len(keys) == 0 {
		return
	}
	var later []inspect.Range
	for s, rs := range live {
		if s > seq {
			later = append(later, rs...)
		}
	}
	var all []btree.Piece
	for i := range keys {
		k := keys[i].k
		if !k.Dirty() { // a bit of it may be wrong, and the backing device has the same
			k.SetPtrs(0)
		}
		all = append(all, h.pieceOf(&k)...)
	}
	free := minus([]inspect.Range{inspect.Everything}, joined(later))
	var mine []btree.Piece
	for _, p := range btree.Resolve(all) {
		mine = append(mine, within(p, free)...)
	}
	h.late = btree.Overlay(nil, mine, h.late)
	h.w.saw("journal entry %d is damaged: %s of it", seq, plural(len(keys), "key is taken", "keys are taken"))
}

// goodKeys are the keys of a damaged entry; none where nothing tells which of them are damaged, or part of it is of elsewhere.
func (h *harvest) goodKeys(b []byte) []stand {
	if len(b) < ondisk.JsetBytes || h.foreign(b) {
		return nil
	}
	keys := stands(b, ondisk.JsetBytes, false, func(k *ondisk.Bkey) bool { return k.Size() > 0 && mayHold(h.c, k, 0) })
	runs, missing, at := 0, 0, ondisk.JsetBytes
	for i := range keys {
		if keys[i].from != at {
			runs++
		}
		missing += keys[i].from - at
		at = keys[i].to
	}
	if missing += len(b) - at; at < len(b) {
		runs++
	}
	head := append([]byte(nil), b[:ondisk.JsetBytes]...)
	binary.LittleEndian.PutUint32(head[28:], 0)
	ondisk.PutJsetMagic(head, h.c.Geo.SetMagic)
	binary.LittleEndian.PutUint64(head, ondisk.Crc64(head[8:]))
	if right := mayStand(h.c, head); right && (runs != 1 || missing < leastRun) || !right && runs > 0 {
		return nil
	}
	return keys
}

// foreign reports whether another structure of the set begins inside of an entry.
func (h *harvest) foreign(b []byte) bool {
	for at := ondisk.SectorBytes; at+ondisk.BsetBytes <= len(b); at += 8 {
		if heads(b[at:], h.c.Geo.SetMagic) {
			return true
		}
	}
	return false
}
