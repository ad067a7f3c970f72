// SPDX-License-Identifier: GPL-2.0-only

package alloc

import (
	"errors"
	"fmt"
	"math/bits"
)

// ErrConfig marks a Config that the kernel, or this model of it, would refuse.
var ErrConfig = errors.New("bad allocator configuration")

const (
	minBuckets = 513     // below, roundup_pow_of_two(nbuckets) >> 10 is 0 and cache_alloc refuses
	maxBuckets = 1 << 28 // ours: what is wanted in memory, not what the kernel could count to
	sectorSize = 512

	metaBucketSectors = 8192 // meta_bucket_pages() on x86-64 with 4 KiB pages: 4 MiB
	prioSetHeader     = 40   // offsetof(struct prio_set, data)
	bucketDiskSize    = 3    // sizeof(struct bucket_disk): le16 prio, u8 gen

	journalBucketsMin = 2
	journalBucketsMax = 256 // SB_JOURNAL_BUCKETS
)

// Config is the cache device that a Cache models.
type Config struct {
	Model       Model
	NBuckets    int    // buckets of the device, the ones before FirstBucket included
	BucketSize  int    // sectors, a power of two
	BlockSize   int    // sectors
	FirstBucket int    // the first bucket the allocator may touch
	NJournal    int    // journal buckets, they size the btree reserve; 0 means 8
	Policy      Policy // cache_replacement_policy
	Discard     bool   // discard buckets on their way to the free lists
	Sync        bool   // CACHE_SYNC: gens reach the disk before a bucket is used
	Seed        uint64 // of the random policy

	// Prios stores the prio sets; nil counts the writes and stores nothing.
	Prios PrioWriter
	// Trace is told every decision; nil costs nothing.
	Trace Tracer
}

// DefaultConfig is a small device as the script language defines it.
func DefaultConfig() Config {
	return Config{
		Model: DefaultModel(), NBuckets: 1024, BucketSize: 1024, BlockSize: 8,
		FirstBucket: 1, Sync: true, Seed: 1,
	}
}

// Validate reports the first thing wrong with c; the error wraps ErrConfig.
func (c Config) Validate() error {
	bad := func(format string, a ...any) error {
		return fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, a...))
	}
	switch {
	case c.Model.OpenBuckets < 1 || c.Model.OpenBuckets > maxOpenBuckets:
		return bad("model %q has %d open buckets", c.Model.Name, c.Model.OpenBuckets)
	case c.NBuckets < minBuckets:
		return bad("%d buckets, the kernel needs at least %d", c.NBuckets, minBuckets)
	case c.NBuckets > maxBuckets:
		return bad("%d buckets, at most %d can be modelled", c.NBuckets, maxBuckets)
	case c.BucketSize < 1 || c.BucketSize&(c.BucketSize-1) != 0:
		return bad("bucket size of %d sectors is not a power of two", c.BucketSize)
	case c.BucketSize > 1<<20:
		return bad("bucket size of %d sectors, at most %d can be modelled", c.BucketSize, 1<<20)
	case c.BlockSize < 1 || c.BlockSize > c.BucketSize:
		return bad("block size of %d sectors in buckets of %d", c.BlockSize, c.BucketSize)
	case c.FirstBucket < 1 || c.FirstBucket >= c.NBuckets:
		return bad("first bucket %d of %d", c.FirstBucket, c.NBuckets)
	case c.NJournal < 0 || c.NJournal > journalBucketsMax:
		return bad("%d journal buckets, at most %d", c.NJournal, journalBucketsMax)
	case !c.Policy.valid():
		return bad("replacement policy %d", c.Policy)
	}
	return nil
}

// unit is the number every list size derives from.
func (c Config) unit() int { return roundupPowerOfTwo(c.NBuckets) >> 10 }

// prioSlots is prio_buckets(): how many buckets one full set of prios takes.
func (c Config) prioSlots() int {
	per := c.priosPerBucket()
	return (c.NBuckets + per - 1) / per
}

// priosPerBucket is prios_per_bucket().
func (c Config) priosPerBucket() int {
	return (min(c.BucketSize, metaBucketSectors)*sectorSize - prioSetHeader) / bucketDiskSize
}

// btreeReserve is the asked-for size of RESERVE_BTREE, before init_fifo rounds it.
func (c Config) btreeReserve() int {
	if c.Model.BtreeByJournal && c.NJournal > 0 {
		return c.NJournal
	}
	return 8
}

// freshJournal is the number of journal buckets a first registration lays down.
func (c Config) freshJournal() int {
	return min(max(c.NBuckets>>7, journalBucketsMin), journalBucketsMax)
}

func roundupPowerOfTwo(n int) int { return 1 << bits.Len(uint(n-1)) }
