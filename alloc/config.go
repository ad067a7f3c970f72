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

	// SampleOf is how many buckets a device has that this one stands for; 0: it
	// is one itself. Its lists are a share of that one's.
	SampleOf int

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
	case c.SampleOf != 0 && (c.SampleOf < c.NBuckets || c.SampleOf < MinBuckets || c.SampleOf > MaxBuckets || c.NBuckets < c.LeastSample()):
		return bad("%d buckets as a sample of %d", c.NBuckets, c.SampleOf)
	case c.NBuckets < MinBuckets && c.SampleOf == 0:
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
func (c Config) unit() int {
	if c.SampleOf > 0 {
		return 1 << (bits.Len(uint(c.share(roundupPowerOfTwo(c.SampleOf)>>10))) - 1) // the heap is of a power of two
	}
	return roundupPowerOfTwo(c.NBuckets) >> 10
}

// share is a sample's part of n, at least 1.
func (c Config) share(n int) int { return max(1, n*c.NBuckets/c.SampleOf) }

// Overhead is how many buckets hold no data once the allocator is at work: those before the first, journal, prios, uuids,
// a node, and what lies on its lists.
func (c Config) Overhead() int {
	geo := c.geometry()
	size := func(n int) int { return int(newFifo(n).size) }
	return c.FirstBucket + superblock.JournalCount(uint64(c.NBuckets)) + 3*geo.PrioBuckets() + 2 +
		size(c.btreeReserve()) + 2*size(c.unit()) + c.meanFreeInc(size(c.unit()<<2)) + 1
}

// Lists are how many buckets the list for everyone holds, and free_inc, and how many a set of prios takes.
func (c Config) Lists() (none, inc, prios int) {
	geo := c.geometry()
	return int(newFifo(c.unit()).size), int(newFifo(c.unit() << 2).size), geo.PrioBuckets()
}

// meanFreeInc is how many buckets wait on free_inc on average: it is filled at once, one goes into the allocator's hand at
// once, and so on until there are none. Those of lru are no such loss: they are what would be taken last of all.
func (c Config) meanFreeInc(size int) int {
	if c.Policy == LRU {
		return size * 3 / 4
	}
	return (size - 1) / 2
}

// sampleWritesPrios says whether a sample writes its prios for a refill: a set of them is as large a share of the
// buckets that become free as it is of the whole device's.
func (c *Cache) sampleWritesPrios() bool {
	full := c.cfg
	full.NBuckets, full.SampleOf = c.cfg.SampleOf, 0
	geo := full.geometry()
	whole := int(newFifo(full.unit()<<2).size) * len(c.prioBuckets)
	if c.prioDue += int(c.freeInc.size) * geo.PrioBuckets(); c.prioDue < whole {
		return false
	}
	c.prioDue -= whole
	return true
}

// LeastSample is the fewest buckets a sample may have: the lists at their smallest, and some data.
func (c Config) LeastSample() int { return c.FirstBucket + 22 }

// geometry is the device's sizes as its superblock gives them.
func (c Config) geometry() superblock.Geometry {
	return superblock.Sizes(ondisk.Sector(c.BlockSize), ondisk.Sector(c.BucketSize), ondisk.Bucket(c.FirstBucket), ondisk.Bucket(c.NBuckets))
}

// btreeReserve is the asked-for size of RESERVE_BTREE, before init_fifo rounds it.
func (c Config) btreeReserve() int {
	if c.SampleOf > 0 {
		full := c
		full.NBuckets, full.SampleOf = c.SampleOf, 0
		return c.share(full.btreeReserve())
	}
	switch {
	case c.Model.BtreeByBuckets:
		return superblock.BtreeReserve616(uint64(c.NBuckets))
	case c.Model.BtreeByJournal && c.NJournal > 0:
		return c.NJournal
	}
	return 8
}

func roundupPowerOfTwo(n int) int { return 1 << bits.Len(uint(n-1)) }
