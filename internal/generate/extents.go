// SPDX-License-Identifier: GPL-2.0-only

package generate

import "bctl/internal/bcache/ondisk"

// extents makes them one by one, in the order of their keys.
type extents struct {
	m           *maker
	live, dirty picker
	volume      int
	end         ondisk.Sector // of the last, in its volume
	slot        uint64
}

// gapBlocks is how far apart neighbours in a volume are at most. Half of them touch.
const gapBlocks = 64

// next is extent i of total.
func (x *extents) next(i, total int64) ondisk.Bkey {
	m := x.m
	block := m.set.Geo.BlockSectors
	if v := int(i * int64(m.Volumes) / total); i == 0 || v > x.volume {
		x.volume, x.end = v, (ondisk.DataStartDefault+block-1)/block*block
	}
	if m.rnd.next()%2 == 0 {
		x.end += block * ondisk.Sector(m.rnd.below(gapBlocks))
	}
	size := block * ondisk.Sector(1+m.rnd.below(uint64(m.layout.slot/block)))
	x.end += size
	k := ondisk.MakeKey(uint32(x.volume), x.end, size)
	k.SetPtrs(1)
	if x.live.take(&m.rnd) {
		at := m.layout.at(&m.set.Geo, x.slot)
		x.slot++
		b := m.set.Geo.BucketOf(at)
		m.used[b/64] |= 1 << (b % 64)
		m.result.Live += size
		k.SetDirty(x.dirty.take(&m.rnd))
		k.Ptr[0] = ondisk.MakePtr(m.gen(b), at, 0)
		return k
	}
	at := m.layout.at(&m.set.Geo, m.rnd.below(m.layout.order.n))
	k.Ptr[0] = ondisk.MakePtr(m.gen(m.set.Geo.BucketOf(at))-1, at, 0) // of an older use of the bucket
	return k
}

// A picker picks want of the next have, each as likely as any other.
type picker struct{ want, have int64 }

func (p *picker) take(r *rng) bool {
	yes := r.below(uint64(p.have)) < uint64(p.want)
	p.have--
	if yes {
		p.want--
	}
	return yes
}
