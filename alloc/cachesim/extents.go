package cachesim

import "math/bits"

// The extent map: where on the cache each sector of each volume is. It is a hash table of pages. A page is 64 sectors
// of a volume in 8 chunks of 8 sectors, one word each, so that the 4 KiB that most requests ask for are one lookup and
// one cache line:
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
	pageShift  = 6
	pageSize   = 1 << pageShift // sectors

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

type page [pageSize / chunkSize]piece

// extents is the table. Keys are a volume and a page number, never 0.
type extents struct {
	keys  []uint64
	pages []page
	used  int
	shift uint
	lists lists
}

const firstPages = 1 << 10

func newExtents() extents {
	m := extents{}
	m.size(firstPages)
	return m
}

// size makes an empty table of n slots, a power of two.
func (m *extents) size(n int) {
	m.keys, m.pages, m.used = make([]uint64, n), make([]page, n), 0
	m.shift = uint(64 - bits.Len(uint(n-1)))
}

// key tells pages apart: 20 bits of volume above 44 of page.
func key(volume uint32, page uint64) uint64 { return uint64(volume+1)<<44 | page }

// slot is where k is, or where it would be.
func (m *extents) slot(k uint64) int {
	mask := len(m.keys) - 1
	i := int(k * 0x9e3779b97f4a7c15 >> m.shift)
	for m.keys[i] != k && m.keys[i] != 0 {
		i = (i + 1) & mask
	}
	return i
}

// find is k's page, or nil.
func (m *extents) find(k uint64) *page {
	i := m.slot(k)
	if m.keys[i] == 0 {
		return nil
	}
	return &m.pages[i]
}

// full says whether the table has to be swept before a page is added.
func (m *extents) full() bool { return m.used >= len(m.keys)/8*5 }

// add is k's page, a new one if there is none. The table is not full.
func (m *extents) add(k uint64) *page {
	i := m.slot(k)
	if m.keys[i] == 0 {
		m.keys[i] = k
		m.used++
	}
	return &m.pages[i]
}

// sweep makes the table anew from the pages that alive leaves something of, with room for as many more.
func (m *extents) sweep(alive func(*page) bool) {
	n := 0
	for i := range m.keys {
		if m.keys[i] == 0 {
			continue
		}
		if !alive(&m.pages[i]) {
			m.keys[i] = 0
			continue
		}
		n++
	}
	size := firstPages
	for size*5/16 <= n {
		size *= 2
	}
	keys, pages := m.keys, m.pages
	m.size(size)
	for i, k := range keys {
		if k != 0 {
			*m.add(k) = pages[i]
		}
	}
}
