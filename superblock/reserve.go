// SPDX-License-Identifier: GPL-2.0-only

package superblock

// MinBuckets is what the kernel's allocator needs: below, roundup_pow_of_two(nbuckets) >> 10 is 0 and cache_alloc
// refuses. make-bcache is content with 128.
const MinBuckets = 513

// Reserve is how many free buckets a kernel before 6.16 takes to fill the reserves of its btree and of a whole prio
// chain, before it starts: RESERVE_BTREE and RESERVE_PRIO of cache_alloc.
func (g *Geometry) Reserve() int { return g.PrioBuckets() + max(g.NJournal, 8) }

// LargestReserve is Reserve for whichever kernel wants most: since 6.16 the btree's is clamp(nbuckets >> 7, 32, 256).
// Whoever writes leaves so many, for it is not known which kernel gets the device next.
func (g *Geometry) LargestReserve() int {
	return max(g.Reserve(), g.PrioBuckets()+BtreeReserve616(uint64(g.NBuckets)))
}

// BtreeReserve616 is what cache_alloc asks for as RESERVE_BTREE since Linux 6.16.
func BtreeReserve616(nbuckets uint64) int { return int(min(max(nbuckets>>7, 32), 256)) }
