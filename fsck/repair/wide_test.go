// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/damages"
)

// envWide, if set, has TestRandomFlips plant what hits more than a spot: blocks that are swapped, stale or elsewhere,
// many sectors, devices that are cut off.
const envWide = "BCTL_REPAIR_WIDE"

// pageBytes is a block that a drive or a layer above it may write in the wrong place.
const pageBytes = 4096

// pageOf is a block of a spot, by its place on the device.
func pageOf(rnd *rand.Rand, at spot) int64 {
	return at.off/pageBytes*pageBytes + rnd.Int64N((at.n+pageBytes-1)/pageBytes)*pageBytes
}

// A wideHit damages a scene from a spot on.
type wideHit struct {
	kind string
	do   func(rnd *rand.Rand, s *damages.Scene, at, other spot)
}

var wideHits = []wideHit{
	{"bits here and there", func(rnd *rand.Rand, _ *damages.Scene, at, _ spot) {
		at.dev.Edit(at.off, int(at.n), func(b []byte) {
			for range 2 + rnd.IntN(30) {
				b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(8)
			}
		})
	}},
	{"sectors of garbage", func(rnd *rand.Rand, _ *damages.Scene, at, _ spot) {
		at.dev.Edit(at.off, int(at.n), func(b []byte) {
			for range 1 + rnd.IntN(4) {
				garbage(rnd, some(rnd, b, ondisk.SectorBytes, ondisk.SectorBytes))
			}
		})
	}},
	{"page of zeros", func(rnd *rand.Rand, _ *damages.Scene, at, _ spot) {
		at.dev.Put(pageOf(rnd, at), make([]byte, pageBytes))
	}},
	{"pages swapped", func(rnd *rand.Rand, _ *damages.Scene, at, other spot) {
		a, b := pageOf(rnd, at), pageOf(rnd, other)
		x, y := at.dev.Bytes(a, pageBytes), other.dev.Bytes(b, pageBytes)
		at.dev.Put(a, y)
		other.dev.Put(b, x)
	}},
	{"a page of elsewhere", func(rnd *rand.Rand, _ *damages.Scene, at, other spot) {
		at.dev.Put(pageOf(rnd, at), other.dev.Bytes(pageOf(rnd, other), pageBytes))
	}},
	{"a page of data", func(rnd *rand.Rand, _ *damages.Scene, at, _ spot) {
		from := rnd.Int64N(at.dev.Size()/pageBytes) * pageBytes
		at.dev.Put(pageOf(rnd, at), at.dev.Bytes(from, pageBytes))
	}},
	{"the page beside it", func(rnd *rand.Rand, _ *damages.Scene, at, _ spot) {
		to := pageOf(rnd, at)
		at.dev.Put(to, at.dev.Bytes(max(0, to-pageBytes), pageBytes))
	}},
	{"cut off", func(rnd *rand.Rand, s *damages.Scene, at, _ spot) {
		at.dev.Resize(max(1<<20, at.dev.Size()-(1+rnd.Int64N(1<<uint(rnd.IntN(12))))*pageBytes))
	}},
}

// strikeWide plants one such damage, and says which, and whether it hit the newest journal entry.
func strikeWide(rnd *rand.Rand, s *damages.Scene, all map[string][]spot) (what string, torn bool) {
	kinds := kindsOf(all)
	kind := kinds[rnd.IntN(len(kinds))]
	at := all[kind][rnd.IntN(len(all[kind]))]
	kind = kinds[rnd.IntN(len(kinds))]
	other := all[kind][rnd.IntN(len(all[kind]))]
	how := wideHits[rnd.IntN(len(wideHits))]
	var newest []byte
	var off int64
	if e := s.Entries(); len(e) > 0 {
		j := e[len(e)-1]
		off = j.Sector.Bytes()
		newest = s.Bytes(off, int(j.Bytes))
	}
	how.do(rnd, s, at, other)
	torn = newest != nil && !slices.Equal(newest, s.Bytes(off, len(newest)))
	return fmt.Sprintf("%s, %s at byte %d (other %s at %d)", at.kind, how.kind, at.off, other.kind, other.off), torn
}
