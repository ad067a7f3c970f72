// SPDX-License-Identifier: GPL-2.0-only

package script

import "iter"

// A second model of the allocator, for tests: slow, and as close to the text
// of alloc.c as Go allows. Threads are coroutines that block where the
// kernel's block, every refill weighs every bucket, and nothing is cached.
// It shares no code with the package.

type slowBucket struct {
	pin         int
	prio        uint16
	gen, lastGC uint8
	mark, used  int
	inGC        bool // 7.2: may be invalidated while gc runs
}

type slowFifo struct {
	size int
	q    []int
}

func (f *slowFifo) full() bool { return len(f.q) == f.size }

func (f *slowFifo) push(b int) bool {
	if f.full() {
		return false
	}
	f.q = append(f.q, b)
	return true
}

func (f *slowFifo) pop(b *int) bool {
	if len(f.q) == 0 {
		return false
	}
	*b, f.q = f.q[0], f.q[1:]
	return true
}

func slowPow2(n int) int {
	p := 1
	for p < n {
		p *= 2
	}
	return p
}

// slowInitFifo is init_fifo.
func slowInitFifo(n int) slowFifo {
	if n > 4 {
		n = slowPow2(n) - 1
	}
	return slowFifo{size: n}
}

// A slowTask is a thread. schedule gives the processor away.
type slowTask struct {
	next     func() (struct{}, bool)
	stop     func()
	schedule func()
	done     bool
	woken    bool
	words    string
}

type slowStopped struct{}

func newSlowTask(words string, body func(t *slowTask)) *slowTask {
	t := &slowTask{words: words}
	t.next, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			if r := recover(); r != nil && r != (slowStopped{}) {
				panic(r)
			}
		}()
		t.schedule = func() {
			if !yield(struct{}{}) {
				panic(slowStopped{})
			}
		}
		body(t)
	})
	return t
}

// resume lets t run until it sleeps or ends.
func (t *slowTask) resume() {
	if _, more := t.next(); !more {
		t.done = true
	}
}

const (
	slowBtree = iota
	slowPrio
	slowMovingGC
	slowNone
)

var (
	slowLists = []string{"btree", "prio", "movinggc", "none"}
	slowMarks = []string{"free", "reclaimable", "dirty", "metadata"}
)

type slowOpen struct {
	inode, offset, sector, writePoint uint64
	free                              int
	gen                               uint8
	ptr                               bool
}

// --- bch_inc_gen to bch_invalidate_one_bucket

func (k *slowKernel) incGen(b *slowBucket) {
	b.gen++
	k.needGC = max(k.needGC, b.gen-b.lastGC)
	if k.needGC > 96 && !k.warned {
		k.warned = true
		k.printf("warn need_gc=%d\n", k.needGC)
	}
}

func (k *slowKernel) rescalePriorities(sectors int) {
	next := k.nbuckets * k.bucketSize / 1024
	k.rescale -= int32(sectors)
	r := k.rescale
	if r >= 0 {
		return
	}
	k.rescale = r + int32(next)
	k.minPrio = 65535
	for i := k.first; i < k.nbuckets; i++ {
		b := &k.buckets[i]
		if b.prio != 0 && b.prio != 65535 && b.pin == 0 {
			b.prio--
			k.minPrio = min(k.minPrio, b.prio)
		}
	}
}

func (k *slowKernel) canInvalidate(b *slowBucket) bool {
	return (b.mark == 0 || b.mark == 1) && b.pin == 0 && b.gen-b.lastGC < 96 && (k.gcMarkValid || b.inGC)
}

func (k *slowKernel) invalidateOne(i int) {
	b := &k.buckets[i]
	k.invalidated++
	used := b.used
	k.incGen(b)
	b.prio = 32768
	b.pin++
	b.inGC = false
	k.printf("invalidate %d gen=%d->%d used=%d\n", i, b.gen-1, b.gen, used)
}

// --- invalidate_buckets_lru

func (k *slowKernel) bucketPrio(i int) uint64 {
	b := &k.buckets[i]
	minPrio := (uint32(32768) - uint32(k.minPrio)) / 8
	return uint64(uint32(b.prio)-uint32(k.minPrio)+minPrio) * uint64(b.used)
}

type slowCmp func(l, r int) bool

func (k *slowKernel) maxCmp(l, r int) bool { return k.bucketPrio(l) < k.bucketPrio(r) }
func (k *slowKernel) minCmp(l, r int) bool { return k.bucketPrio(l) > k.bucketPrio(r) }

func (k *slowKernel) heapSift(i int, cmp slowCmp) {
	h := k.heap
	for j := i; j*2+1 < len(h); {
		r := j*2 + 1
		if r+1 < len(h) && cmp(h[r], h[r+1]) {
			r++
		}
		if cmp(h[r], h[j]) {
			break
		}
		h[r], h[j] = h[j], h[r]
		j = r
	}
}

func (k *slowKernel) heapAdd(b int, cmp slowCmp) {
	k.heap = append(k.heap, b)
	h, i := k.heap, len(k.heap)-1
	for i > 0 {
		p := (i - 1) / 2
		if cmp(h[i], h[p]) {
			break
		}
		h[i], h[p] = h[p], h[i]
		i = p
	}
	k.heapSift(i, cmp)
}

func (k *slowKernel) heapPop(b *int, cmp slowCmp) bool {
	if len(k.heap) == 0 {
		return false
	}
	*b = k.heap[0]
	last := len(k.heap) - 1
	k.heap[0] = k.heap[last]
	k.heap = k.heap[:last]
	k.heapSift(0, cmp)
	return true
}

func (k *slowKernel) invalidateLRU() {
	k.heap = k.heap[:0]
	for i := k.first; i < k.nbuckets; i++ {
		if !k.canInvalidate(&k.buckets[i]) {
			continue
		}
		if len(k.heap) < k.heapSize {
			k.heapAdd(i, k.maxCmp)
		} else if k.maxCmp(i, k.heap[0]) {
			k.heap[0] = i
			k.heapSift(0, k.maxCmp)
		}
	}
	for i := len(k.heap)/2 - 1; i >= 0; i-- {
		k.heapSift(i, k.minCmp)
	}
	for !k.freeInc.full() {
		var b int
		if !k.heapPop(&b, k.minCmp) {
			k.needsGC = true
			k.printf("wake_gc\n")
			return
		}
		k.invalidateOne(b)
		k.freeInc.push(b)
	}
}

func (k *slowKernel) invalidateFIFO() {
	checked := 0
	for !k.freeInc.full() {
		if k.fifoLast < k.first || k.fifoLast >= k.nbuckets {
			k.fifoLast = k.first
		}
		b := k.fifoLast
		k.fifoLast++
		if k.canInvalidate(&k.buckets[b]) {
			k.invalidateOne(b)
			k.freeInc.push(b)
		}
		if checked++; checked >= k.nbuckets {
			k.needsGC = true
			k.printf("wake_gc\n")
			return
		}
	}
}

func (k *slowKernel) invalidateRandom() {
	checked := 0
	for !k.freeInc.full() {
		k.draws++
		b := int(slowSplitMix(&k.seed)%uint64(k.nbuckets-k.first)) + k.first
		if k.canInvalidate(&k.buckets[b]) {
			k.invalidateOne(b)
			k.freeInc.push(b)
		}
		if checked++; checked >= k.nbuckets/2 {
			k.needsGC = true
			k.printf("wake_gc\n")
			return
		}
	}
}

func slowSplitMix(state *uint64) uint64 {
	*state += 0x9e3779b97f4a7c15
	z := *state
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}
