// SPDX-License-Identifier: GPL-2.0-only

package change_test

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
)

// What is given up is what sorting all clean buckets by prio would put first, however many have the same.
func TestOldest(t *testing.T) {
	c, _ := read(t, kernelMade(t, "fifo-full"))
	for name, prio := range map[string]func(b ondisk.Bucket) uint16{
		"all alike":   func(ondisk.Bucket) uint16 { return 7 },
		"few":         func(b ondisk.Bucket) uint16 { return uint16(b * 2654435761 >> 7 % 5) },
		"many":        func(b ondisk.Bucket) uint16 { return uint16(b * 40503) },
		"the newest":  func(ondisk.Bucket) uint16 { return math.MaxUint16 },
		"the extreme": func(b ondisk.Bucket) uint16 { return uint16(int(b)%2) * math.MaxUint16 },
	} {
		var all []ondisk.Bucket
		for b := c.Geo.FirstBucket; b < c.Geo.NBuckets; b++ {
			if c.Buckets.Mark(b) == inspect.Clean {
				all = append(all, b)
			}
		}
		slices.SortStableFunc(all, func(a, b ondisk.Bucket) int { return cmp.Compare(prio(a), prio(b)) })
		if len(all) < 100 {
			t.Fatalf("%d clean buckets", len(all))
		}
		for _, n := range []int{1, 2, 17, len(all) - 1, len(all), len(all) + 1} {
			tx, err := change.Begin(c)
			if err != nil {
				t.Fatal(err)
			}
			got, err := tx.OldestForTest(n, prio)
			if err != nil || !slices.Equal(got, all[:min(n, len(all))]) {
				t.Errorf("%s: the %d oldest of %d are not: %d buckets, %v", name, n, len(all), len(got), err)
			}
		}
	}
}
