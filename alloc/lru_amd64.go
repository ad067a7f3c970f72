// SPDX-License-Identifier: GPL-2.0-only

package alloc

import "golang.org/x/sys/cpu"

//go:noescape
func belowAVX2(keys *uint32, n int, top, first uint32, out *uint32) int

//go:noescape
func sinkAll(nodes *uint64, s *sinking, stages, last int, n uint, keys, found *uint32, nfound int)

//go:noescape
func rescaleAVX2(buckets *bucket, n int, by uint16, low *[4]uint64)

//go:noescape
func keysAVX2(buckets *bucket, n int, base uint32, keys *uint32)

// narrowKeys puts the key of so many buckets, the first there are, into keys, and says how many.
func narrowKeys(buckets []bucket, base uint32, keys []uint32) (n int) {
	n = min(len(buckets), len(keys)) &^ 7
	if !cpu.X86.HasAVX2 || n == 0 {
		return 0
	}
	keysAVX2(&buckets[0], n, base, &keys[0])
	return n
}

// countDown is countDownPlain.
func countDown(buckets []bucket, by uint16) (low uint16) {
	n := len(buckets) &^ 3
	if !cpu.X86.HasAVX2 || n == 0 {
		return countDownPlain(buckets, by)
	}
	var of [4]uint64 // the lowest of each fourth bucket, in the first 16 bits
	rescaleAVX2(&buckets[0], n, by, &of)
	low = countDownPlain(buckets[n:], by)
	for _, l := range of {
		low = min(low, uint16(l))
	}
	return low
}

// below is belowPlain.
func below(keys []uint32, top, first uint32, out []uint32) int {
	if !cpu.X86.HasAVX2 || top == 0 || len(keys)%scanStep != 0 || len(keys) == 0 || len(out) < len(keys) {
		return belowPlain(keys, top, first, out)
	}
	return belowAVX2(&keys[0], len(keys), top, first, &out[0])
}

// replaceTops is replaceTopsPlain. Its speed is that of the branches it does without, which the compiler would put in.
func (h *lruHeap) replaceTops(keys, found []uint32) {
	if len(h.sinking) == 0 || len(found) == 0 {
		h.replaceTopsPlain(keys, found)
		return
	}
	sinkAll(&h.nodes[0], &h.sinking[0], len(h.sinking), h.lastLevels(), uint(h.n), &keys[0], &found[0], len(found))
}
