// SPDX-License-Identifier: GPL-2.0-only

package script

import (
	"slices"
	"strconv"
	"strings"
)

// The script language for the slow model. It takes only correct scripts.

func newSlowKernel(model string) *slowKernel {
	return &slowKernel{
		v46: model == "4.6", v72: model == "7.2", goesOn: model == "7.2" || model == "6.12", nbuckets: 1024, bucketSize: 1024, blockSize: 8, first: 1,
		policy: "lru", sync: true, autogc: true, seed: 1, hand: -1, state: "none",
		flash: map[uint64]bool{},
	}
}

func slowNum(s string) int {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		panic(err)
	}
	return int(n)
}

func (k *slowKernel) config(args []string) {
	for _, a := range args {
		key, v, _ := strings.Cut(a, "=")
		switch key {
		case "nbuckets":
			k.nbuckets = slowNum(v)
		case "bucket_size":
			k.bucketSize = slowNum(v)
		case "block_size":
			k.blockSize = slowNum(v)
		case "first_bucket":
			k.first = slowNum(v)
		case "njournal":
			k.njournal = slowNum(v)
		case "seed":
			k.seed, _ = strconv.ParseUint(v, 10, 64)
		case "policy":
			k.policy = v
		case "discard":
			k.discard = v == "1"
		case "sync":
			k.sync = v == "1"
		case "autogc":
			k.autogc = v == "1"
		case "sched":
			k.lazy = v == "lazy"
		}
	}
}

// setup is cache_alloc().
func (k *slowKernel) setup() {
	k.buckets = make([]slowBucket, k.nbuckets)
	free := slowPow2(k.nbuckets) >> 10
	k.prioPer = (min(k.bucketSize*512, 4<<20) - 40) / 3
	slots := (k.nbuckets + k.prioPer - 1) / k.prioPer
	btree, open := k.njournal, 128
	if btree == 0 {
		btree = 8
	}
	if k.v46 {
		btree, open = 8, 6
	}
	if k.v72 {
		btree = min(max(k.nbuckets>>7, 32), 256)
	}
	k.free = [4]slowFifo{slowInitFifo(btree), {size: slots}, slowInitFifo(free), slowInitFifo(free)}
	k.freeInc = slowInitFifo(free << 2)
	k.heapSize = free << 3
	k.prioCur, k.prioLast = make([]int, slots), make([]int, slots)
	for range open {
		k.open = append(k.open, &slowOpen{})
	}
}

// exec runs one line.
func (k *slowKernel) exec(line string) {
	w := strings.Fields(line)
	if w[0] == "config" {
		k.config(w[1:])
		return
	}
	if k.buckets == nil {
		k.setup()
	}
	k.op(line, w[0], w[1:])
	if !k.lazy {
		for k.step() {
		}
	}
}

// step is the scheduling rule.
func (k *slowKernel) step() bool {
	if k.runnable {
		k.runnable = false
		k.thread.resume()
		return true
	}
	for _, t := range k.waiters {
		if t.woken {
			t.woken = false
			t.resume()
			return true
		}
	}
	return false
}

func (k *slowKernel) start() {
	k.thread = newSlowTask("", k.allocatorThread)
	k.runnable = true
	k.state = "ready"
}

// task runs body as an op that may sleep.
func (k *slowKernel) task(line, mode string, body func(t *slowTask)) {
	t := newSlowTask(line, body)
	t.resume()
	if t.done {
		return
	}
	if strings.HasPrefix(mode, "park=") {
		k.printf("%s -> parked\n", line)
		return
	}
	k.printf("%s -> blocked\n", line)
	gcAt := -1
	for !t.done {
		if k.step() {
			continue
		}
		if k.autogc && k.gcMarkValid && k.state == "wait gc" && gcAt != k.invalidated {
			gcAt = k.invalidated
			k.gcKeep("auto")
			continue
		}
		k.printf("%s -> stuck: %s\n", line, k.stateText())
		k.forget(t)
		t.stop()
		return
	}
}

func (k *slowKernel) stateText() string {
	if k.runnable {
		return "ready"
	}
	return k.state
}

func (k *slowKernel) gcKeep(name string) {
	for i := k.first; i < k.nbuckets; i++ {
		k.buckets[i].lastGC = k.buckets[i].gen
	}
	k.gcDone(name)
}

func (k *slowKernel) gcStart() {
	if !k.gcMarkValid {
		return
	}
	k.gcMarkValid = false
	for i := k.first; i < k.nbuckets; i++ {
		b := &k.buckets[i]
		b.lastGC = b.gen
		if k.goesOn && b.pin == 0 && b.mark < 2 {
			b.inGC = true
		}
		if b.pin == 0 {
			b.mark, b.used = 0, 0
		}
	}
}

func (k *slowKernel) gcDone(name string) {
	k.gcFinish()
	k.inUse = (k.nbuckets - k.avail) * 100 / k.nbuckets
	k.gcs++
	k.wake(nil)
	k.printf("gc %s avail=%d need_gc=%d in_use=%d\n", name, k.avail, k.needGC, k.inUse)
}

// each calls f for every bucket of BB.
func (k *slowKernel) each(bb string, f func(b *slowBucket)) {
	a, b, ok := strings.Cut(bb, "-")
	if !ok {
		b = a
	}
	for i := slowNum(a); i <= slowNum(b); i++ {
		f(&k.buckets[i])
	}
}

func (k *slowKernel) op(line, name string, a []string) {
	switch name {
	case "prio":
		k.each(a[0], func(b *slowBucket) { b.prio = uint16(slowNum(a[1])) })
	case "gen":
		k.each(a[0], func(b *slowBucket) { b.gen = uint8(slowNum(a[1])) })
	case "last_gc":
		k.each(a[0], func(b *slowBucket) { b.lastGC = uint8(slowNum(a[1])) })
	case "mark":
		k.each(a[0], func(b *slowBucket) { b.mark = slices.Index(slowMarks, a[1]) })
	case "used":
		k.each(a[0], func(b *slowBucket) { b.used = min(slowNum(a[1]), 8191) })
	case "touch":
		k.each(a[0], func(b *slowBucket) { b.prio = 32768 })
	case "free":
		k.each(a[0], k.bucketFree)
	case "inc_gen":
		k.each(a[0], k.incGen)
	case "pin":
		k.each(a[0], func(b *slowBucket) { b.pin++ })
	case "put", "unpin":
		k.each(a[0], func(b *slowBucket) { b.pin-- })
	case "scatter":
		k.scatter(a)
	case "uuid_bucket":
		k.uuids = append(k.uuids, slowNum(a[0]))
	case "journal":
		k.journal = append(k.journal, slowNum(a[0]))
	case "prio_slot":
		k.prioCur[slowNum(a[0])], k.prioLast[slowNum(a[0])] = slowNum(a[1]), slowNum(a[1])
	case "uuid":
		k.flash[uint64(slowNum(a[0]))] = a[1] == "flash"
	case "rescale":
		k.rescalePriorities(slowNum(a[0]))
		k.printf("%s -> left=%d min_prio=%d\n", line, k.rescale, k.minPrio)
	case "sync":
		k.sync = a[0] == "1"
	case "discard":
		k.discard = a[0] == "1"
	case "policy":
		k.policy = a[0]
	case "io_disable":
		k.ioDisable = !k.v46
	case "run":
		for k.step() {
		}
	case "prio_blocked":
		if a[0] == "inc" {
			k.prioBlocked++
		} else if k.prioBlocked--; k.prioBlocked == 0 {
			k.wake(nil)
		}
	default:
		k.bigOp(line, name, a)
	}
}

// bigOp runs the ops that allocate, collect or print.
func (k *slowKernel) bigOp(line, name string, a []string) {
	switch name {
	case "start":
		if a[0] == "fresh" {
			for i := range min(max(k.nbuckets>>7, 2), 256) {
				k.journal = append(k.journal, k.first+i)
			}
		}
		if a[0] == "bare" {
			k.gcMarkValid = true
		} else {
			k.initialGCFinish()
		}
		k.start()
		if a[0] == "fresh" {
			k.task(line, "wait", func(t *slowTask) { k.prioWrite(t, true) })
		}
	case "alloc":
		k.task(line, a[1], func(t *slowTask) {
			b := k.bucketAlloc(t, slices.Index(slowLists, a[0]), a[1] != "nowait")
			if b == -1 {
				k.printf("%s -> fail\n", line)
				return
			}
			k.held = append(k.held, b)
			k.printf("%s -> %d gen=%d\n", line, b, k.buckets[b].gen)
		})
	case "alloc_sectors":
		k.task(line, a[5], func(t *slowTask) {
			n, b := k.allocSectors(t, uint64(slowNum(a[0])), uint64(slowNum(a[1])), slowNum(a[2]),
				uint64(slowNum(a[3])), uint64(slowNum(a[4])), a[5] != "nowait")
			if n > 0 {
				k.held = append(k.held, b)
			}
		})
	case "write":
		k.write(line, a)
	case "prio_write":
		k.task(line, "wait", func(t *slowTask) { k.prioWrite(t, a[0] == "wait") })
	case "gc":
		if a[0] == "keep" {
			k.gcKeep("keep")
			break
		}
		k.gcStart()
		k.gcDone("clear")
	case "gc_start":
		k.gcStart()
	case "gc_finish":
		k.gcDone("finish")
	case "state":
		k.printState(len(a) > 0)
	case "hash":
		k.printf("hash %016x\n", slowFNV(k.hashed()))
	default:
		panic(line)
	}
}

func (k *slowKernel) write(line string, a []string) {
	var pieces []int
	k.task(line, "wait", func(t *slowTask) {
		offset, left, total := slowNum(a[1]), slowNum(a[2]), 0
		for left > 0 {
			n, b := k.allocSectors(t, uint64(slowNum(a[0])), uint64(offset), left,
				uint64(slowNum(a[3])), uint64(slowNum(a[4])), a[5] == "writeback")
			if n == 0 {
				break
			}
			pieces = append(pieces, b)
			if a[5] == "writeback" {
				k.buckets[b].mark = 2
			}
			offset, left, total = offset+n, left-n, total+n
		}
		k.printf("%s -> done sectors=%d pieces=%d\n", line, total, len(pieces))
	})
	for _, b := range pieces {
		k.buckets[b].pin--
	}
}

func (k *slowKernel) scatter(a []string) {
	state, _ := strconv.ParseUint(a[1], 10, 64)
	low, span := slowNum(a[2]), uint64(slowNum(a[3])-slowNum(a[2])+1)
	bb := strconv.Itoa(k.first) + "-" + strconv.Itoa(k.nbuckets-1)
	if len(a) > 4 {
		bb = a[4]
	}
	k.each(bb, func(b *slowBucket) {
		v := low + int(slowSplitMix(&state)%span)
		switch a[0] {
		case "prio":
			b.prio = uint16(v)
		case "gen":
			b.gen = uint8(v)
		case "age":
			b.lastGC = b.gen - uint8(v)
		case "mark":
			b.mark = v
		case "used":
			if b.used = min(v, 8191); b.mark == 0 {
				b.used = 0
			}
		}
	})
}
