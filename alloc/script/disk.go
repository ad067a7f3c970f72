// SPDX-License-Identifier: GPL-2.0-only

package script

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

// printedDisk is a PrioWriter that prints a hash of what would be written. Like
// the kernel it packs into one buffer, disk_buckets: of two prio writes of
// which one slept in the middle, that one writes what the other packed.
type printedDisk struct {
	s    *script
	data []byte // of the slot packed last
	next int
}

func newPrintedDisk(s *script) *printedDisk { return &printedDisk{s: s} }

// Pack keeps the slot's entries as they stand on disk: le16 prio, u8 gen.
func (d *printedDisk) Pack(_ uint64, _, lo, hi int, entry func(int) (uint16, uint8), next int) {
	d.data, d.next = d.data[:0], next
	for i := lo; i < hi; i++ {
		prio, gen := entry(i)
		d.data = binary.LittleEndian.AppendUint16(d.data, prio)
		d.data = append(d.data, gen)
	}
}

func (d *printedDisk) Write(slot, bucket int) error {
	d.s.printf("prio_io slot=%d bucket=%d next=%d data=%016x\n",
		slot, bucket, d.next, fnv1a(fnvOffset, d.data))
	return nil
}

func (d *printedDisk) Journal(uint64, []uint32) error { return nil }
