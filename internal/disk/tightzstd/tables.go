// SPDX-License-Identifier: GPL-2.0-only

package tightzstd

import (
	"math"
	"math/bits"
)

// lengths are the codes of a length: the base of each, and how many bits follow it.
type lengths struct {
	base []uint32
	bits []uint8
}

func (l *lengths) of(n uint32) coded {
	i := min(len(l.base)-1, int(n)) // no code has a base below its number
	for l.base[i] > n {
		i--
	}
	return coded{byte(i), n - l.base[i], l.bits[i]}
}

// spread makes codes: direct ones, each for one length from first on, and then those with so many bits.
func spread(first uint32, direct int, wide ...uint8) lengths {
	var l lengths
	at := first
	for i := range direct + len(wide) {
		n := uint8(0)
		if i >= direct {
			n = wide[i-direct]
		}
		l.base, l.bits = append(l.base, at), append(l.bits, n)
		at += 1 << n
	}
	return l
}

// The codes of RFC 8878, 3.1.1.3.2.1.1.
var (
	literalCodes = spread(0, 16, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
	matchCodes   = spread(3, 32, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
)

// predefined are the tables of literals' lengths, offsets and matches' lengths that every decoder has (3.1.1.3.2.2).
var predefined = [3]*table{
	newTable(6, []int16{4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1}),
	newTable(5, []int16{1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1}),
	newTable(6, []int16{
		1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
		-1, -1, -1, -1, -1, -1, -1,
	}),
}

// A table encodes symbols by finite states (4.1).
type table struct {
	log    uint8
	states []uint32 // the next one
	find   []int32  // of a symbol: where its states begin
	width  []int64  // of a symbol: what a state's bits are counted from
	price  []float64
}

func newTable(log uint8, norm []int16) *table {
	size := 1 << log
	t := &table{log: log, states: make([]uint32, size)}
	symbols, starts, high := make([]int, size), make([]int, len(norm)+1), size-1
	for s, n := range norm {
		if n == -1 { // less than one state: it has one, at the end
			symbols[high] = s
			high--
			n = 1
		}
		starts[s+1] = starts[s] + int(n)
	}
	at, step := 0, size>>1+size>>3+3
	for s, n := range norm {
		for range max(n, 0) {
			symbols[at] = s
			for at = (at + step) & (size - 1); at > high; {
				at = (at + step) & (size - 1)
			}
		}
	}
	next := append([]int(nil), starts...)
	for i, s := range symbols {
		t.states[next[s]] = uint32(size + i)
		next[s]++
	}
	for s, n := range norm {
		n := int64(max(n, -n))
		most := int64(log)
		if n > 1 {
			most -= int64(bits.Len64(uint64(n-1)) - 1)
		}
		first := n << most
		if n == 1 {
			first = int64(size)
		}
		t.width = append(t.width, most<<16-first)
		t.find = append(t.find, int32(starts[s])-int32(n))
		t.price = append(t.price, float64(log)-math.Log2(float64(n)))
	}
	return t
}

// first is the state that begins with symbol s.
func (t *table) first(s byte) uint32 {
	n := (t.width[s] + 1<<15) >> 16
	return t.states[int32((n<<16-t.width[s])>>n)+t.find[s]]
}

// next writes what the step from a state to symbol s takes.
func (t *table) next(w *bitWriter, state uint32, s byte) uint32 {
	n := uint8((int64(state) + t.width[s]) >> 16)
	w.add(state, n)
	return t.states[int32(state>>n)+t.find[s]]
}
