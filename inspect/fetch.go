// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"encoding/binary"
	"math/bits"

	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
)

// fetchKeys is how many keys' buckets are fetched before the first is looked at. They fit the nearest cache.
const fetchKeys = 96

// Fetch is for whoever goes through pieces one after the other and looks at the bucket of each, and is called at each of
// them, with its index: now and then it has the processor fetch the buckets of the next ones, many at a time, for most
// are not in its cache. It changes nothing, and may be called from several goroutines.
func (c *Cache) Fetch(keys btree.Keys, ps []btree.Piece, at int) {
	if at%fetchKeys == 0 {
		c.Buckets.fetch(keys, ps[at:min(at+fetchKeys, len(ps))], uint(bits.TrailingZeros64(uint64(c.Geo.BucketSectors))))
	}
}

// fetch answers, or the compiler would fetch nothing.
//
//go:noinline
func (t *Buckets) fetch(keys btree.Keys, ps []btree.Piece, shift uint) (seen uint32) {
	for i := range ps {
		if k := keys[ps[i].At:]; len(k) >= btree.PlainKey {
			if b := uint64(ondisk.Ptr(binary.LittleEndian.Uint64(k[16:])).Offset()) >> shift; b < uint64(len(t.of)) {
				seen |= uint32(t.of[b])
			}
		}
	}
	return seen
}
