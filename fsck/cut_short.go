// SPDX-License-Identifier: GPL-2.0-only

package fsck

import (
	"runtime"
	"slices"
	"sync/atomic"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/disk/full"
	"bctl/internal/workers"
)

// attaching is how many slots the kernel may have filled within the tenth of a second in which a journal entry waits.
const attaching = 8

// attachCutShort looks for the trace of an attach that a crash cut short: bch_cached_dev_attach writes the slots anew to
// a free bucket, has the journal lead there within a tenth of a second, and does not wait for it before it lets writes
// in. A crash in that time leaves a device in state dirty of which the cache knows nothing, and a bucket that nothing
// leads to, with today's slots and those of such devices. It returns that bucket.
//
// A slot that was lost later leaves such a bucket too, but then keys of its inode are in the cache, or it is older than
// the last registration of another.
func (c *checker) attachCutShort(u ondisk.UUID) (found ondisk.Bucket, ok bool) {
	table := c.slots()
	first, free := table.FirstEmpty()
	if c.c.Journal == nil || !free || !c.c.Known().All() {
		return 0, false
	}
	const run = 4096 // buckets that a worker takes at a time
	g := &c.c.Geo
	best := atomic.Int64{}
	n := (int(g.NBuckets-g.FirstBucket) + run - 1) / run
	workers.Each(c.ctx, max(1, runtime.GOMAXPROCS(0)), n, func() func(int) {
		slots := make([]byte, ondisk.UUIDEntryBytes*min(attaching, len(table)-int(first)))
		return func(i int) {
			from := g.FirstBucket + ondisk.Bucket(i*run)
			for b := from; b < min(from+run, g.NBuckets) && c.ctx.Err() == nil; b++ {
				at := g.Start(b).Bytes() + int64(first)*ondisk.UUIDEntryBytes
				if c.c.Buckets.Mark(b) != inspect.Free || full.ReadAt(c.dev.R, slots, at) != nil {
					continue
				}
				if _, near := uuids.Decode(slots, 1).Find(u); near && c.goesOn(table, b, u) {
					best.Store(int64(b))
				}
			}
		}
	})
	return ondisk.Bucket(best.Load()), best.Load() > 0
}

// goesOn reports whether bucket b holds the slots of table and, of those that are empty there, some that were filled
// later, that of u among them.
func (c *checker) goesOn(table uuids.Table, b ondisk.Bucket, u ondisk.UUID) bool {
	g := &c.c.Geo
	later, err := uuids.Read(c.dev.R, g, g.Start(b), 1)
	if err != nil || len(later) != len(table) || later.Garbage() > 0 {
		return false
	}
	last := uint32(0)
	for i := range table {
		if !table[i].UUID.IsZero() && later[i].UUID != table[i].UUID {
			return false
		}
		last = max(last, table[i].LastReg)
	}
	i, _ := later.Find(u)
	known := slices.ContainsFunc(c.c.Volumes, func(v *inspect.Volume) bool { return v.Inode == i })
	return !known && table.State(i) == uuids.Empty && later[i].FirstReg >= max(last, 1) && !later[i].FlashOnly() && later[i].Invalidated == 0
}
