// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"cmp"
	"slices"

	"bctl/alloc"
	"bctl/alloc/blktrace"
)

// A moved is sectors that moving gc puts elsewhere.
type moved struct {
	volume    uint32
	sector, n uint64
	place     uint64
	dirty     bool
}

// movingGC is bch_moving_gc(): the buckets with the least live data, as many as fit the buckets that are kept for it,
// are emptied into those.
func (s *Sim) movingGC() {
	from := s.sparse()
	if len(from) == 0 {
		return
	}
	var list []moved
	for i := range s.m.pages {
		if p := &s.m.pages[i]; !p.empty() {
			list = s.collect(list, p, from)
		}
	}
	slices.SortFunc(list, func(a, b moved) int {
		return cmp.Or(cmp.Compare(a.volume, b.volume), cmp.Compare(a.sector, b.sector))
	})
	vol := s.vol
	for i := 0; i < len(list); {
		m := list[i]
		for i++; i < len(list) && m.joins(list[i], s.shift); i++ {
			m.n += list[i].n
		}
		s.vol = s.volume(m.volume)
		q := blktrace.Request{Volume: m.volume, Sector: m.sector, Sectors: uint32(m.n)}
		s.f.Moved += s.insert(&q, m.sector, m.n, insertion{dirty: m.dirty, wait: m.dirty, move: true})
		s.meta.skipped()
	}
	s.vol = vol
}

// joins reports whether next lies behind m in the volume and in the bucket.
func (m *moved) joins(next moved, shift uint) bool {
	return m.volume == next.volume && m.sector+m.n == next.sector && m.dirty == next.dirty &&
		m.place+m.n == next.place && m.place>>shift == next.place>>shift && m.n+next.n <= mostOfKey
}

// sparse chooses the buckets.
func (s *Sim) sparse() map[uint32]bool {
	snap := s.c.Snapshot()
	room := len(snap.Free[alloc.ReserveMovingGC].Buckets) << s.shift
	type candidate struct{ used, bucket int }
	var all []candidate
	for i := s.cfg.Alloc.FirstBucket; i < s.cfg.Alloc.NBuckets; i++ {
		b := s.c.Bucket(i)
		if b.Mark != alloc.MarkMetadata && b.Used > 0 && b.Used != s.cfg.Alloc.BucketSize && b.Pin == 0 {
			all = append(all, candidate{b.Used, i})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.used, b.used), cmp.Compare(a.bucket, b.bucket))
	})
	from := map[uint32]bool{}
	for _, c := range all {
		if room -= c.used; room < 0 {
			break
		}
		from[uint32(c.bucket)] = true
	}
	return from
}

// collect adds a page's pieces in the buckets to be emptied.
func (s *Sim) collect(list []moved, p *page, from map[uint32]bool) []moved {
	for i := range p.chunk {
		base := p.key.number*pageSize + uint64(i)*chunkSize
		s.m.lists.each(&p.chunk[i], func(x *piece) {
			if s.alive(*x) && from[uint32(x.sector()>>s.shift)] {
				list = append(list, moved{p.key.volume - 1, base + x.start(), x.length(), x.sector(), x.dirty()})
			}
		})
	}
	return list
}
