// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"slices"
	"sync"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
)

// run are the entries that can be read in an unbroken run up to the newest, that first, and the seq of the last.
func (h *harvest) run() (out []*ondisk.Jset, oldest uint64, err error) {
	log := h.c.Journal
	for _, e := range slices.Backward(log.BySeq()) {
		if e.Seq > log.Newest.Seq {
			continue
		}
		if oldest != 0 && e.Seq+1 != oldest {
			break
		}
		j, err := log.Read(e)
		if j == nil || err != nil {
			break
		}
		oldest = e.Seq
		out = append(out, j)
	}
	return out, oldest, h.w.ctx.Err()
}

// inRing reports whether the journal has a key as it is, in an unbroken run of entries up to the newest.
func (h *harvest) inRing(k *ondisk.Bkey) bool {
	if h.ring == nil {
		h.ring = map[badKey]bool{}
		run, _, _ := h.run()
		for _, j := range run {
			for i := range j.Keys {
				h.ring[keyOf(&j.Keys[i])] = true
			}
		}
	}
	return h.ring[keyOf(k)]
}

// dirtyIn reports whether live dirty data are in a bucket, by the tree as far as it can be read and by the journal.
func (h *harvest) dirtyIn(b ondisk.Bucket) bool {
	if h.dirty == nil {
		h.dirty = map[ondisk.Bucket]bool{}
		var mu sync.Mutex
		_ = h.c.Walk(func(_ int, e *inspect.Extent) { // who is cut short is told so elsewhere
			if e.Live && e.Dirty() {
				mu.Lock()
				defer mu.Unlock()
				h.dirty[h.c.Geo.BucketOf(e.Ptr[0].Offset())] = true
			}
		})
		run, _, _ := h.run()
		for _, j := range run {
			for i := range j.Keys {
				k := &j.Keys[i]
				if b := h.c.Geo.BucketOf(k.Ptr[0].Offset()); k.Dirty() && h.sound(k) && k.Ptr[0].Gen() == h.tx.Gen(b) {
					h.dirty[b] = true
				}
			}
		}
	}
	return h.dirty[b]
}
