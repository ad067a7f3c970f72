// SPDX-License-Identifier: GPL-2.0-only

package superblock

import (
	"fmt"
	"math"
	"math/bits"

	"bctl/internal/bcache/ondisk"
)

// Geometry is the sizes that follow from a cache's superblock. Every conversion between sectors, buckets and
// bytes goes through it.
type Geometry struct {
	BlockSectors  ondisk.Sector // the unit of every write
	BucketSectors ondisk.Sector
	MetaSectors   ondisk.Sector // meta_bucket_pages: of a prio bucket and the uuid bucket
	NodeSectors   ondisk.Sector // btree_pages: of a btree node
	FirstBucket   ondisk.Bucket
	NBuckets      ondisk.Bucket
	NJournal      int // journal buckets, from FirstBucket on
	ThisDev       int // nr_this_dev
	SetMagic      uint64
	Discard       bool // journal buckets done with may have been discarded
}

// Metadata is read and written at most so much at a time: MAX_ORDER_NR_PAGES of 4 KiB.
const maxMetaSectors = ondisk.Sector(4 << 20 / ondisk.SectorBytes)

// A node of a larger metadata bucket takes a quarter of it, but not less than this: BTREE_MAX_PAGES.
const nodeSectorsLimit = ondisk.Sector(256 << 10 / ondisk.SectorBytes)

// BucketSectors is get_bucket_size: in sectors, or 0 where the logarithm overflows.
func BucketSectors(s *ondisk.Super) ondisk.Sector {
	size := ondisk.Sector(s.BucketSize)
	switch {
	case s.Version < ondisk.VersionCacheFeat:
	case s.FeatureIncompat&ondisk.FeatureLogBucketSize != 0:
		if size > 31 {
			return 0
		}
		return 1 << size
	case s.FeatureIncompat&ondisk.FeatureObsoLargeBucket != 0:
		return size + ondisk.Sector(s.ObsoBucketSizeHi)<<16
	}
	return size
}

// NewGeometry derives the sizes. Errors wrap those of Check that leave no sizes to derive.
func NewGeometry(s *ondisk.Super) (Geometry, error) {
	bucket := BucketSectors(s)
	switch {
	case s.BlockSize == 0 || bits.OnesCount16(s.BlockSize) != 1:
		return Geometry{}, fmt.Errorf("%w: %d sectors", ErrBlockSize, s.BlockSize)
	case s.BlockSize > ondisk.PageSectors*16: // of a 64 KiB page: a wrong one is Check's to name
		return Geometry{}, fmt.Errorf("%w: %d sectors", ErrBlockPage, s.BlockSize)
	case bucket == 0 || bits.OnesCount64(uint64(bucket)) != 1:
		return Geometry{}, fmt.Errorf("%w: %d sectors", ErrBucketSize, bucket)
	case bucket < ondisk.PageSectors:
		return Geometry{}, fmt.Errorf("%w: %d sectors", ErrBucketPage, bucket)
	case bucket < ondisk.Sector(s.BlockSize):
		return Geometry{}, fmt.Errorf("%w: block of %d sectors, bucket of %d", ErrBucketBlocks, s.BlockSize, bucket)
	case s.Nbuckets == 0 || s.Nbuckets > uint64(math.MaxInt64)/ondisk.SectorBytes/uint64(bucket): // Size is in bytes
		return Geometry{}, fmt.Errorf("%w: %d", ErrTooManyBuckets, s.Nbuckets)
	case s.Keys > ondisk.JournalBuckets:
		return Geometry{}, fmt.Errorf("%w: %d", ErrJournalCount, s.Keys)
	}
	g := Sizes(ondisk.Sector(s.BlockSize), bucket, ondisk.Bucket(s.FirstBucket), ondisk.Bucket(s.Nbuckets))
	g.NJournal, g.ThisDev, g.SetMagic, g.Discard = int(s.Keys), int(s.NrThisDev), s.SetMagic(), s.Discard()
	if g.ThisDev >= ondisk.MaxCachesPerSet { // Check's to name; there is one cache in a set
		g.ThisDev = 0
	}
	return g, nil
}

// Sizes is the geometry of a cache of which no superblock is at hand: blocks and buckets in sectors, powers of two.
func Sizes(block, bucket ondisk.Sector, first, nbuckets ondisk.Bucket) Geometry {
	g := Geometry{
		BlockSectors: block, BucketSectors: bucket, MetaSectors: min(bucket, maxMetaSectors),
		FirstBucket: first, NBuckets: nbuckets,
	}
	g.NodeSectors = g.MetaSectors
	if g.NodeSectors > nodeSectorsLimit {
		g.NodeSectors = max(g.MetaSectors/4, nodeSectorsLimit)
	}
	return g
}

// Size is what the buckets take, from the start of the device.
func (g *Geometry) Size() int64 {
	return ondisk.Sector(uint64(g.NBuckets) * uint64(g.BucketSectors)).Bytes()
}

// Start is the first sector of bucket b: bucket_to_sector.
func (g *Geometry) Start(b ondisk.Bucket) ondisk.Sector { return ondisk.Sector(b) * g.BucketSectors }

// BucketOf is sector_to_bucket.
func (g *Geometry) BucketOf(s ondisk.Sector) ondisk.Bucket { return ondisk.Bucket(s / g.BucketSectors) }

// Remainder is bucket_remainder: how far s lies inside its bucket.
func (g *Geometry) Remainder(s ondisk.Sector) ondisk.Sector { return s & (g.BucketSectors - 1) }

// Blocks is bytes rounded up to whole blocks, in sectors: set_blocks.
func (g *Geometry) Blocks(bytes int64) ondisk.Sector {
	sectors := ondisk.Sector((bytes + ondisk.SectorBytes - 1) / ondisk.SectorBytes)
	return (sectors + g.BlockSectors - 1) / g.BlockSectors * g.BlockSectors
}

// Pad is b with zeroes up to the end of its last block.
func (g *Geometry) Pad(b []byte) []byte {
	return append(b, make([]byte, g.Blocks(int64(len(b))).Bytes()-int64(len(b)))...)
}

// Contains reports whether a pointer or a chain may name b: not the superblock's buckets, not past the end.
func (g *Geometry) Contains(b ondisk.Bucket) bool { return b >= g.FirstBucket && b < g.NBuckets }

// IsJournal reports whether b is a journal bucket.
func (g *Geometry) IsJournal(b ondisk.Bucket) bool {
	return b >= g.FirstBucket && b < g.FirstBucket+ondisk.Bucket(g.NJournal)
}

// PriosPerBucket is prios_per_bucket.
func (g *Geometry) PriosPerBucket() int {
	return int((g.MetaSectors.Bytes() - ondisk.PrioSetBytes) / ondisk.PrioEntryBytes)
}

// PrioBuckets is prio_buckets: how many sets the chain has.
func (g *Geometry) PrioBuckets() int {
	per := ondisk.Bucket(g.PriosPerBucket())
	return int((g.NBuckets + per - 1) / per)
}

// PrioSpan is which buckets set i of the chain covers: count of them, from first on.
func (g *Geometry) PrioSpan(i int) (first ondisk.Bucket, count int) {
	per := ondisk.Bucket(g.PriosPerBucket())
	first = ondisk.Bucket(i) * per
	return first, int(min(per, g.NBuckets-first))
}

// PrioPlace is where b's gen and prio stand: in which set of the chain, and which of its entries.
func (g *Geometry) PrioPlace(b ondisk.Bucket) (set, entry int) {
	per := ondisk.Bucket(g.PriosPerBucket())
	return int(b / per), int(b % per)
}

// NrUUIDs is c->nr_uuids: how many volumes the uuid bucket has slots for.
func (g *Geometry) NrUUIDs() int { return int(g.MetaSectors.Bytes() / ondisk.UUIDEntryBytes) }

// JournalCount is how many journal buckets the kernel makes of nbuckets at the first registration.
func JournalCount(nbuckets uint64) int {
	return int(min(max(nbuckets>>7, 2), ondisk.JournalBuckets))
}

// DataOffset is where a backing device's data starts, in sectors.
func DataOffset(s *ondisk.Super) ondisk.Sector {
	if s.Version == ondisk.VersionBacking {
		return ondisk.DataStartDefault
	}
	return ondisk.Sector(s.Nbuckets)
}
