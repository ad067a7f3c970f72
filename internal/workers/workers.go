// SPDX-License-Identifier: GPL-2.0-only

// Package workers starts goroutines whose panics reach whoever waits for them. Go ends a program in which a goroutine
// panics with exit code 2, which tells fsck(8) to reboot the machine; on the goroutine of main it can be caught.
package workers

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// A Group is goroutines that somebody waits for. The zero value is ready. It takes the place of a sync.WaitGroup.
type Group struct {
	wg    sync.WaitGroup
	once  sync.Once
	panic *Panic
	over  atomic.Bool // a worker panicked
}

// A Panic is what Wait panics with: a worker's panic, and where it came from.
type Panic struct {
	Value any
	Stack []byte
}

func (p *Panic) String() string { return fmt.Sprintf("%v\n%s", p.Value, p.Stack) }

// Go runs f in a goroutine.
func (g *Group) Go(f func()) {
	g.wg.Go(func() {
		defer func() {
			if v := recover(); v != nil {
				g.once.Do(func() { g.panic = &Panic{v, debug.Stack()} })
				g.over.Store(true)
			}
		}()
		f()
	})
}

// Wait waits for all of them. If any panicked it panics with the first one's *Panic. Whoever feeds workers by a
// channel waits for ever if they are gone: Each does not.
func (g *Group) Wait() {
	g.wg.Wait()
	if g.panic != nil {
		panic(g.panic)
	}
}

// Each calls a function for 0 to n-1, begun in that order, on at most count goroutines, each with a function that
// worker made for it alone. It stops early when ctx ends, and panics as Wait does.
func Each(ctx context.Context, count, n int, worker func() func(int)) {
	each(ctx, count, count, n, worker, func() bool { return false })
}

// Grow is Each that begins with one goroutine, and starts one more, up to count, whenever more says so behind a call. Both
// more and worker are called from several of them at a time.
func Grow(ctx context.Context, count, n int, worker func() func(int), more func() bool) {
	each(ctx, 1, count, n, worker, more)
}

func each(ctx context.Context, begin, count, n int, worker func() func(int), more func() bool) {
	var g Group
	var next, started atomic.Int64
	var start func()
	start = func() {
		if started.Add(1) > int64(min(count, n)) {
			return
		}
		do := worker()
		g.Go(func() {
			for ctx.Err() == nil && !g.over.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if do(i); more() {
					start()
				}
			}
		})
	}
	for range begin {
		start()
	}
	g.Wait()
}
