// SPDX-License-Identifier: GPL-2.0-only

package alloc

import "encoding/binary"

const (
	fnvOffset = 0xcbf29ce484222325
	fnvPrime  = 0x100000001b3
)

func fnv1a(h uint64, p []byte) uint64 {
	for _, b := range p {
		h = (h ^ uint64(b)) * fnvPrime
	}
	return h
}

// scriptDisk is a PrioWriter that prints a hash of what would be written. Like
// the kernel it packs into one buffer, disk_buckets: of two prio writes of
// which one slept in the middle, that one writes what the other packed.
type scriptDisk struct {
	s    *script
	data []byte // of the slot packed last
	next int
}

func newScriptDisk(s *script) *scriptDisk { return &scriptDisk{s: s} }

// Pack keeps the slot's entries as they stand on disk: le16 prio, u8 gen.
func (d *scriptDisk) Pack(_ uint64, _, lo, hi int, entry func(int) (uint16, uint8), next int) {
	d.data, d.next = d.data[:0], next
	for i := lo; i < hi; i++ {
		prio, gen := entry(i)
		d.data = binary.LittleEndian.AppendUint16(d.data, prio)
		d.data = append(d.data, gen)
	}
}

func (d *scriptDisk) Write(slot, bucket int) error {
	d.s.printf("prio_io slot=%d bucket=%d next=%d data=%016x\n",
		slot, bucket, d.next, fnv1a(fnvOffset, d.data))
	return nil
}

func (d *scriptDisk) Journal(uint64, []uint32) error { return nil }

// Hash is an FNV-1a of everything known about the buckets, to compare runs:
// gen, last_gc, and as little-endian 16 bits prio, gc_mark and pin.
func (c *Cache) Hash() uint64 {
	h := uint64(fnvOffset)
	for i := c.cfg.FirstBucket; i < len(c.buckets); i++ {
		b := &c.buckets[i]
		var p [8]byte
		p[0], p[1] = b.gen, b.lastGC
		binary.LittleEndian.PutUint16(p[2:], b.prio)
		binary.LittleEndian.PutUint16(p[4:], b.gcMark)
		binary.LittleEndian.PutUint16(p[6:], uint16(c.pins(uint32(i))))
		h = fnv1a(h, p[:])
	}
	return h
}
