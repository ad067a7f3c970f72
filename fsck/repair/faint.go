// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"math"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
)

// faint notes clean data in a bucket whose gen no prio set tells, or that are given up for room.
func (h *harvest) faint(b ondisk.Bucket, n ondisk.Sector) {
	if h.pale == nil {
		h.pale = make([]uint16, h.c.Geo.NBuckets)
	}
	h.pale[b] = uint16(min(ondisk.Sector(h.pale[b])+n, math.MaxUint16))
}

// fade makes clean data stale that may be of an older use of their bucket, where no prio set tells its gen: whatever leaf
// leads to them may stay, and the bucket is free. So do clean data that a lost journal entry may have replaced, or whose
// bucket may have been handed out since the older chain that is left was written. What stands beside dirty data is as
// current as those are, for a bucket is not handed out before all in it is written back. Where there is no room, all clean
// data go that no old root leads to. A run that is cut short is followed by one that has no more room, so it takes none of
// them for anything either.
func (h *harvest) fade() {
	t := h.c.Buckets
	for b := h.c.Geo.FirstBucket; b < h.c.Geo.NBuckets; b++ {
		known, mark, n := h.told(b), t.Mark(b), ondisk.Sector(0)
		if h.pale != nil {
			n = min(ondisk.Sector(h.pale[b]), h.c.Geo.BucketSectors)
		}
		switch {
		case h.tx.Used(b), h.w.node.has(b):
			continue
		case mark == inspect.Free && n > 0:
		case mark == inspect.Clean && !known && t.Lag(b) < ondisk.GenLimit:
			h.tx.Spare(b)
		case mark == inspect.Clean && t.Lag(b) < ondisk.GenLimit && len(h.since) > 0 && !h.current[b]:
			h.tx.GivenUp(b)
		default:
			continue
		}
		h.tx.SetGen(b, h.tx.Gen(b)+1)
		h.w.faded += n
	}
	if h.faded = true; h.w.starved {
		h.w.saw("there is no room: the clean data are given up")
	}
}
