// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"slices"

	"bctl/internal/bcache/ondisk"
)

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
	prios := make([]uint16, total)
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
		prios[b] = t.registeredPrio(b)
	}
	slices.Sort(prios)
	slices.Reverse(prios)
	for len(prios) > 0 && prios[len(prios)-1] == 0 {
		prios = prios[:len(prios)-1]
	}
	for len(prios) > 0 && prios[0] == ondisk.BtreePrio {
		prios = prios[1:]
	}
	n := uint64(len(prios))
	sum := uint64(0)
	for _, p := range prios {
		sum += uint64(uint16(ondisk.InitialPrio - uint32(p)))
	}
	s = PriorityStats{
		UnusedPct: unused * 100 / total, CleanPct: clean * 100 / total, DirtyPct: dirty * 100 / total,
		MetadataPct: meta * 100 / total, SectorsPerQuantile: n * uint64(c.Geo.BucketSectors) / 32,
	}
	if n == 0 {
		return s
	}
	s.AveragePrio = sum / n
	for i := range s.Quantiles {
		s.Quantiles[i] = uint16(ondisk.InitialPrio - uint32(prios[n*uint64(i+1)/32]))
	}
	return s
}

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
