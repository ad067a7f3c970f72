// SPDX-License-Identifier: GPL-2.0-only

package ondisk

// SectorBytes is the unit of every offset and size on disk.
const SectorBytes = 512

// Sector is a count or a position in 512-byte sectors.
type Sector uint64

// Bytes is s in bytes.
func (s Sector) Bytes() int64 { return int64(s) * SectorBytes }

// Bucket is the number of a bucket, counted from the start of the device.
type Bucket uint64

// GenAfter is gen_after: how far gen a is ahead of gen b, 0 to 128; 0 also where it is behind.
func GenAfter(a, b uint8) uint8 {
	if d := a - b; d <= 128 {
		return d
	}
	return 0
}

// Limits of the kernel's in-memory structures that a device must keep to.
const (
	MaxCachesPerSet = 8      // MAX_CACHES_PER_SET: a pointer's device below it is looked up
	GenLimit        = 96     // BUCKET_GC_GEN_MAX: a pointer may lag this far behind its bucket
	BtreePrio       = 0xffff // BTREE_PRIO: of a bucket that holds a node
	InitialPrio     = 0x8000 // INITIAL_PRIO: of a bucket just handed out
	PageSectors     = 8      // of the 4 KiB page of the machines bctl reads for
	MaxJsetBytes    = 4096 << 3
)
