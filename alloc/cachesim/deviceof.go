// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"bctl/alloc"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
)

// DeviceOf is what was read of a cache, as the allocator sees it after registration. A bucket's last_gc is the gen of
// the oldest pointer to it.
func DeviceOf(cache *inspect.Cache) *Device {
	t, g := cache.Buckets, &cache.Geo
	d := &Device{Buckets: make([]alloc.Bucket, g.NBuckets)}
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
