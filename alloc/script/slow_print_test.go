// SPDX-License-Identifier: GPL-2.0-only

package script

import "fmt"

func (k *slowKernel) hashed() (out []byte) {
	for i := k.first; i < k.nbuckets; i++ {
		b := &k.buckets[i]
		gcMark := b.mark | b.used<<2
		out = append(out, b.gen, b.lastGC, byte(b.prio), byte(b.prio>>8),
			byte(gcMark), byte(gcMark>>8), byte(b.pin), byte(b.pin>>8))
	}
	return out
}

func slowList(list []int) (s string) {
	for _, b := range list {
		s += fmt.Sprintf(" %d", b)
	}
	return s
}

func slowBool(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (k *slowKernel) printState(short bool) {
	k.printf("state\n")
	for i := k.first; i < k.nbuckets && !short; i++ {
		if b := k.buckets[i]; b != (slowBucket{inGC: b.inGC}) {
			k.printf("bucket %d gen=%d last_gc=%d prio=%d mark=%s used=%d pin=%d\n",
				i, b.gen, b.lastGC, b.prio, slowMarks[b.mark], b.used, b.pin)
		}
	}
	for i, f := range k.free {
		k.printf("free[%s] size=%d used=%d:%s\n", slowLists[i], f.size, len(f.q), slowList(f.q))
	}
	k.printf("free_inc size=%d used=%d:%s\n", k.freeInc.size, len(k.freeInc.q), slowList(k.freeInc.q))
	k.printf("allocator %s hand=%d\n", k.stateText(), k.hand)
	k.printf("set need_gc=%d avail=%d in_use=%d min_prio=%d gc_mark_valid=%d"+
		" invalidate_needs_gc=%d prio_blocked=%d rescale=%d fifo_last=%d\n",
		k.needGC, k.avail, k.inUse, k.minPrio, slowBool(k.gcMarkValid), slowBool(k.needsGC),
		k.prioBlocked, k.rescale, k.fifoLast)
	k.printf("prio_buckets%s last%s\n", slowList(k.prioCur), slowList(k.prioLast))
	for pos, o := range k.open {
		if o.ptr {
			k.printf("open %d free=%d write_point=%d key=%d:%d sector=%d gen=%d\n",
				pos, o.free, o.writePoint, o.inode, o.offset, o.sector, o.gen)
		}
	}
	for _, t := range k.waiters {
		k.printf("parked %s\n", t.words)
	}
	k.printf("stats invalidated=%d taken=%d discards=%d prio_writes=%d prio_failed=%d"+
		" gcs=%d random=%d sectors_written=%d\nend\n",
		k.invalidated, k.taken, k.discards, k.prioOK, k.prioFailed, k.gcs, k.draws, k.sectorsTotal)
}

// finish prints what is still parked and ends every coroutine.
func (k *slowKernel) finish() {
	for _, t := range k.waiters {
		k.printf("unfinished %s\n", t.words)
		t.stop()
	}
	if k.thread != nil {
		k.thread.stop()
	}
}
