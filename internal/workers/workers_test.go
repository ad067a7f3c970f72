// SPDX-License-Identifier: GPL-2.0-only

package workers

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
)

// The panic of a worker is that of whoever waits, after the others have finished.
func TestPanic(t *testing.T) {
	var done atomic.Int32
	defer func() {
		p, ok := recover().(*Panic)
		if !ok || p.Value != "well" || !strings.Contains(p.String(), "TestPanic") || done.Load() != 9 {
			t.Errorf("panicked with %v, %d done", p, done.Load())
		}
	}()
	var g Group
	for i := range 10 {
		g.Go(func() {
			if i == 3 {
				panic("well")
			}
			done.Add(1)
		})
	}
	g.Wait()
	t.Error("no panic")
}

func TestGroup(t *testing.T) {
	var g Group
	var done atomic.Int32
	for range 100 {
		g.Go(func() { done.Add(1) })
	}
	if g.Wait(); done.Load() != 100 {
		t.Errorf("%d of 100", done.Load())
	}
}

// Each asks for everything once, and gives up where a worker panics, whoever else waits for work.
func TestEach(t *testing.T) {
	for _, n := range []int{0, 1, 7, 1000} {
		asked := make([]atomic.Int32, n)
		Each(context.Background(), 4, n, func() func(int) { return func(i int) { asked[i].Add(1) } })
		for i := range asked {
			if asked[i].Load() != 1 {
				t.Errorf("%d of %d: asked %d times", i, n, asked[i].Load())
			}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	last := 0
	Each(ctx, 1, 100, func() func(int) {
		return func(i int) {
			if last = i; i == 5 {
				cancel()
			}
		}
	})
	if last != 5 {
		t.Errorf("went on to %d after the context ended", last)
	}
	defer func() {
		if p, ok := recover().(*Panic); !ok || p.Value != 3 {
			t.Errorf("panicked with %v", p)
		}
	}()
	Each(context.Background(), 2, 1<<30, func() func(int) {
		return func(i int) {
			if i == 3 {
				panic(i)
			}
		}
	})
}

// Grow asks for everything once, on as many goroutines as were asked for and no more.
func TestGrow(t *testing.T) {
	for _, wanted := range []int32{0, 2, 100} {
		var asked [1000]atomic.Int32
		var made, left atomic.Int32
		left.Store(wanted)
		Grow(context.Background(), 4, len(asked), func() func(int) {
			made.Add(1)
			return func(i int) { asked[i].Add(1) }
		}, func() bool { return left.Add(-1) >= 0 })
		for i := range asked {
			if asked[i].Load() != 1 {
				t.Errorf("%d: asked %d times", i, asked[i].Load())
			}
		}
		if want := min(1+wanted, 4); made.Load() != want {
			t.Errorf("%d more wanted: %d workers, want %d", wanted, made.Load(), want)
		}
	}
	defer func() {
		if p, ok := recover().(*Panic); !ok || p.Value != 3 {
			t.Errorf("panicked with %v", p)
		}
	}()
	Grow(context.Background(), 2, 1<<30, func() func(int) {
		return func(i int) {
			if i == 3 {
				panic(i)
			}
		}
	}, func() bool { return true })
}
