// SPDX-License-Identifier: GPL-2.0-only

package alloc

import (
	"slices"
)

// The kernel weighs every bucket anew for each refill. Here the weights of all
// buckets are kept as they change, side by side, so that a refill compares many
// at a time. Which buckets enter the heap, and in which order, stays the same.

const (
	scanStep = 32   // keys that are compared at a time
	scanPart = 1024 // and that are looked for before any enters the heap

	keyNone   = 1<<32 - 1 // may not be invalidated
	keyWide   = 1<<32 - 2 // weighs more than fits: see rankWide
	maxNarrow = 1<<17 - 1 // prio terms up to here times 13 bits of sectors fit a key
)

// weights holds bucket_prio() of every bucket.
type weights struct {
	key   []uint32 // the weight, keyNone, or keyWide
	found []uint32 // of a part of the keys: those light enough when the part was begun
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
	if !c.gcMarkValid && !c.window.has(i) {
		return keyNone
	}
	return c.buckets[i].key(c.lru.base)
}

// key is keyOf where no gc has a say.
func (b *bucket) key(base uint32) uint32 {
	if !b.invalidatable() {
		return keyNone
	}
	prio, used := uint32(b.prio)+base, uint32(b.used())
	if prio > maxNarrow && used > 0 {
		return keyWide
	}
	return prio * used
}

// changed keeps bucket i's key in step with the bucket.
func (c *Cache) changed(i uint32) {
	if c.lru.fresh {
		c.weigh(i)
	}
}

func (c *Cache) weigh(i uint32) {
	if i >= uint32(c.cfg.FirstBucket) {
		c.lru.key[i] = c.keyOf(i)
	}
}

// rebuild weighs all buckets.
func (c *Cache) rebuild() {
	w := &c.lru
	if w.key == nil {
		w.key = make([]uint32, (len(c.buckets)+scanStep-1)/scanStep*scanStep)
		w.found = make([]uint32, scanPart)
		for i := range w.key {
			w.key[i] = keyNone
		}
	}
	w.base = c.weightBase()
	i := c.cfg.FirstBucket
	if c.gcMarkValid {
		i += narrowKeys(c.buckets[i:], w.base, w.key[i:])
	}
	for ; i < len(c.buckets); i++ {
		w.key[i] = c.keyOf(uint32(i))
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
		c.heap.settle()
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
// is cannot be guessed, so those of many buckets are found first: by the
// heaviest there is then, which can only become lighter.
func (w *weights) replaceTops(h *lruHeap, i int) {
	for i < len(w.key) {
		end := min(len(w.key), (i/scanStep+1)*scanStep)
		if i%scanStep == 0 {
			end = min(len(w.key), i+scanPart)
		}
		n := below(w.key[i:end], h.top(), uint32(i), w.found)
		h.replaceTops(w.key, w.found[:n])
		i = end
	}
}

// belowPlain finds the keys below top. It puts their numbers, the first is
// first's, into out, and returns how many there are.
func belowPlain(keys []uint32, top, first uint32, out []uint32) (n int) {
	for i, k := range keys {
		out[n] = first + uint32(i)
		n += int((uint64(k) - uint64(top)) >> 63)
	}
	return n
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
		}
	}
}
