// SPDX-License-Identifier: GPL-2.0-only

package alloc

import (
	"math"
	"math/bits"
)

// lruHeap is the heap of invalidate_buckets_lru(). Which of several equally
// light buckets goes first depends on every exchange the kernel's heap macros
// make, and they exchange equal elements too: what follows makes the same
// exchanges, with few branches that a processor would have to guess.
//
// Nodes count from 1, so that the children of i are 2i and 2i+1. A node is a
// weight, plus one, in the upper half, and a bucket in the lower. Only upper
// halves are compared. Where a max-heap has no node there is 0, in a min-heap
// noNode.
type lruHeap struct {
	nodes   []uint64 // 0 is not used; the last is always empty
	n       int
	sinking []sinking // what replaceTop has begun, the youngest first
}

const (
	noNode    = math.MaxUint64
	lowerHalf = 1<<32 - 1
)

// newLRUHeap makes a heap of a power of two.
func newLRUHeap(size int) lruHeap {
	h := lruHeap{nodes: make([]uint64, size+2), n: size}
	h.sinking = make([]sinking, max(0, h.levels()/2-1))
	h.n = 0
	return h
}

func node(weight, bucket uint32) uint64 { return uint64(weight+1)<<32 | uint64(bucket) }

func (h *lruHeap) full() bool { return h.n == len(h.nodes)-2 }

// top is the weight of the heaviest.
func (h *lruHeap) top() uint32 { return uint32(h.nodes[1]>>32) - 1 }

// levels is how many steps down from the top every path has. When n is a power
// of two, node n alone is one step deeper.
func (h *lruHeap) levels() int { return bits.Len(uint(h.n-1)) - 1 }

// clear empties the heap for a max-heap.
func (h *lruHeap) clear() {
	h.n = 0
	h.nodes[len(h.nodes)-1] = 0
}

// addMax is heap_add() with bucket_max_cmp. It first sifts up to where the new
// node meets a heavier one, then down from there: among equals it goes all the
// way up to the top, and all the way down again.
func (h *lruHeap) addMax(x uint64) {
	h.n++
	a, i, n := h.nodes, h.n, h.n
	for i > 1 && a[i/2] <= x|lowerHalf {
		a[i] = a[i/2]
		i /= 2
	}
	for 2*i <= n {
		child := 2 * i
		if child < n && a[child]|lowerHalf < a[child+1] {
			child++
		}
		if a[child]|lowerHalf < x {
			break
		}
		a[i] = a[child]
		i = child
	}
	a[i] = x
}

// replaceTopsPlain puts each of the found keys that is lighter than the top
// then is for the top of a full max-heap.
func (h *lruHeap) replaceTopsPlain(keys, found []uint32) {
	for _, i := range found {
		if k := keys[i]; k < h.top() {
			h.replaceTop(node(k, i))
		}
	}
}

// lastLevels is how many levels are left to the eldest that sinks.
func (h *lruHeap) lastLevels() int { return h.levels() - 2*len(h.sinking) }

// replaceTop puts x for the top of a full max-heap: heap_sift() with
// bucket_max_cmp. It only begins to: x moves down two levels, those that were
// put there before it move on by two, and settle ends it. So one that moves
// does not wait for another's comparisons, nor can they meet: the one ahead
// has left two levels before the next enters them.
func (h *lruHeap) replaceTop(x uint64) {
	a, s := h.nodes, h.sinking
	last := len(s) - 1
	if last < 0 {
		h.sinkLast(1, h.levels(), x)
		return
	}
	if s[last].i != 0 {
		h.sinkLast(s[last].i, h.lastLevels(), s[last].x)
	}
	for k := last; k > 0; k-- {
		s[k] = s[k-1].down(a)
	}
	s[0] = sinking{1, x}.down(a)
}

// settle ends what replaceTop has begun.
func (h *lruHeap) settle() {
	a, s := h.nodes, h.sinking
	for range s {
		last := len(s) - 1
		if s[last].i != 0 {
			h.sinkLast(s[last].i, h.lastLevels(), s[last].x)
		}
		for k := last; k > 0; k-- {
			s[k] = s[k-1].down(a)
		}
		s[0] = sinking{}
	}
}

// sinking is a node x on its way down: node i is free for it, and above it
// everything is in place. i is 0 when there is none.
type sinking struct {
	i uint
	x uint64
}

// down goes two levels down the path of the heavier children, each of which
// moves up, or to where x is heavier than both.
func (s sinking) down(a []uint64) sinking {
	i, x := s.i, s.x
	if i == 0 {
		return s
	}
	_, right := bits.Sub64(a[2*i]|lowerHalf, a[2*i+1], 0) // 1 if the left is lighter
	c := 2*i + uint(right)
	child := a[c]
	if child|lowerHalf < x { // seldom: the light belong further down
		a[i] = x
		return sinking{}
	}
	a[i] = child
	_, right = bits.Sub64(a[2*c]|lowerHalf, a[2*c+1], 0)
	i = 2*c + uint(right)
	child = a[i]
	if child|lowerHalf < x {
		a[c] = x
		return sinking{}
	}
	a[c] = child
	return sinking{i, x}
}

// sinkLast is down for the last n levels, where x is sure to come to rest, but
// where is anybody's guess. It goes down the path to the end: above x's place
// each child moves up; from there on x carries what stood where it went, and
// puts it back.
func (h *lruHeap) sinkLast(i uint, n int, x uint64) {
	a := h.nodes
	limit := x // what a child must reach to move up; out of reach once x is placed
	for ; n > 0; n-- {
		_, right := bits.Sub64(a[2*i]|lowerHalf, a[2*i+1], 0)
		c := 2*i + uint(right)
		child := a[c]
		_, place := bits.Sub64(child|lowerHalf, limit, 0) // 1 if the child is lighter than x
		other := (child ^ x) & -place
		a[i] = child ^ other
		x ^= other
		limit |= -place
		i = c
	}
	if 2*i == uint(h.n) && a[2*i]|lowerHalf >= limit {
		a[i] = a[2*i]
		i *= 2
	}
	a[i] = x
}

// makeMin re-sifts the max-heap to a min-heap in place, bottom up.
func (h *lruHeap) makeMin() {
	for i := h.n + 1; i < len(h.nodes); i++ {
		h.nodes[i] = noNode
	}
	for i := h.n / 2; i >= 1; i-- {
		h.siftMin(i, h.nodes[i])
	}
}

// popMin is heap_pop() with bucket_min_cmp.
func (h *lruHeap) popMin() (bucket uint32) {
	bucket = uint32(h.nodes[1])
	x := h.nodes[h.n]
	h.nodes[h.n] = noNode
	if h.n--; h.n > 0 {
		h.siftMin(1, x)
	}
	return bucket
}

// siftMin is heap_sift() with bucket_min_cmp, of x in the place of node i. See
// replaceTop for how.
func (h *lruHeap) siftMin(i int, x uint64) {
	a, limit := h.nodes, x|lowerHalf
	for n := h.levels() - bits.Len(uint(i)) + 1; n > 0; n-- {
		_, right := bits.Sub64(a[2*i+1]|lowerHalf, a[2*i], 0) // 1 if the right is lighter
		c := 2*i + int(right)
		child := a[c]
		_, place := bits.Sub64(limit, child, 0) // 1 if the child is heavier than x
		other := (child ^ x) & -place
		a[i] = child ^ other
		x ^= other
		limit &^= -place
		i = c
	}
	if 2*i == h.n && a[2*i] <= limit {
		a[i] = a[2*i]
		i *= 2
	}
	a[i] = x
}
