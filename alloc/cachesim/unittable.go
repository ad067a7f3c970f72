// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"math/bits"

	"bctl/internal/hugepages"
)

// unitTable is where units lie on the cache: a hash table of 16 bytes for one unit, or for both of a pair that lie in a
// row there. What is looked for is in a group of four slots, a cache line, or, if all of these hold something, in one of the
// groups behind it, up to the first with an empty slot.
type unitTable struct {
	slots []unitSlot
	used  int  // slots that are not empty
	shift uint // of hashes to groups
	eras  eras
	most  int // slots that what fits into the cache needs

	absent uint64 // a pair of which nothing is in the table, as find saw last, and put has not changed; 0: none
}

// A unitSlot is one unit of a pair, or both. The piece's start says which: a bit each, in order.
type unitSlot struct {
	key uint64 // 0: empty
	at  piece
}

const (
	groupSlots = 4
	firstUnits = 1 << 10 // slots

	firstUnit, secondUnit, bothUnits = 1, 2, 3

	goneUnit = 1 << eraShift // in the superblock's bucket, of an era that that never gets to: always stale
)

// unitKey is a pair's: 43 bits tell it, and 20 the volume.
func unitKey(volume uint32, pair uint64) uint64 { return pair<<20 + uint64(volume) + 1 }

// pairOf is what a slot's key was made of. An empty one's is no volume's.
func pairOf(key uint64) (volume uint32, pair uint64) {
	return uint32((key - 1) & (1<<20 - 1)), (key - 1) >> 20
}

// which units of the pair a slot's piece is.
func (p piece) which() uint64 { return p.start() }

// unit is where one unit of a slot is.
func (p piece) unit(which uint64) uint64 {
	if which == secondUnit && p.which() == bothUnits {
		return p.sector() + unitSize
	}
	return p.sector()
}

func newUnitTable() unitTable {
	m := unitTable{}
	m.size(firstUnits)
	return m
}

// size makes an empty table of n slots, a power of two.
func (m *unitTable) size(n int) {
	m.slots, m.used = hugepages.Make[unitSlot](uint64(n)), 0
	m.shift = uint(64 - bits.Len(uint(n/groupSlots-1)))
}

// home is the first slot of the group where the search for a key begins. Two pairs in a row begin in the same.
func (m *unitTable) home(key uint64) int {
	return int(((key-1)>>21^(key-1)<<44)*0x9e3779b97f4a7c15>>m.shift) * groupSlots
}

type unitGroup [groupSlots]unitSlot

// group is the group that begins at slot i, of all that there would be if the table had no end.
func (m *unitTable) group(i int) *unitGroup {
	return (*unitGroup)(m.slots[i&(len(m.slots)-1):])
}

// find is where the two units of a pair are. 0: it is not there.
func (m *unitTable) find(key uint64) (first, second piece) {
	for i := m.home(key); ; i += groupSlots {
		g := m.group(i)
		for some := g.having(key); some != 0; some &= some - 1 {
			at := g[bits.TrailingZeros8(some)%groupSlots].at
			switch {
			case !m.eras.alive(at):
			case at.which() == bothUnits:
				return at, at
			case at.which() == firstUnit:
				first = at
			default:
				second = at
			}
		}
		if g[groupSlots-1].key == 0 {
			if first|second == 0 {
				m.absent = key
			}
			return first, second
		}
	}
}

// having is the slots with a key, a bit each: without branches, which would go this way and that.
func (g *unitGroup) having(key uint64) (some uint8) {
	var a, b, c, d uint8
	if g[0].key == key {
		a = 1
	}
	if g[1].key == key {
		b = 2
	}
	if g[2].key == key {
		c = 4
	}
	if g[3].key == key {
		d = 8
	}
	return a | b | c | d
}

// full says whether the table has to be swept before anything is added. Where more slots hold something, stale or not, a
// search often goes on to a second group, and waits for memory.
func (m *unitTable) full() bool { return m.used >= len(m.slots)/2 }

// put says where units of a pair are, of which none is in the table. The table is not full.
func (m *unitTable) put(key uint64, at piece) {
	m.absent = 0
	for i := m.home(key); ; i += groupSlots {
		g := m.group(i)
		for k := range g {
			if u := &g[k]; u.key == 0 {
				m.used++
				*u = unitSlot{key, at}
				return
			} else if !m.eras.alive(u.at) {
				*u = unitSlot{key, at}
				return
			}
		}
	}
}

// take takes units of a pair out of the table.
func (m *unitTable) take(key, units uint64) {
	for i := m.home(key); ; i += groupSlots {
		g := m.group(i)
		for k := range g {
			u := &g[k]
			if u.key != key || u.at.which()&units == 0 || !m.eras.alive(u.at) {
				continue
			}
			if left := u.at.which() &^ units; left != 0 {
				u.at = newPiece(left, 0, u.at.unit(left), u.at.era(), false)
			} else {
				u.at = goneUnit
			}
		}
		if g[groupSlots-1].key == 0 {
			return
		}
	}
}

// sweep takes out what is stale. Where there is not room for as much more, the table grows: to four times its size at
// once, unless a full cache needs less, for growing takes as long as filling it.
func (m *unitTable) sweep() {
	m.close()
	old := m.slots
	size := len(old)
	for size/16*5 < m.used {
		size *= 2
	}
	if size == len(old) {
		return
	}
	if m.most >= 2*size {
		size *= 2
	}
	m.size(size)
	for i := range old {
		if u := &old[i]; u.key != 0 {
			m.put(u.key, u.at)
		}
	}
}

// close empties what is stale, and puts what stands behind its home where a search for it gets to. Groups are
// gone through from behind one that no search goes beyond.
func (m *unitTable) close() {
	start := 0
	for m.slots[start+groupSlots-1].key != 0 {
		start += groupSlots
	}
	n := 0
	for i := start + groupSlots; i <= start+len(m.slots); i += groupSlots {
		g := m.group(i)
		had, home, others := *g, 0, 0
		for k := range had {
			switch u := &had[k]; {
			case u.key == 0 || !m.eras.alive(u.at):
			case m.home(u.key) == i&(len(m.slots)-1):
				g[home] = *u
				home++
			default:
				had[others] = *u
				others++
			}
		}
		clear(g[home:])
		n += home + others
		for _, u := range had[:others] {
			m.put(u.key, u.at)
		}
	}
	m.used = n
}
