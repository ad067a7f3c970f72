// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"encoding/binary"
	"sync"

	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// A window is the part of a device of which a small judge looks for sectors that are claimed twice: one walk a part.
type window struct {
	first, n uint64 // blocks
	all      uint64 // of the device
}

// windowWords is how large a part is at least, in words of a bit a block.
const windowWords = 3 << 19

// inWindow reports whether any of n sectors from at on is in the window.
func (j *judge) inWindow(at, n ondisk.Sector) bool {
	first, last := uint64(at/j.c.Geo.BlockSectors), uint64((at+n-1)/j.c.Geo.BlockSectors)
	return last >= j.window.first && first < j.window.first+j.window.n
}

// claim claims blocks of the window.
func (w *window) claim(bits []uint64, first, last uint64) (hit bool) {
	if last < w.first || first >= w.first+w.n {
		return false
	}
	_, hit = claimBits(bits, max(first, w.first)-w.first, min(last, w.first+w.n-1)-w.first)
	return hit
}

// smallKey is key where the table is small: what key checks of the key alone was checked.
func (m *marker) smallKey(high, low, ptr uint64) {
	size, at := high>>20&0xffff, ptr>>8&(1<<43-1)
	b := ondisk.Bucket(at >> m.shift)
	s := &m.c.Buckets.of[b]
	if *s&flagUntold != 0 && m.adopting {
		m.c.Buckets.adoptUnknown(b, uint8(ptr))
	}
	if uint8(*s) != uint8(ptr) || *s&(flagMeta|flagUntold) != 0 || low > uint64(m.end) {
		m.odd(high, low, ptr)
		return
	}
	dirty := high >> 36 & 1
	*s |= flagClean << dirty
	m.vol.Extents++
	m.vol.LiveSectors += ondisk.Sector(size)
	m.vol.DirtySectors += ondisk.Sector(size & -dirty)
	if m.judge.window.claim(m.judge.blocks, at>>m.block, (at+size-1)>>m.block) {
		m.judge.suspect(b)
	}
}

// others claims what lies outside of the first window, with a walk for each.
func (j *judge) others(m *marker) error {
	w := j.window
	if w == nil {
		return nil
	}
	var mu sync.Mutex
	claim := func(_ int, e *Extent) {
		if p := e.Ptr[0]; e.Live && j.inWindow(p.Offset(), e.Size()) {
			j.claim(j.c.Geo.BucketOf(p.Offset()), p.Offset(), e.Size())
		}
	}
	for w.first += w.n; w.first < w.all; w.first += w.n {
		clear(j.blocks)
		err := j.c.parallel("extents", len(j.c.Tree.leaves), func() func(int) {
			rd := btree.NewReader(j.c.r, &j.c.Geo, func(finding.Finding) {}) // the first walk reported
			slow := j.c.leafReader()
			return func(i int) {
				runs := m.plain(rd.Read(j.c.Tree.leaves[i].key(), 0))
				if runs == nil {
					l := slow.read(i)
					mu.Lock()
					defer mu.Unlock()
					j.c.visit(0, l, false, claim)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				for _, keys := range runs {
					m.claims(keys, claim)
				}
			}
		})
		if err != nil {
			return err
		}
		j.c.visit(0, &leaf{keys: j.c.keys.keys, left: j.c.keys.pieces}, true, claim)
	}
	return nil
}

// claims hands those plain keys to claim that may lead into the window.
func (m *marker) claims(keys []byte, claim func(int, *Extent)) {
	w := m.judge.window
	from, to := w.first<<m.block, (w.first+w.n)<<m.block // sectors
	for ; len(keys) >= btree.PlainKey; keys = keys[btree.PlainKey:] {
		ptr := binary.LittleEndian.Uint64(keys[16:])
		at := ptr >> 8 & (1<<43 - 1)
		high := binary.LittleEndian.Uint64(keys)
		size := high >> 20 & 0xffff
		if at >= to || at+size <= from {
			continue
		}
		if b := at >> m.shift; ptr>>51&0xfff == m.dev && b-m.first < m.count && at&(m.bucket-1)+size <= m.bucket && uint8(m.c.Buckets.of[b]) == uint8(ptr) {
			if w.claim(m.judge.blocks, at>>m.block, (at+size-1)>>m.block) {
				m.judge.suspect(ondisk.Bucket(b))
			}
			continue
		}
		e := Extent{Bkey: ondisk.Bkey{High: high, Low: binary.LittleEndian.Uint64(keys[8:])}}
		e.Ptr[0] = ondisk.Ptr(ptr)
		m.c.judgeLive(&e)
		claim(0, &e)
	}
}
