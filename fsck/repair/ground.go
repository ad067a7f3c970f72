// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
)

// buckets is a set of them, a bit each.
type buckets []uint64

func newBuckets(n ondisk.Bucket) buckets { return make(buckets, n/64+1) }

func (s buckets) set(b ondisk.Bucket)      { s[b/64] |= 1 << (b % 64) }
func (s buckets) has(b ondisk.Bucket) bool { return s[b/64]>>(b%64)&1 != 0 }

// The ground is what the check knows of each bucket, as far as a key that nothing leads to is judged by it: a byte each,
// for at millions of keys that lie anywhere what takes time is to fetch it.
const (
	groundTold  uint8 = 1 << iota // see told
	groundTaken                   // metadata are there, or a leaf that nothing leads to
	groundOpen                    // neither a prio set nor a pointer of the tree tells its gen
	groundFirst                   // likewise, and no other pointer either, so far
)

// survey makes the ground. It stays as it is, but for the leaves that are found, and the first pointers.
func (h *harvest) survey() {
	t := h.c.Buckets
	var sure map[ondisk.Bucket]bool
	if h.base.older {
		if j, _ := h.base.log.Read(h.base.last); j != nil {
			sure = confirmed(h.c, h.base.log, j)
		}
	}
	h.ground = make([]uint8, t.Len())
	for b := range t.Len() {
		known, is := t.GenKnown(b), uint8(0)
		if known && (!h.base.older || sure[b]) {
			is |= groundTold
		}
		if t.Mark(b) == inspect.Metadata || h.w.node.has(b) {
			is |= groundTaken
		}
		if !known && !t.GenSeen(b) {
			is |= groundOpen | groundFirst
		}
		h.ground[b] = is
	}
}

func (h *harvest) on(b ondisk.Bucket) uint8 {
	if h.ground == nil {
		h.survey()
	}
	return h.ground[b]
}

// told reports whether a prio set of the newest chain tells a bucket's gen, or, where only an older one is left, the journal
// confirms it: by an older one, clean data that were given up since, and perhaps discarded, look as if they were there.
func (h *harvest) told(b ondisk.Bucket) bool { return h.on(b)&groundTold != 0 }

// near reports whether a bucket may hold data of a gen: it is of no metadata, and its gen is that, or so little behind that
// no prio write came between.
func (h *harvest) near(b ondisk.Bucket, gen uint8) bool {
	is := h.on(b)
	return is&groundTaken == 0 && (is&groundOpen != 0 || gen-h.tx.Gen(b) <= 2)
}
