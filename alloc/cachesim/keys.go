// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import "slices"

// each calls f for every piece of a chunk, where it stands.
func (l *lists) each(w *piece, f func(*piece)) {
	switch {
	case *w == 0:
	case *w&listBit == 0:
		f(w)
	default:
		for i := uint32(*w); i != 0; i = l.nodes[i].next {
			f(&l.nodes[i].piece)
		}
	}
}

// refill is refill_dirty(): it fills the buffer with dirty keys from where the last search stopped, and from the
// beginning up to there.
func (s *Sim) refill(v *volume) {
	w := &v.wb
	w.keys, w.done, w.searched = w.keys[:0], 0, false
	start := w.scanned
	if !s.refillTo(v, never) {
		return
	}
	w.scanned = 0
	w.searched = s.refillTo(v, start)
}

// refillTo is bch_refill_keybuf() up to sector end. It returns whether it got there, rather than having the buffer full.
func (s *Sim) refillTo(v *volume, end uint64) bool {
	w := &v.wb
	for number := w.scanned / pageSize; ; number++ {
		var ok bool
		if number, ok = v.dirtyPages.next(number); !ok || number*pageSize >= end {
			return true
		}
		if !s.dirtyKeys(v, number, w.scanned, end) {
			return false
		}
	}
}

// dirtyKeys adds the dirty keys of a page, those from sector from on and before end. It returns false where the
// buffer is full.
func (s *Sim) dirtyKeys(v *volume, number, from, end uint64) bool {
	w := &v.wb
	p := s.m.find(key(v.number, number))
	some := false
	for i := 0; p != nil && i < pageChunks; i++ {
		base := number*pageSize + uint64(i)*chunkSize
		var found parts
		s.m.lists.each(&p.chunk[i], func(x *piece) {
			if x.dirty() && s.alive(*x) {
				found.add(*x)
			}
		})
		some = some || found.n > 0
		list := found.piece[:found.n]
		slices.SortFunc(list, func(a, b piece) int { return int(a.start()) - int(b.start()) })
		for _, x := range list {
			if sector := base + x.start(); sector >= from && sector < end && !s.addKey(w, sector, x) {
				return false
			}
		}
	}
	if !some {
		v.dirtyPages.clear(number)
	}
	return true
}

// addKey adds a piece to the buffer: to the last key if it continues that.
func (s *Sim) addKey(w *writeback, sector uint64, x piece) bool {
	if n := len(w.keys); n > 0 {
		k := &w.keys[n-1]
		if k.sector+k.n == sector && k.place+k.n == x.sector() && k.place>>s.shift == x.sector()>>s.shift && k.n+x.length() <= mostOfKey {
			k.n += x.length()
			w.scanned = sector + x.length()
			return true
		}
		if n == keybufKeys {
			return false
		}
	}
	w.keys = append(w.keys, dirtyKey{sector, x.length(), x.sector()})
	w.scanned = sector + x.length()
	return true
}
