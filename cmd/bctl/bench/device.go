// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"context"
	"fmt"

	"bctl/alloc"
	"bctl/alloc/cachesim"
	"bctl/cmd/bctl/app"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// startFrom takes the model's first state from a device, which is only read.
func (o *benchOptions) startFrom(ctx context.Context, io *app.IO) error {
	dev, err := app.OpenDevice(io, o.name)
	if err != nil {
		return err
	}
	defer dev.Close()
	var found finding.Collector
	cache, err := app.OpenCache(ctx, o.name, dev, io, &found)
	if err != nil {
		return err
	}
	if n := found.Count(finding.Damage); n > 0 {
		return app.WithHint(fmt.Errorf("%s: damaged (%d findings), so its gens and marks mean nothing", o.name, n), "see bctl fsck %s", o.name)
	}
	o.takeCache(cache)
	return nil
}

// takeCache makes a cache that was read the one to start from.
func (o *benchOptions) takeCache(cache *inspect.Cache) {
	o.count, o.buckets = int(cache.Geo.NBuckets), []int{int(cache.Geo.BucketSectors)}
	o.geo = deviceShape{int(cache.Geo.FirstBucket), int(cache.Geo.BlockSectors)}
	o.device = deviceOf(cache)
}

// deviceOf is what was read of a cache, as the allocator sees it after registration. A bucket's last_gc is the gen of
// the oldest pointer to it.
func deviceOf(cache *inspect.Cache) *cachesim.Device {
	t, g := cache.Buckets, &cache.Geo
	d := &cachesim.Device{Buckets: make([]alloc.Bucket, g.NBuckets)}
	for b := range g.NBuckets {
		to := alloc.Bucket{Prio: t.Prio(b), Gen: t.Gen(b), LastGC: t.Gen(b) - t.Lag(b), Used: int(t.Sectors(b))}
		switch t.Mark(b) {
		case inspect.Clean:
			to.Mark = alloc.MarkReclaimable
		case inspect.Dirty:
			to.Mark = alloc.MarkDirty
		case inspect.Metadata:
			to.Mark = alloc.MarkMetadata
		}
		if t.IsNode(b) {
			to.Prio = ondisk.BtreePrio
			d.Nodes = append(d.Nodes, int(b))
		}
		d.Buckets[b] = to
	}
	for i := range g.NJournal {
		d.Journal = append(d.Journal, int(g.FirstBucket)+int(i))
	}
	if cache.Journal != nil && cache.Journal.Newest != nil {
		d.UUID = int(g.BucketOf(cache.Journal.Newest.UUIDBucket.Ptr[0].Offset()))
	}
	for _, l := range cache.Chain.Links {
		d.Buckets[l.Bucket].Mark = alloc.MarkFree // gc marks the chain that is current then
		d.Prios = append(d.Prios, int(l.Bucket))
		d.PrioSeq = max(d.PrioSeq, l.Seq)
	}
	return d
}
