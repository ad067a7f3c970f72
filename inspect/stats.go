// SPDX-License-Identifier: GPL-2.0-only

package inspect

import "bctl/internal/bcache/ondisk"

// PriorityStats is what the kernel shows as priority_stats, for the state of the cache right after registration.
type PriorityStats struct {
	UnusedPct          uint64     `json:"unused_pct"` // buckets that count no sectors: free ones and the journal's
	CleanPct           uint64     `json:"clean_pct"`
	DirtyPct           uint64     `json:"dirty_pct"`
	MetadataPct        uint64     `json:"metadata_pct"`
	AveragePrio        uint64     `json:"average_prio"` // how far below the highest, on average
	SectorsPerQuantile uint64     `json:"sectors_per_quantile"`
	Quantiles          [31]uint16 `json:"quantiles"` // of the same, over the buckets with a prio
}

// PriorityStats computes bch_cache_show's figures. Buckets before the first count nowhere, but in the total.
func (c *Cache) PriorityStats() (s PriorityStats) {
	t, total := c.Buckets, uint64(c.Buckets.Len())
	var unused, clean, dirty, meta uint64
	var having prioCounts
	for b := c.Geo.FirstBucket; b < t.Len(); b++ {
		if t.Sectors(b) == 0 && !t.has(b, flagNode|flagPrio|flagUUID) {
			unused++ // those were handed out by the allocator, which counts them as full
		}
		switch t.Mark(b) {
		case Clean:
			clean++
		case Dirty:
			dirty++
		case Metadata:
			meta++
		}
		having[t.registeredPrio(b)]++
	}
	having[0], having[ondisk.BtreePrio] = 0, 0 // unused, and nodes: neither is reclaimed
	n, sum := having.sums()
	s = PriorityStats{
		UnusedPct: unused * 100 / total, CleanPct: clean * 100 / total, DirtyPct: dirty * 100 / total,
		MetadataPct: meta * 100 / total, SectorsPerQuantile: n * uint64(c.Geo.BucketSectors) / 32,
	}
	if n == 0 {
		return s
	}
	s.AveragePrio = sum / n
	p, above := ondisk.BtreePrio, uint64(0) // how many have a prio of p or more
	for i := range s.Quantiles {
		for ; above <= n*uint64(i+1)/32; p-- {
			above += having[p-1]
		}
		s.Quantiles[i] = belowInitial(p)
	}
	return s
}

// prioCounts says how many buckets have each prio.
type prioCounts [ondisk.BtreePrio + 1]uint64

// sums returns how many buckets there are, and how far below the initial prio they are together.
func (c *prioCounts) sums() (n, sum uint64) {
	for p, count := range c {
		n += count
		sum += count * uint64(belowInitial(p))
	}
	return n, sum
}

// belowInitial wraps as the kernel's does, for a prio above the initial one.
func belowInitial(p int) uint16 { return uint16(ondisk.InitialPrio - uint32(p)) }

// registeredPrio is the prio after bch_initial_mark_key: a node's bucket has the highest, and data never have it.
func (t *Buckets) registeredPrio(b ondisk.Bucket) uint16 {
	switch p := t.Prio(b); {
	case t.IsNode(b):
		return ondisk.BtreePrio
	case p == ondisk.BtreePrio && t.has(b, flagClean|flagDirty):
		return ondisk.InitialPrio
	default:
		return p
	}
}
