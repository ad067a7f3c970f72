// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"context"
	"time"

	"bctl/alloc"
	"bctl/alloc/blktrace"
)

// A Bench says how long to run what.
type Bench struct {
	Ops     uint64        // of the measured part; 0: as many as fit in Time
	Time    time.Duration // instead of Ops
	Warmup  uint64        // before it, uncounted
	Latency uint64        // behind it, at most: each allocation timed, uncounted
	Tick    func(n int64) // told of so many ops more
}

// A Measured is what a Bench found out.
type Measured struct {
	Ops     uint64
	Elapsed time.Duration
	Figures Figures
	Latency Histogram
}

// subject is what is measured: a Bare, or a Sim with a Workload.
type subject interface {
	Do(n int) error
	begin() // counting
	figures() Figures
	times(h *Histogram)
}

// chunk is how many ops go by between two looks at the clock and the context.
const chunk = 1024

// Loop measures the bare loop. Errors: the context's, ErrStuck, alloc's.
func (b Bench) Loop(ctx context.Context, l *Bare) (*Measured, error) {
	return b.run(ctx, &bareSubject{Bare: l})
}

// Requests measures a cache in use. Errors: the context's, alloc's.
func (b Bench) Requests(ctx context.Context, s *Sim, w *Workload) (*Measured, error) {
	return b.run(ctx, &simSubject{s, w, make([]blktrace.Request, chunk)})
}

func (b Bench) run(ctx context.Context, s subject) (*Measured, error) {
	m := new(Measured)
	if _, _, err := (Bench{Ops: b.Warmup, Tick: b.Tick}).ops(ctx, s); err != nil {
		return nil, err
	}
	s.begin()
	var err error
	if m.Ops, m.Elapsed, err = b.ops(ctx, s); err != nil {
		return nil, err
	}
	m.Figures = s.figures()
	s.times(&m.Latency)
	_, _, err = Bench{Ops: min(m.Ops, b.Latency), Tick: b.Tick}.ops(ctx, s)
	return m, err
}

// ops runs chunks until the end.
func (b Bench) ops(ctx context.Context, s subject) (done uint64, elapsed time.Duration, err error) {
	start := time.Now()
	for b.Time > 0 && elapsed < b.Time || done < b.Ops {
		if err := ctx.Err(); err != nil {
			return done, elapsed, err
		}
		n := uint64(chunk)
		if b.Time == 0 {
			n = min(n, b.Ops-done)
		}
		if err := s.Do(int(n)); err != nil {
			return done, elapsed, err
		}
		done += n
		b.Tick(int64(n))
		elapsed = time.Since(start)
	}
	return done, elapsed, nil
}

type bareSubject struct {
	*Bare
	before alloc.Stats
}

func (l *bareSubject) begin()             { l.before = l.c.Stats() }
func (l *bareSubject) times(h *Histogram) { l.timer = h }

func (l *bareSubject) figures() Figures {
	f := Figures{Alloc: l.c.Stats().Sub(l.before)}
	f.ThrownAway, f.GCs = f.Alloc.LiveSectors, f.Alloc.GCs
	return f
}

type simSubject struct {
	s     *Sim
	w     *Workload
	batch []blktrace.Request
}

func (x *simSubject) Do(n int) error {
	x.w.Fill(x.batch[:n])
	return x.s.Do(x.batch[:n])
}

func (x *simSubject) begin()             { x.s.ResetFigures() }
func (x *simSubject) figures() Figures   { return x.s.Figures() }
func (x *simSubject) times(h *Histogram) { x.s.timer = h }
