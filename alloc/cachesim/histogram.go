// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"math/bits"
	"time"
)

const (
	subBits  = 5 // 32 bins for each doubling: 3 % apart
	subCount = 1 << subBits
)

// A Histogram counts durations, each to within a thirty-second of itself.
type Histogram struct {
	bins [(64 - subBits) * subCount]uint64
	n    uint64
	max  time.Duration
}

// Add counts d.
func (h *Histogram) Add(d time.Duration) {
	h.bins[bin(uint64(max(d, 0)))]++
	h.n++
	h.max = max(h.max, d)
}

// bin is exact below 64, then the five bits behind the first one.
func bin(v uint64) int {
	e := bits.Len64(v) - subBits - 1
	if e <= 0 {
		return int(v)
	}
	return e<<subBits + int(v>>e)
}

// floor is the least value of a bin.
func floor(b int) uint64 {
	e := b>>subBits - 1
	if e <= 0 {
		return uint64(b)
	}
	return uint64(b-e<<subBits) << e
}

// Quantile is the duration that a share q of all are not above, 0 if there are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := min(uint64(q*float64(h.n)), h.n-1)
	for b, count := range h.bins {
		if count > rank {
			return min(time.Duration(floor(b)), h.max)
		}
		rank -= count
	}
	return h.max
}

// Max is the longest.
func (h *Histogram) Max() time.Duration { return h.max }

// Count is how many there are.
func (h *Histogram) Count() uint64 { return h.n }
