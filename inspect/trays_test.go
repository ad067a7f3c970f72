// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"math/rand/v2"
	"slices"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/superblock"
)

// Keys that went over trays leave what keys leave that were looked at one by one; where they cannot, the walk is taken
// back.
func TestTrays(t *testing.T) {
	back := 0
	for seed := range uint64(24) {
		rnd := rand.New(rand.NewPCG(seed, 16))
		block := ondisk.Sector(1) << rnd.IntN(4)
		g := superblock.Sizes(block, block<<(3+rnd.IntN(8)), 1, 3*1<<trayShift+77)
		raise := rnd.IntN(3) == 0
		start := func() *marker {
			c := &Cache{Geo: g, o: Options{Size: 1 << 40, Sink: func(finding.Finding) {}}}
			c.Buckets = newBuckets(&g)
			for b := range c.Buckets.Len() {
				c.Buckets.load(b, ondisk.PrioEntry{Gen: uint8(b % 7)})
			}
			c.Buckets.set(g.NBuckets-1, flagNode)
			return newMarker(c, true)
		}
		one, over := start(), start()
		one.trays, over.trays.size = nil, 5+rnd.IntN(30)
		volumes := []int{1, 4, traySlots * 2}[rnd.IntN(3)]
		var keys []byte
		for range 20000 {
			size := block * ondisk.Sector(1+rnd.IntN(4))
			b := g.FirstBucket + ondisk.Bucket(rnd.Uint64N(uint64(g.NBuckets-g.FirstBucket)-1))
			in := block * ondisk.Sector(rnd.IntN(int((g.BucketSectors-size)/block)+1))
			gen, dirty := uint8(b%7), rnd.IntN(3) == 0
			switch rnd.IntN(5000) {
			case 0:
				in++ // not a whole block, or across the end
			case 1, 2, 3, 4, 5:
				gen, dirty = gen-uint8(rnd.IntN(90)), false
			case 6:
				if raise {
					gen++
				}
			case 7:
				if raise {
					b = g.NBuckets - 1
				}
			}
			k := ondisk.MakeKey(uint32(rnd.IntN(volumes)), ondisk.Sector(1<<20)+size, size)
			k.SetPtrs(1)
			k.SetDirty(dirty)
			k.Ptr[0] = ondisk.MakePtr(gen, g.Start(b)+in, uint64(g.ThisDev))
			keys = k.Append(keys)
		}
		one.keys(keys)
		over.keys(keys)
		over.putAway()
		if over.over || over.c.Buckets.raised.Load() {
			back++
			if len(one.held) == 0 && !one.c.Buckets.raised.Load() {
				t.Fatalf("seed %d: taken back for nothing", seed)
			}
			continue
		}
		if one.c.Buckets.raised.Load() || len(one.held) != len(over.held) || one.judge.shared != over.judge.shared {
			t.Fatalf("seed %d: %d held, want %d; shared %v, want %v", seed, len(over.held), len(one.held), over.judge.shared, one.judge.shared)
		}
		for b := range one.c.Buckets.Len() {
			got, want := over.c.Buckets.of[b]&^ownMask, one.c.Buckets.of[b]&^ownMask // volumes are numbered as they come
			if got != want || len(one.c.Buckets.cells) > 0 && over.c.Buckets.cells[b] != one.c.Buckets.cells[b] || over.c.Buckets.Sectors(b) != one.c.Buckets.Sectors(b) || !slices.Equal(over.c.Buckets.Inodes(b), one.c.Buckets.Inodes(b)) {
				t.Fatalf("seed %d, bucket %d: %x of %v, want %x of %v", seed, b, got, over.c.Buckets.Inodes(b), want, one.c.Buckets.Inodes(b))
			}
		}
		for i, v := range one.tally.vols {
			if got := over.tally.vols[i]; got == nil || *got != *v {
				t.Fatalf("seed %d, volume %d: %+v, want %+v", seed, i, got, v)
			}
		}
	}
	if back == 0 || back > 12 {
		t.Errorf("%d of 24 taken back", back)
	}
}

// Eight keys at once make the rows that they make one by one, up to the first odd one.
func TestLikeEight(t *testing.T) {
	if !hasLikeEight() {
		t.Skip("this processor cannot")
	}
	rnd := rand.New(rand.NewPCG(17, 18))
	whole := 0
	for range 20000 {
		shift := 4 + rnd.IntN(13)
		k := likeArgs{
			inode: rnd.Uint64N(3), end: 1 << 40, dev: rnd.Uint64N(2) << ptrDev, first: 1 + rnd.Uint64N(3), count: 1 + rnd.Uint64N(1<<26),
			bucket: 1 << shift, blocks: 1<<rnd.IntN(4) - 1, slot: rnd.Uint64N(traySlots) << traySlot, shift: uint64(shift),
		}
		var keys []byte
		for range rnd.IntN(50) {
			size := (1 + rnd.Uint64N(2)) * (k.blocks + 1)
			at := (k.first+rnd.Uint64N(k.count))<<shift + rnd.Uint64N(k.bucket-size+1)&^k.blocks
			b := ondisk.MakeKey(uint32(k.inode), ondisk.Sector(rnd.Uint64N(1<<39)&^k.blocks), ondisk.Sector(size))
			b.SetDirty(rnd.IntN(2) == 0)
			b.SetPtrs(1)
			b.Ptr[0] = ondisk.MakePtr(uint8(rnd.Uint32()), ondisk.Sector(at), k.dev>>ptrDev)
			switch rnd.IntN(150) {
			case 0:
				b.Low ^= 1 << rnd.IntN(64)
			case 1:
				b.High ^= 1 << rnd.IntN(64)
			case 2:
				b.Ptr[0] ^= 1 << rnd.IntN(64)
			case 3:
				b.Low = k.end + rnd.Uint64N(3) - 1
			case 4:
				b.Ptr[0] = ondisk.MakePtr(1, ondisk.Sector((k.first+k.count)<<shift), k.dev>>ptrDev)
			}
			words := b.Append(nil)
			keys = append(keys, append(words, 0, 0, 0, 0, 0, 0, 0, 0)[:24]...)
		}
		var one, eight made
		want, sum, dirt := k.each(keys, 0, &one, 0, 0)
		if len(keys) < 8*24 {
			continue
		}
		got := 8 * likeEight(&keys[0], len(keys)/24/8, &k, &eight)
		if got != want&^7 {
			t.Fatalf("%+v: %d like most, want %d", k, got, want&^7)
		}
		s, d := uint64(0), uint64(0)
		for i := range eight.sum {
			s, d = s+eight.sum[i], d+eight.dirt[i]
		}
		got, s, d = k.each(keys, got, &eight, s, d)
		if got != want || s != sum || d != dirt || eight.rows != one.rows || eight.trays != one.trays {
			t.Fatalf("%+v: %d rows, sums %d and %d, want %d, %d and %d; or the rows differ", k, got, s, d, want, sum, dirt)
		}
		if got == len(keys)/24 {
			whole++
		}
	}
	if whole < 1000 || whole > 19000 {
		t.Errorf("%d of 20000 whole", whole)
	}
}

// Rows lie on their trays as they do when they are laid one by one, up to the first that fills one.
func TestLayRows(t *testing.T) {
	if !hasLayRows {
		t.Skip("not here")
	}
	rnd := rand.New(rand.NewPCG(19, 20))
	filled := 0
	for range 2000 {
		count, size := 1+rnd.IntN(9), trayLine+rnd.IntN(40)
		start := func() *trays {
			s := &trays{size: size, full: make([]uint32, count)}
			s.rows = make([]uint64, count*s.stride())
			return s
		}
		one, many := start(), start()
		for i := range one.full {
			one.full[i] = uint32(rnd.IntN(size))
		}
		copy(many.full, one.full)
		for i := range one.made.rows {
			one.made.rows[i], one.made.trays[i] = rnd.Uint64(), uint32(rnd.IntN(count))
		}
		many.made = one.made
		at := rnd.IntN(trayRun)
		n := at + 1 + rnd.IntN(trayRun-at)
		want := one.layEach(at, n)
		if got := layRows(&many.made, at, n, &many.rows[0], &many.full[0], many.stride(), size); got != want || !slices.Equal(many.rows, one.rows) || !slices.Equal(many.full, one.full) {
			t.Fatalf("%d trays of %d, rows %d to %d: up to %d, want %d; or they lie elsewhere", count, size, at, n, got, want)
		}
		if want < n {
			filled++
		}
	}
	if filled < 200 || filled > 1800 {
		t.Errorf("%d of 2000 filled a tray", filled)
	}
}
