// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import "bctl/alloc"

// gc is bch_btree_gc(): every bucket's mark and live sectors as the extent map has them, and no stale pointer left.
// What is held keeps its mark.
func (s *Sim) gc() {
	cfg := s.c.Config()
	s.sectorsToGC = int64(cfg.NBuckets) * int64(cfg.BucketSize) / gcShare
	s.f.GCs++
	s.c.GCStart()
	for i := cfg.FirstBucket; i < cfg.NBuckets; i++ {
		b := s.c.Bucket(i)
		if b.Pin > 0 {
			continue
		}
		b.Mark, b.Used = alloc.MarkFree, int(s.live[i])
		switch {
		case s.node[i]:
			b.Mark, b.Used = alloc.MarkMetadata, s.meta.nodeSectors
		case s.dirty[i] > 0:
			b.Mark = alloc.MarkDirty
		case s.live[i] > 0:
			b.Mark = alloc.MarkReclaimable
		}
		if b.Mark != alloc.MarkFree {
			s.c.SetBucket(i, b)
		}
	}
	s.c.GCFinish()
}
