// SPDX-License-Identifier: GPL-2.0-only

package alloc

import (
	"math/bits"
	"slices"
)

// The kernel weighs every bucket anew for each refill. Here the weights of all
// buckets are kept as they change, with a lower bound for each eight, so
// that a refill can leave out the eights that hold nothing light enough.
// Which buckets enter the heap, and in which order, stays the same.

const (
	keysPerBlock = 8
	blocksAtOnce = 8

	keyNone   = 1<<32 - 1 // may not be invalidated
	keyWide   = 1<<32 - 2 // weighs more than fits: see rankWide
	maxNarrow = 1<<17 - 1 // prio terms up to here times 13 bits of sectors fit a key
)

// weights holds bucket_prio() of every bucket.
type weights struct {
	key   []uint32 // the weight, keyNone, or keyWide
	low   []uint32 // for each block of keys: not above the least of them
	base  uint32   // what bucket_prio() adds to the prio, modulo 2^32
	fresh bool     // key follows every change; else it is rebuilt at the next refill
}

// weightBase is the part of bucket_prio() that all buckets share. The kernel
// computes in 32 unsigned bits: a prio below min_prio wraps around and becomes
// the heaviest of all, and so does the eighth of 32768 once min_prio, 65535
// when a rescale found nothing, is above that.
func (c *Cache) weightBase() uint32 {
	return (initialPrio-uint32(c.minPrio))/8 - uint32(c.minPrio)
}

// weight is bucket_prio().
func (c *Cache) weight(b *bucket) uint64 {
	return uint64(uint32(b.prio)+c.lru.base) * uint64(b.used())
}

// keyOf is the key of bucket i.
func (c *Cache) keyOf(i uint32) uint32 {
	if !c.invalidatable(i) {
		return keyNone
	}
	b := &c.buckets[i]
	prio, used := uint32(b.prio)+c.lru.base, uint32(b.used())
	if prio > maxNarrow && used > 0 {
		return keyWide
	}
	return prio * used
}

// changed keeps bucket i's key in step with the bucket.
func (c *Cache) changed(i uint32) {
	w := &c.lru
	if !w.fresh || i < uint32(c.cfg.FirstBucket) {
		return
	}
	k := c.keyOf(i)
	w.key[i] = k
	if l := &w.low[i/keysPerBlock]; k < *l {
		*l = k // never raised here: collectLightest does it when it looks
	}
}

// rebuild weighs all buckets.
func (c *Cache) rebuild() {
	w := &c.lru
	if w.key == nil {
		const atOnce = blocksAtOnce * keysPerBlock
		blocks := (len(c.buckets) + atOnce - 1) / atOnce * blocksAtOnce
		w.low = make([]uint32, blocks)
		w.key = make([]uint32, blocks*keysPerBlock)
		for i := range w.key {
			w.key[i] = keyNone
		}
	}
	w.base = c.weightBase()
	for i := c.cfg.FirstBucket; i < len(c.buckets); i++ {
		w.key[i] = c.keyOf(uint32(i))
	}
	for i := range w.low {
		w.low[i] = slices.Min(w.key[i*keysPerBlock : (i+1)*keysPerBlock])
	}
	w.fresh = true
}

// collectLightest is the first half of invalidate_buckets_lru(): c.heap
// becomes the max-heap of the lightest buckets. It is filled with the first
// candidates there are; after that a strictly lighter one replaces the top.
func (c *Cache) collectLightest() {
	w := &c.lru
	if !w.fresh {
		c.rebuild()
	}
	i, wide := c.fillHeap()
	if wide {
		c.rankWide()
		i, _ = c.fillHeap()
	}
	if c.heap.full() {
		w.replaceTops(&c.heap, i)
	}
	if wide {
		w.fresh = false // its keys are ranks of this moment
	}
}

// fillHeap adds the first candidates until the heap is full. It returns the
// bucket behind the last, and whether it met a weight too wide to compare.
func (c *Cache) fillHeap() (next int, wide bool) {
	h, keys := &c.heap, c.lru.key
	h.clear()
	i := 0
	for ; i < len(keys) && !h.full(); i++ {
		switch k := keys[i]; {
		case k == keyNone:
			if i%keysPerBlock == 0 && c.lru.low[i/keysPerBlock] == keyNone {
				i += keysPerBlock - 1
			}
		case k == keyWide:
			return i, true
		default:
			h.addMax(node(k, uint32(i)))
		}
	}
	return i, false
}

// replaceTops goes through the buckets from i on: each candidate strictly
// lighter than the heaviest on the full heap replaces it. Where the next one
// is cannot be guessed, so eight blocks, and then the eight keys of a block,
// are compared without a branch.
func (w *weights) replaceTops(h *lruHeap, i int) {
	top := h.top()
	for ; i%(blocksAtOnce*keysPerBlock) != 0; i++ {
		if k := w.key[i]; k < top {
			h.replaceTop(node(k, uint32(i)))
			top = h.top()
		}
	}
	for b := i / keysPerBlock; b < len(w.low); b += blocksAtOnce {
		for blocks := lighter(w.low[b:], top); blocks != 0; blocks &= blocks - 1 {
			block := b + bits.TrailingZeros(blocks)
			keys := w.key[block*keysPerBlock : (block+1)*keysPerBlock]
			found := lighter(keys, top)
			if found == 0 { // the bound is of a bucket that has become heavier
				w.low[block] = slices.Min(keys)
			}
			for ; found != 0; found &= found - 1 {
				j := bits.TrailingZeros(found)
				if k := keys[j]; k < top {
					h.replaceTop(node(k, uint32(block*keysPerBlock+j)))
					top = h.top()
				}
			}
		}
	}
	h.settle()
}

// lighter returns a bit for each of the first eight keys that is below top.
func lighter(keys []uint32, top uint32) uint {
	k, t := keys[:8:8], uint64(top)
	return uint((uint64(k[0])-t)>>63 | (uint64(k[1])-t)>>63<<1 |
		(uint64(k[2])-t)>>63<<2 | (uint64(k[3])-t)>>63<<3 |
		(uint64(k[4])-t)>>63<<4 | (uint64(k[5])-t)>>63<<5 |
		(uint64(k[6])-t)>>63<<6 | (uint64(k[7])-t)>>63<<7)
}

// rankWide replaces the keys of the wide by their rank among themselves, above
// every narrow weight. It takes a bucket whose prio is below min_prio, among
// the first candidates, to need this.
func (c *Cache) rankWide() {
	w := &c.lru
	var wide []uint64
	for i, k := range w.key {
		if k == keyWide {
			wide = append(wide, c.weight(&c.buckets[i]))
		}
	}
	slices.Sort(wide)
	wide = slices.Compact(wide)
	for i, k := range w.key {
		if k == keyWide {
			rank, _ := slices.BinarySearch(wide, c.weight(&c.buckets[i]))
			k = (maxNarrow+1)*(maxSectorsUsed+1) + uint32(rank)
			w.key[i] = k
			w.low[i/keysPerBlock] = min(w.low[i/keysPerBlock], k)
		}
	}
}
