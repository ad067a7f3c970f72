// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"math/bits"
	"slices"
)

// dirtyPages are the pages of a volume that may hold dirty pieces, in order: a bit each, in blocks that are sorted.
type dirtyPages struct {
	blocks []*dirtyBlock
	last   *dirtyBlock // the one used last
}

// A dirtyBlock is 4096 pages in a row.
type dirtyBlock struct {
	number uint64
	bits   [64]uint64
}

const dirtyBlockShift = 12

// at is where the block of a number is, or would be.
func (d *dirtyPages) at(number uint64) (i int, found bool) {
	return slices.BinarySearchFunc(d.blocks, number, func(b *dirtyBlock, n uint64) int {
		switch {
		case b.number < n:
			return -1
		case b.number > n:
			return 1
		}
		return 0
	})
}

func (d *dirtyPages) set(page uint64) {
	number := page >> dirtyBlockShift
	b := d.last
	if b == nil || b.number != number {
		i, found := d.at(number)
		if !found {
			d.blocks = slices.Insert(d.blocks, i, &dirtyBlock{number: number})
		}
		b = d.blocks[i]
		d.last = b
	}
	b.bits[page>>6&63] |= 1 << (page & 63)
}

func (d *dirtyPages) clear(page uint64) {
	if i, found := d.at(page >> dirtyBlockShift); found {
		d.blocks[i].bits[page>>6&63] &^= 1 << (page & 63)
	}
}

// next is the first page from page on. Blocks without pages go.
func (d *dirtyPages) next(page uint64) (uint64, bool) {
	i, _ := d.at(page >> dirtyBlockShift)
	for i < len(d.blocks) {
		b := d.blocks[i]
		first := b.number << dirtyBlockShift
		from := max(page, first) - first
		for w := from >> 6; w < 64; w++ {
			word := b.bits[w]
			if w == from>>6 {
				word &= ^uint64(0) << (from & 63)
			}
			if word != 0 {
				return first + w<<6 + uint64(bits.TrailingZeros64(word)), true
			}
		}
		if from == 0 {
			d.blocks = slices.Delete(d.blocks, i, i+1)
			d.last = nil
			continue
		}
		i++
	}
	return 0, false
}
