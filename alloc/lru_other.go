// SPDX-License-Identifier: GPL-2.0-only

//go:build !amd64

package alloc

// below is belowPlain.
func below(keys []uint32, top, first uint32, out []uint32) int {
	return belowPlain(keys, top, first, out)
}

// replaceTops is replaceTopsPlain.
func (h *lruHeap) replaceTops(keys, found []uint32) { h.replaceTopsPlain(keys, found) }

func countDown(buckets []bucket, by uint16) (low uint16) { return countDownPlain(buckets, by) }

func narrowKeys([]bucket, uint32, []uint32) int { return 0 }
