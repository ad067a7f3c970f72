// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"math"
	"math/bits"

	"bctl/internal/hugepages"
)

// The extent map: where on the cache each sector of each volume is. It is a hash table of pages. A page is 2 chunks of
// a volume, of 8 sectors and one word each: with its key it fills half a cache line. Blocks that are asked for lie
// scattered, mostly, and more chunks would be so much more memory to wait for.
//
//	 63     62      46..61  42..45   39..41   0..38
//	+------+-------+-------+--------+--------+------------------+
//	| list | dirty |  era  | length | start  | sector of cache  |   a piece: where length sectors of the chunk are
//	+------+-------+-------+--------+--------+------------------+
//	|  1   |                                  first on the list |   pieces in lists.go, where a chunk has several
//	+------+----------------------------------------------------+
//
// Nothing is taken out when a bucket is invalidated. Its era goes up, and a piece of another era is stale, as a
// pointer of an older gen is in the kernel. Pages without live pieces go when the table is full.
const (
	chunkShift = 3
	chunkSize  = 1 << chunkShift // sectors
	pageChunks = 2
	pageSize   = pageChunks * chunkSize // sectors

	sectorBits  = 39
	sectorMask  = 1<<sectorBits - 1
	startShift  = sectorBits
	lengthShift = startShift + 3
	eraShift    = lengthShift + 4
	dirtyBit    = 1 << 62
	listBit     = 1 << 63

	shapeMask = 1<<63 | 0x7f<<startShift
	wholeBits = chunkSize << lengthShift // the shape of a piece that is all of its chunk
)

// A piece is a word of a page that is no list; 0 is none.
type piece uint64

func newPiece(start, length, sector uint64, era uint16, dirty bool) piece {
	p := piece(sector | start<<startShift | length<<lengthShift | uint64(era)<<eraShift)
	if dirty {
		p |= dirtyBit
	}
	return p
}

func (p piece) sector() uint64 { return uint64(p) & sectorMask }
func (p piece) start() uint64  { return uint64(p) >> startShift & 7 }
func (p piece) length() uint64 { return uint64(p) >> lengthShift & 15 }
func (p piece) era() uint16    { return uint16(p >> eraShift) }
func (p piece) dirty() bool    { return p&dirtyBit != 0 }

// cut is the part of p from sector a to b of the chunk.
func (p piece) cut(a, b uint64) piece {
	return newPiece(a, b-a, p.sector()+a-p.start(), p.era(), p.dirty())
}

// A pageKey tells pages apart: the volume, plus 1, and the number of the page in it. The zero value is no page.
type pageKey struct {
	number uint64
	volume uint32
}

func key(volume uint32, number uint64) pageKey { return pageKey{number, volume + 1} }

// A page is a slot of the table. Its key is that of none in an empty slot.
type page struct {
	key   pageKey
	chunk [pageChunks]piece
}

func (p *page) empty() bool { return p.key.volume == 0 }

// gonePage is the key of a page that sweep takes out.
var gonePage = pageKey{math.MaxUint64, math.MaxUint32}

// extents is the table.
type extents struct {
	pages []page
	used  int
	shift uint // of hashes to a quarter of the slots
	lists lists
	eras  eras
}

// eras is how often each bucket was invalidated.
type eras struct {
	of    []uint16
	shift uint // of sectors to buckets
}

// alive reports whether nothing has invalidated the bucket since p was written.
func (e *eras) alive(p piece) bool { return e.of[p.sector()>>e.shift] == p.era() }

// stale reports whether a page leads to nothing. One with a list may.
func (e *eras) stale(p *page) bool {
	for _, w := range p.chunk {
		if w != 0 && (w&listBit != 0 || e.alive(w)) {
			return false
		}
	}
	return true
}

const firstPages = 1 << 10

func newExtents() extents {
	m := extents{}
	m.size(firstPages)
	return m
}

// size makes an empty table of n slots, a power of two.
func (m *extents) size(n int) {
	m.pages, m.used = hugepages.Make[page](uint64(n)), 0
	m.shift = uint(64 - bits.Len(uint(n/4-1)))
}

// pageOf is the page that a sector is in, and the sector behind it.
func pageOf(sector uint64) (number, end uint64) {
	number = sector / pageSize
	return number, (number + 1) * pageSize
}

// chunkOf is a sector's chunk within its page.
func chunkOf(sector uint64) uint64 { return sector >> chunkShift % pageChunks }

// home is the slot where the search for k begins. Four pages in a row have homes in a row, which memory likes.
func (m *extents) home(k pageKey) int {
	return int((k.number>>2^uint64(k.volume)<<46)*0x9e3779b97f4a7c15>>m.shift<<2 | k.number&3)
}

// slot is where k is, or where it would be.
func (m *extents) slot(k pageKey) *page {
	mask := len(m.pages) - 1
	for i := m.home(k); ; i++ {
		if p := &m.pages[i&mask]; p.key == k || p.empty() {
			return p
		}
	}
}

// find is k's page, or nil.
func (m *extents) find(k pageKey) *page {
	if p := m.slot(k); !p.empty() {
		return p
	}
	return nil
}

// full says whether the table has to be swept before a page is added.
func (m *extents) full() bool { return m.used >= len(m.pages)/8*5 }

// add is k's page, a new one if there is none: the first on the way to it that leads to nothing is taken for it. The table
// is not full.
func (m *extents) add(k pageKey) *page {
	mask := len(m.pages) - 1
	var free *page
	for i := m.home(k); ; i++ {
		p := &m.pages[i&mask]
		switch {
		case p.key == k:
			return p
		case p.empty():
			if free == nil {
				free = p
				m.used++
			}
			*free = page{key: k}
			return free
		case free == nil && m.eras.stale(p):
			free = p
		}
	}
}

// sweep takes the pages out that alive leaves nothing of. Where there is not room for as many more, the table grows.
func (m *extents) sweep(alive func(*page) bool) {
	n := 0
	for i := range m.pages {
		switch p := &m.pages[i]; {
		case p.empty():
		case alive(p):
			n++
		default:
			p.key = gonePage
		}
	}
	size := len(m.pages)
	for size/16*5 <= n {
		size *= 2
	}
	old := m.pages
	if size == len(old) {
		m.close(n)
		return
	}
	m.size(size)
	for i := range old {
		if p := &old[i]; !p.empty() && p.key != gonePage {
			*m.slot(p.key) = *p
			m.used++
		}
	}
}

// close closes the gaps that gone pages leave: every page stands where a search for it gets to. n are left. Slots are
// gone through from an empty one on, so that nothing before the one at hand is still to go.
func (m *extents) close(n int) {
	mask, first := len(m.pages)-1, 0
	for !m.pages[first].empty() {
		first++
	}
	moved := false // something in this row of pages has gone
	for i := first + 1; i <= first+mask; i++ {
		p := &m.pages[i&mask]
		switch {
		case p.empty():
			moved = false
		case p.key == gonePage:
			*p = page{}
			moved = true
		case moved:
			at := *p
			*p = page{}
			*m.slot(at.key) = at
		}
	}
	m.used = n
}
