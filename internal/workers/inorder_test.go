// SPDX-License-Identifier: GPL-2.0-only

package workers

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
)

// All are taken in order, each as its place made it, whoever is ready first, and no more than the places are ahead.
func TestInOrder(t *testing.T) {
	for _, n := range []int{-1, 0, 1, 2, 3, 100} {
		var ahead, most atomic.Int32
		var got []int
		err := InOrder(n, 3, func() (func(int), func() error) {
			made := 0
			return func(i int) {
				now := ahead.Add(1)
				for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
				}
				made = i
			}, func() error { ahead.Add(-1); got = append(got, made); return nil }
		})
		if err != nil || len(got) != max(n, 0) || !slices.IsSorted(got) || most.Load() > 3 || len(slices.Compact(got)) != max(n, 0) {
			t.Errorf("%d: %v, %d ahead, %v", n, got, most.Load(), err)
		}
	}
}

// The first error ends it, and a worker's panic is that of whoever waits.
func TestInOrderEnds(t *testing.T) {
	enough, taken := errors.New("enough"), 0
	make3 := func() (func(int), func() error) {
		return func(int) {}, func() error {
			if taken++; taken == 3 {
				return enough
			}
			return nil
		}
	}
	if err := InOrder(10, 2, make3); !errors.Is(err, enough) || taken != 3 {
		t.Errorf("%v after %d", err, taken)
	}
	defer func() {
		if p, ok := recover().(*Panic); !ok || p.Value != "well" {
			t.Errorf("panicked with %v", p)
		}
	}()
	_ = InOrder(10, 2, func() (func(int), func() error) {
		return func(i int) {
			if i == 4 {
				panic("well")
			}
		}, func() error { return nil }
	})
}
