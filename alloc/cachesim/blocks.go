// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"math/bits"

	"bctl/alloc/blktrace"
)

// All caches that replay a sample are given the same pieces, so who cuts them numbers the blocks, once for all: a cache
// has a word for each number where it would have a table of its own to search.

// A numbering is the blocks of a sample, in the order in which they appear.
type numbering struct {
	slots  []numbered // open addressing; a power of two
	shift  uint       // of hashes
	blocks []blockID  // by number
	room   []uint32   // for the numbers of pieces to come
}

type numbered struct {
	hash   uint64 // which no two blocks share, but by the rarest chance; 0: nothing
	number uint32
}

const (
	firstNumbers = 1 << 10
	numberRoom   = 1 << 13
)

func newNumbering() *numbering {
	m := &numbering{}
	m.size(firstNumbers)
	return m
}

// size makes an empty table.
func (m *numbering) size(n int) {
	m.slots, m.shift = make([]numbered, n), uint(64-bits.Len(uint(n-1)))
}

// slot is where a hash is, or would be.
func (m *numbering) slot(hash uint64) *numbered {
	mask := uint64(len(m.slots) - 1)
	for i := hash >> m.shift; ; i++ {
		if e := &m.slots[i&mask]; e.hash == hash || e.hash == 0 {
			return e
		}
	}
}

// number is a block's, and is added to the piece at hand.
func (m *numbering) number(id blockID) {
	hash := max(mix(id.number^bits.RotateLeft64(uint64(id.volume+1), 47)), 1)
	e := m.slot(hash)
	if e.hash == 0 {
		if len(m.blocks) >= len(m.slots)/2 {
			m.grow()
			e = m.slot(hash)
		}
		*e = numbered{hash, uint32(len(m.blocks))}
		m.blocks = append(m.blocks, id)
	}
	m.room = append(m.room, e.number)
}

func (m *numbering) grow() {
	old := m.slots
	m.size(2 * len(old))
	for _, e := range old {
		if e.hash != 0 {
			*m.slot(e.hash) = e
		}
	}
}

// begin makes room for the numbers of a piece of so many blocks.
func (m *numbering) begin(n int) {
	if cap(m.room)-len(m.room) < n {
		m.room = make([]uint32, 0, max(n, numberRoom))
	}
}

// within are the numbers of all blocks that lie in a run of sectors, what a large trim drops.
func (m *numbering) within(volume uint32, sector, end uint64) []uint32 {
	list := []uint32{} // a cache that goes by numbers is to see that there are none
	for i, b := range m.blocks {
		if b.volume == volume && b.number*sampleBlock >= sector && (b.number+1)*sampleBlock <= end {
			list = append(list, uint32(i))
		}
	}
	return list
}

// know gives s the blocks of a piece.
func (s *Sim) know(p *Piece) {
	s.blocks, s.firstBlock = p.blocks, p.Sector/sampleBlock
	for _, b := range s.blocks {
		if int(b) >= len(s.words) {
			s.words = append(s.words, make([]piece, max(int(b)+1-len(s.words), len(s.words)/2))...)
		}
	}
}

// fetchPieces has what s has of pieces fetched, while those before them are served.
func (s *Sim) fetchPieces(pieces []Piece) {
	var words [fetchPieces]uint32
	n := 0
	for i := range pieces {
		p := &pieces[i]
		if len(p.blocks) == 0 {
			r := [1]blktrace.Request{p.Request}
			s.fetch(r[:])
		} else if b := p.blocks[0]; int(b) < len(s.words) {
			words[n] = b
			n++
		}
	}
	prefetch(s.words, words[:n])
}

// word is what s has of the block that a sector of the piece at hand is in.
func (s *Sim) word(sector uint64) *piece { return &s.words[s.blocks[sector/sampleBlock-s.firstBlock]] }

// lookupBlocks is lookup of the piece at hand.
func (s *Sim) lookupBlocks(at, end uint64) (missing uint64, first gap) {
	var m missed
	for at < end {
		base := at &^ (chunkSize - 1)
		to := min(end, base+chunkSize)
		w := *s.word(at)
		if bucket := w.sector() >> s.shift; w&shapeMask == wholeBits && s.era[bucket] == w.era() {
			s.c.Touch(int(bucket))
		} else {
			s.lookupParts(w, base, at, to, &m)
		}
		at = to
	}
	return m.sectors, m.first
}

// putBlocks is put of a run of sectors of the piece at hand.
func (s *Sim) putBlocks(at, n, place uint64, dirty bool) (covered uint64) {
	era := s.era[place>>s.shift]
	for end := at + n; at < end; {
		a := at & (chunkSize - 1)
		b := min(chunkSize, a+end-at)
		covered += s.putWord(s.word(at), a, b, newPiece(a, b-a, place, era, dirty))
		place += b - a
		at += b - a
	}
	return covered
}

// dropBlocks is drop of a run of sectors of the piece at hand.
func (s *Sim) dropBlocks(at, n uint64) (covered uint64) {
	for end := at + n; at < end; {
		a := at & (chunkSize - 1)
		b := min(chunkSize, a+end-at)
		covered += s.dropWord(s.word(at), a, b)
		at += b - a
	}
	return covered
}

// trim is drop of what a trim is of.
func (s *Sim) trim(volume uint32, sector, n uint64) {
	if s.blocks == nil || n < wholeTrim {
		s.drop(volume, sector, n)
		return
	}
	for _, b := range s.blocks {
		s.dropWord(&s.words[b], 0, chunkSize)
	}
}

// sweepBlocks throws stale pieces away.
func (s *Sim) sweepBlocks() {
	for i := range s.words {
		s.keepAlive(&s.words[i])
	}
}
