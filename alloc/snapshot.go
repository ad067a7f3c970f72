// SPDX-License-Identifier: GPL-2.0-only

package alloc

import (
	"encoding/binary"
	"hash/fnv"
)

// A List is one of the allocator's lists, the next bucket to leave first.
type List struct {
	Size    int // how many it can hold
	Buckets []uint32
}

// An OpenBucket is a bucket that takes data until it is full.
type OpenBucket struct {
	Pos        int    // of all open buckets, 0 the one not used for longest
	Key        Key    // end of what was written last
	Sector     uint64 // of the cache device, where the next data go
	WritePoint uint32
	Free       int // sectors
	Gen        uint8
}

// A Snapshot is what a Cache holds beside its buckets, as it is now.
type Snapshot struct {
	Free              []List // by Reserve
	FreeInc           List
	GCMarkValid       bool
	InvalidateNeedsGC bool
	PrioBlocked       int
	Rescale           int32 // sectors until the next one
	FIFOLast          int
	Prios, PrioLast   []uint32 // buckets of the newest prio set, and of the one before; 0 where none was written
	Open              []OpenBucket
}

// Snapshot copies the lists and the counters.
func (c *Cache) Snapshot() Snapshot {
	s := Snapshot{
		FreeInc:     listOf(&c.freeInc),
		GCMarkValid: c.gcMarkValid, InvalidateNeedsGC: c.invalidateNeedsGC,
		PrioBlocked: c.prioBlocked, Rescale: c.rescale, FIFOLast: int(c.fifoLast),
		Prios:    append([]uint32(nil), c.prioBuckets...),
		PrioLast: append([]uint32(nil), c.prioLast...),
	}
	for r := range c.free {
		s.Free = append(s.Free, listOf(&c.free[r]))
	}
	for pos, i := range c.open.order {
		if b := &c.open.all[i]; b.ever {
			s.Open = append(s.Open, OpenBucket{pos, b.key, b.sector, b.writePoint, b.free, b.gen})
		}
	}
	return s
}

func listOf(f *fifo) List { return List{int(f.size), f.appendTo(nil)} }

// PrioBlocked is how often BlockPrios was called and not undone yet.
func (c *Cache) PrioBlocked() int { return c.prioBlocked }

// Hash is an FNV-1a of everything known about the buckets, to compare runs:
// gen, last_gc, and as little-endian 16 bits prio, gc_mark and pin.
func (c *Cache) Hash() uint64 {
	c.settlePrios()
	h := fnv.New64a()
	for i := c.cfg.FirstBucket; i < len(c.buckets); i++ {
		b := &c.buckets[i]
		var p [8]byte
		p[0], p[1] = b.gen, b.lastGC
		binary.LittleEndian.PutUint16(p[2:], b.prio)
		binary.LittleEndian.PutUint16(p[4:], b.gcMark)
		binary.LittleEndian.PutUint16(p[6:], uint16(c.pins(uint32(i))))
		h.Write(p[:])
	}
	return h.Sum64()
}
