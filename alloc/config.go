// SPDX-License-Identifier: GPL-2.0-only

package alloc

import (
	"errors"
	"fmt"
	"math/bits"

	"bctl/internal/bcache/ondisk"
	"bctl/superblock"
)

// ErrConfig marks a Config that the kernel, or this model of it, would refuse.
var ErrConfig = errors.New("bad allocator configuration")

// How many buckets a cache may have: with fewer the kernel's cache_alloc refuses, more are not wanted in memory here.
const (
	MinBuckets = superblock.MinBuckets
	MaxBuckets = 1 << 28
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

	// SlowPrios: a prio write of the allocator thread takes its buckets at once,
	// and ends when PriosWritten is called.
	SlowPrios bool

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
	case c.NBuckets < MinBuckets:
		return bad("%d buckets, the kernel needs at least %d", c.NBuckets, MinBuckets)
	case c.NBuckets > MaxBuckets:
		return bad("%d buckets, at most %d can be modelled", c.NBuckets, MaxBuckets)
	case c.BucketSize < 1 || c.BucketSize&(c.BucketSize-1) != 0:
		return bad("bucket size of %d sectors is not a power of two", c.BucketSize)
	case c.BucketSize > 1<<20:
		return bad("bucket size of %d sectors, at most %d can be modelled", c.BucketSize, 1<<20)
	case c.BlockSize < 1 || c.BlockSize > c.BucketSize:
		return bad("block size of %d sectors in buckets of %d", c.BlockSize, c.BucketSize)
	case c.FirstBucket < 1 || c.FirstBucket >= c.NBuckets:
		return bad("first bucket %d of %d", c.FirstBucket, c.NBuckets)
	case c.NJournal < 0 || c.NJournal > ondisk.JournalBuckets:
		return bad("%d journal buckets, at most %d", c.NJournal, ondisk.JournalBuckets)
	case !c.Policy.valid():
		return bad("replacement policy %d", c.Policy)
	}
	return nil
}

// unit is the number every list size derives from.
func (c Config) unit() int { return roundupPowerOfTwo(c.NBuckets) >> 10 }

// geometry is the device's sizes as its superblock gives them.
func (c Config) geometry() superblock.Geometry {
	return superblock.Sizes(ondisk.Sector(c.BlockSize), ondisk.Sector(c.BucketSize), ondisk.Bucket(c.FirstBucket), ondisk.Bucket(c.NBuckets))
}

// btreeReserve is the asked-for size of RESERVE_BTREE, before init_fifo rounds it.
func (c Config) btreeReserve() int {
	switch {
	case c.Model.BtreeByBuckets:
		return superblock.BtreeReserve616(uint64(c.NBuckets))
	case c.Model.BtreeByJournal && c.NJournal > 0:
		return c.NJournal
	}
	return 8
}

func roundupPowerOfTwo(n int) int { return 1 << bits.Len(uint(n-1)) }
