// SPDX-License-Identifier: GPL-2.0-only

package script

import (
	"fmt"
	"strings"
)

// slowKernel is struct cache and struct cache_set of the slow model, and its
// scheduler.
type slowKernel struct {
	out strings.Builder
	v46 bool
	v72 bool

	goesOn bool // while gc runs

	nbuckets, bucketSize, blockSize, first, njournal int
	policy                                           string
	discard, sync, lazy, autogc                      bool
	seed                                             uint64

	buckets  []slowBucket
	free     [4]slowFifo
	freeInc  slowFifo
	heap     []int
	heapSize int
	fifoLast int

	thread   *slowTask // the allocator
	runnable bool
	state    string
	printed  string
	hand     int
	waiters  []*slowTask // bucket_wait, by age

	gcMarkValid, needsGC, warned, ioDisable bool
	needGC                                  uint8
	avail, inUse, prioBlocked               int
	minPrio                                 uint16
	rescale                                 int32

	uuids, journal      []int
	prioCur, prioLast   []int
	prioPer, prioSeq    int
	disk                []byte // disk_buckets
	diskNext            int
	flash               map[uint64]bool
	open                []*slowOpen
	held                []int // pins the script may put
	invalidated, taken  int
	discards, gcs       int
	prioOK, prioFailed  int
	draws, sectorsTotal int
}

func (k *slowKernel) printf(format string, a ...any) { fmt.Fprintf(&k.out, format, a...) }

// allocatorWait is allocator_wait(); false means goto out.
func (k *slowKernel) allocatorWait(t *slowTask, text string, cond func() bool) bool {
	for !cond() {
		if k.ioDisable {
			k.sleepText("exit")
			return false
		}
		k.sleepText(text)
		t.schedule()
	}
	return true
}

func (k *slowKernel) sleepText(text string) {
	k.state = text
	if text != k.printed {
		k.printf("%s\n", text)
		k.printed = text
	}
}

func (k *slowKernel) push(b int) bool {
	if k.free[slowPrio].push(b) {
		k.printf("move free_inc->free[prio] %d\n", b)
		return true
	}
	for i := range k.free {
		if k.free[i].push(b) {
			k.printf("move free_inc->free[%s] %d\n", slowLists[i], b)
			return true
		}
	}
	return false
}

func (k *slowKernel) allocatorThread(t *slowTask) {
	for {
		var b int
		for k.freeInc.pop(&b) {
			k.hand = b
			if k.discard && !k.v72 {
				k.discards++
				k.printf("discard %d sector=%d nr=%d\n", b, b*k.bucketSize, k.bucketSize)
			}
			if !k.allocatorWait(t, fmt.Sprintf("wait push %d", b), func() bool { return k.push(b) }) {
				return
			}
			k.hand = -1
			for _, w := range k.waiters {
				w.woken = true
			}
		}
		for {
			if !k.allocatorWait(t, "wait gc", func() bool { return (k.gcMarkValid || k.goesOn) && !k.needsGC }) {
				return
			}
			switch k.policy {
			case "lru":
				k.invalidateLRU()
			case "fifo":
				k.invalidateFIFO()
			case "random":
				k.invalidateRandom()
			}
			if !k.allocatorWait(t, "wait prio_blocked", func() bool { return k.prioBlocked == 0 }) {
				return
			}
			if !k.sync {
				break
			}
			if !k.freeInc.full() {
				continue
			}
			if !k.prioWrite(t, false) {
				k.needsGC = true
				k.printf("wake_gc\n")
			}
			break
		}
	}
}

// bucketAlloc is bch_bucket_alloc(). t is who asks.
func (k *slowKernel) bucketAlloc(t *slowTask, reserve int, wait bool) int {
	if k.ioDisable {
		return -1
	}
	var r int
	from := -1
	try := func() bool {
		if k.free[slowNone].pop(&r) {
			from = slowNone
			return true
		}
		if k.free[reserve].pop(&r) {
			from = reserve
			return true
		}
		return false
	}
	if !try() {
		if !wait {
			k.printf("take fail for=%s\n", slowLists[reserve])
			return -1
		}
		if t != k.thread {
			k.waiters = append(k.waiters, t)
		}
		for {
			if t == k.thread {
				k.sleepText("wait bucket")
			}
			t.schedule()
			if try() {
				break
			}
		}
		k.forget(t)
	}
	k.wake(t)
	k.taken++
	k.printf("take %d from=%s\n", r, slowLists[from])
	b := &k.buckets[r]
	if b.pin != 1 {
		panic("BUG_ON(atomic_read(&b->pin) != 1)")
	}
	b.used = k.bucketSize % 8192
	if reserve <= slowPrio {
		b.mark = 3
		b.prio = 65535
	} else {
		b.mark = 1
		b.prio = 32768
	}
	if !k.v46 && k.avail > 0 {
		k.avail--
		k.inUse = (k.nbuckets - k.avail) * 100 / k.nbuckets
	}
	return r
}

func (k *slowKernel) forget(t *slowTask) {
	for i, w := range k.waiters {
		if w == t {
			k.waiters = append(k.waiters[:i:i], k.waiters[i+1:]...)
			return
		}
	}
}

// wake is wake_up_process(alloc_thread), by t.
func (k *slowKernel) wake(t *slowTask) {
	if k.thread != nil && t != k.thread && !k.thread.done {
		k.runnable = true
	}
}

func (k *slowKernel) bucketFree(b *slowBucket) {
	b.mark, b.used = 0, 0
	if !k.v46 && k.avail < k.nbuckets {
		k.avail++
		k.inUse = (k.nbuckets - k.avail) * 100 / k.nbuckets
	}
}

// prioWrite is bch_prio_write().
func (k *slowKernel) prioWrite(t *slowTask, wait bool) bool {
	n := len(k.prioCur)
	if !wait && !k.v46 {
		avail := len(k.free[slowPrio].q) + len(k.free[slowNone].q)
		if n > avail {
			k.prioFailed++
			k.printf("prio_write nomem need=%d avail=%d\n", n, avail)
			return false
		}
	}
	k.prioSeq++
	next := append(append([]int(nil), k.prioCur...), k.prioLast...)
	for i := n - 1; i >= 0; i-- {
		k.disk = nil
		for b := i * k.prioPer; b < k.nbuckets && b < (i+1)*k.prioPer; b++ {
			p := k.buckets[b].prio
			k.disk = append(k.disk, byte(p), byte(p>>8), k.buckets[b].gen)
		}
		copy(next, k.prioCur)
		copy(next[n:], k.prioLast)
		k.diskNext = next[i+1]
		bucket := k.bucketAlloc(t, slowPrio, true)
		if bucket == -1 {
			panic("BUG_ON(bucket == -1)")
		}
		k.printf("prio_io slot=%d bucket=%d next=%d data=%016x\n", i, bucket, k.diskNext, slowFNV(k.disk))
		k.prioCur[i] = bucket
		k.buckets[bucket].pin--
	}
	for i := range n {
		if k.prioLast[i] != 0 {
			k.printf("prio_free %d\n", k.prioLast[i])
			k.bucketFree(&k.buckets[k.prioLast[i]])
		}
		k.prioLast[i] = k.prioCur[i]
	}
	k.prioOK++
	k.printf("prio_write ok seq=%d\n", k.prioSeq)
	return true
}

func slowFNV(data []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range data {
		h ^= uint64(b)
		h *= 1099511628211
	}
	return h
}

// pickDataBucket is pick_data_bucket(); alloc is -1 or a bucket to open.
func (k *slowKernel) pickDataBucket(inode, offset, writePoint uint64, alloc *int) *slowOpen {
	var ret, retTask *slowOpen
	for i := len(k.open) - 1; i >= 0; i-- { // list_for_each_entry_reverse
		o := k.open[i]
		if !k.v46 && k.flash[o.inode] != k.flash[inode] {
			continue
		} else if o.inode == inode && o.offset == offset {
			ret = o
			break
		} else if o.writePoint == writePoint {
			retTask = o
		}
	}
	if ret == nil {
		if ret = retTask; ret == nil {
			ret = k.open[0]
		}
	}
	if ret.free == 0 && *alloc >= 0 {
		*ret = slowOpen{
			free: k.bucketSize, sector: uint64(*alloc * k.bucketSize),
			gen: k.buckets[*alloc].gen, ptr: true, writePoint: ret.writePoint,
		}
		*alloc = -1
	}
	if ret.free == 0 {
		return nil
	}
	return ret
}

// allocSectors is bch_alloc_sectors(). It returns the sectors placed, or 0,
// and prints the line.
func (k *slowKernel) allocSectors(t *slowTask, inode, offset uint64, sectors int, wp, wprio uint64, wait bool) (n, bucket int) {
	alloc := -1
	var o *slowOpen
	for {
		if o = k.pickDataBucket(inode, offset, wp, &alloc); o != nil {
			break
		}
		watermark := slowNone
		if wprio > 0 {
			watermark = slowMovingGC
		}
		if alloc = k.bucketAlloc(t, watermark, wait); alloc == -1 {
			k.printf("%s -> fail\n", t.words)
			return 0, 0
		}
	}
	if alloc >= 0 {
		k.buckets[alloc].pin--
	}
	bucket, sector := int(o.sector)/k.bucketSize, o.sector
	n = min(sectors, o.free)
	for i, p := range k.open { // list_move_tail
		if p == o {
			k.open = append(append(k.open[:i:i], k.open[i+1:]...), o)
			break
		}
	}
	o.inode, o.offset, o.writePoint = inode, offset+uint64(n), wp
	o.free -= n
	o.sector += uint64(n)
	k.sectorsTotal += n
	if o.free < k.blockSize {
		o.free = 0
	}
	if o.free > 0 {
		k.buckets[int(o.sector)/k.bucketSize].pin++
	}
	k.printf("%s -> bucket=%d gen=%d sector=%d sectors=%d key=%d:%d left=%d\n",
		t.words, bucket, o.gen, sector, n, inode, o.offset, o.free)
	return n, bucket
}

// gcFinish is bch_btree_gc_finish().
func (k *slowKernel) gcFinish() {
	k.gcMarkValid = true
	k.needGC = 0
	k.needsGC = false
	k.avail = 0
	for _, list := range [][]int{k.uuids, k.journal, k.prioCur, k.prioLast} {
		for _, b := range list {
			k.buckets[b].mark = 3
		}
	}
	for i := k.first; i < k.nbuckets; i++ {
		b := &k.buckets[i]
		b.inGC = false
		k.needGC = max(k.needGC, b.gen-b.lastGC)
		if b.pin == 0 && b.mark < 2 {
			k.avail++
		}
	}
}

// initialGCFinish is bch_initial_gc_finish().
func (k *slowKernel) initialGCFinish() {
	k.gcFinish()
	for i := k.first; i < k.nbuckets; i++ {
		if k.free[slowPrio].full() && k.free[slowBtree].full() {
			break
		}
		if k.canInvalidate(&k.buckets[i]) && k.buckets[i].mark == 0 {
			k.invalidateOne(i)
			list := slowPrio
			if !k.free[slowPrio].push(i) {
				list = slowBtree
				k.free[slowBtree].push(i)
			}
			k.printf("init free[%s] %d\n", slowLists[list], i)
		}
	}
}
