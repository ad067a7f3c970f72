// SPDX-License-Identifier: GPL-2.0-only

package generate

import (
	"fmt"
	"math/bits"

	"bctl/internal/bcache/ondisk"
	"bctl/superblock"
)

// layout is where data go: slots of the last buckets.
type layout struct {
	first   ondisk.Bucket // of the data buckets; the last of the device is the last of them
	buckets ondisk.Bucket
	slots   uint64        // in each bucket
	slot    ondisk.Sector // size of one
	order   permutation   // of all slots
}

// spare is how many buckets are left free at least beside what the kernel reserves.
const spare = 8

// fewestSlots is how many a bucket has at least, where it has as many blocks: so that buckets hold several extents.
const fewestSlots = 4

// arrange divides the left buckets. Errors wrap ErrSpec.
func arrange(s *Spec, g *superblock.Geometry, stale int64, left ondisk.Bucket) (l layout, err error) {
	other := ondisk.Bucket(mostNodes(s, g, uint64(s.Extents+stale)) + uint64(g.LargestReserve()) + spare + s.Free)
	if other > left || other == left && s.Extents > 0 {
		return l, fmt.Errorf("%w: %d buckets are left, the btree, the reserves and what shall be free need %d", ErrSpec, left, other)
	}
	l.buckets = left - other
	l.first = g.NBuckets - l.buckets
	blocks := uint64(g.BucketSectors / g.BlockSectors)
	if l.buckets == 0 {
		return l, nil
	}
	need := (uint64(s.Extents) + uint64(l.buckets) - 1) / uint64(l.buckets)
	if need > blocks {
		return l, fmt.Errorf("%w: %d extents, there is room for %d: %d buckets of %d blocks", ErrSpec, s.Extents, uint64(l.buckets)*blocks, l.buckets, blocks)
	}
	l.slots = max(need, min(fewestSlots, blocks))
	l.slot = min(ondisk.Sector(blocks/l.slots)*g.BlockSectors, ondisk.MaxKeySize/g.BlockSectors*g.BlockSectors)
	l.order = newPermutation(uint64(l.buckets)*l.slots, s.Seed)
	return l, nil
}

// mostNodes is how many nodes a tree of so many keys has at most: its builder closes no node that has room for a key in
// each bset.
func mostNodes(s *Spec, g *superblock.Geometry, keys uint64) (nodes uint64) {
	fill, bsets := ondisk.Sector(s.Fill), ondisk.Sector(max(s.Bsets, 1))
	if fill == 0 {
		fill = 100
	}
	blocks := max(g.NodeSectors*fill/100/g.BlockSectors, bsets)
	inSet := ((blocks / bsets * g.BlockSectors).Bytes() - ondisk.BsetBytes) / keyBytes
	inNode := uint64(inSet) * uint64(bsets)
	for {
		keys = keys/inNode + 1
		nodes += keys
		if keys == 1 {
			return nodes
		}
	}
}

const keyBytes = 24 // with one pointer

// at is where slot i of the scattered order starts.
func (l *layout) at(g *superblock.Geometry, i uint64) ondisk.Sector {
	p := l.order.of(i)
	return g.Start(l.first+ondisk.Bucket(p/l.slots)) + ondisk.Sector(p%l.slots)*l.slot
}

// A permutation scatters 0..n-1, without a table: a Feistel network over the next power of four, walked until it comes
// back below n.
type permutation struct {
	n    uint64
	half uint
	keys [4]uint64
}

func newPermutation(n, seed uint64) permutation {
	p := permutation{n: n, half: max(1, (uint(bits.Len64(n-1))+1)/2)}
	for i := range p.keys {
		p.keys[i] = mix(seed + uint64(i) + 1)
	}
	return p
}

func (p *permutation) of(i uint64) uint64 {
	mask := uint64(1)<<p.half - 1
	for {
		a, b := i>>p.half, i&mask
		for _, k := range p.keys {
			a, b = b, a^mix(b^k)&mask
		}
		if i = a<<p.half | b; i < p.n {
			return i
		}
	}
}

// rng is splitmix64: the same numbers on every machine, whatever Go makes of its own.
type rng uint64

func (r *rng) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	return mix(uint64(*r))
}

// below is a number from 0 to n-1.
func (r *rng) below(n uint64) uint64 {
	hi, _ := bits.Mul64(r.next(), n)
	return hi
}

func (r *rng) uuid() (u ondisk.UUID) {
	for i := range 2 {
		for j, v := 0, r.next(); j < 8; j++ {
			u[8*i+j] = byte(v >> (8 * j))
		}
	}
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80 // version 4, as made by chance
	return u
}

// mix is splitmix64's output function: one to one.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
