// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"context"
	"errors"
	"runtime"
	"slices"

	"bctl/alloc/blktrace"
	"bctl/alloc/cachesim"
	"bctl/cmd/bctl/app"
	"bctl/internal/ui/progress"
	"bctl/internal/workers"
)

// runJobs runs the jobs on all cores. Without a sample each reads the trace itself: so only as many caches are in memory
// as there are cores. The first error, in the order of the jobs, stops the others. When ctx ends the rows are of what
// was replayed until then.
func (o *benchOptions) runJobs(ctx context.Context, t *trace, jobs []*traceJob, io *app.IO) error {
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.sample > 0 {
		counter := io.Progress("bytes of trace", t.bytes)
		defer counter.Done()
		return o.runSampled(running, t, jobs, counter)
	}
	counter := io.Progress("bytes of trace", t.bytes*int64(len(jobs)))
	defer counter.Done()
	workers.Each(running, runtime.GOMAXPROCS(0), len(jobs), func() func(int) {
		return func(i int) {
			if jobs[i].err = o.replay(running, t, jobs[i], counter); jobs[i].err != nil {
				cancel()
			}
		}
	})
	for _, j := range jobs {
		if j.err != nil && !errors.Is(j.err, context.Canceled) {
			return o.traceError(t, j.err)
		}
	}
	return ctx.Err()
}

// replay runs one job.
func (o *benchOptions) replay(ctx context.Context, t *trace, j *traceJob, counter progress.Counter) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r, err := blktrace.Join(t.spec, t.sources(counter)...)
	if err != nil {
		return err
	}
	defer r.Close()
	if j.reference != "" {
		return o.replayReference(ctx, t, r, j)
	}
	s, err := cachesim.NewFrom(j.cfg, o.device)
	if err != nil {
		return err
	}
	do, begin := s.Do, s.ResetFigures
	cuts := &ticker{interval: o.interval, sim: s}
	if o.interval.given() {
		do, begin = cuts.do, cuts.begin
	}
	var z *cachesim.Summarizer
	if j.sums {
		z = s.Summarizer()
		inner := do
		do = func(batch []blktrace.Request) error {
			z.Add(batch)
			return inner(batch)
		}
	}
	err = cachesim.Each(ctx, o.source(r), uint64(max(o.warmup, 0)), o.ops, do, begin)
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	f := s.Figures()
	taken, filled := s.Filled()
	j.row, j.skipped, j.taken, j.counted = rowOf(&j.cfg.Alloc, &f), r.Skipped(), taken, f.Requests() > 0 || err == nil
	if o.device == nil {
		j.row.Filled = &filled
	}
	if o.interval.given() {
		cuts.close(0)
		j.row.Intervals = cuts.rows
	}
	if k := r.Kernel(); k != nil && j.counted {
		t.kernel.CompareAndSwap(nil, k)
	}
	if z != nil {
		s := z.Summary()
		t.summary = &s
	}
	return err
}

// replayReference runs a job of a reference line.
func (o *benchOptions) replayReference(ctx context.Context, t *trace, r *blktrace.Reader, j *traceJob) error {
	const everything = cachesim.Share(1 << 32)
	feed := cachesim.NewFeed(j.cfg, everything, 0)
	sectors := uint64(j.cfg.Alloc.NBuckets) * uint64(j.cfg.Alloc.BucketSize)
	ref := newReference(j.reference, sectors)
	pieces := make([][]cachesim.Piece, 1)
	err := cachesim.Each(ctx, o.source(r), uint64(max(o.warmup, 0)), o.ops, func(batch []blktrace.Request) error {
		pieces[0] = pieces[0][:0]
		feed.Split(batch, pieces)
		ref.add(pieces[0])
		return nil
	}, func() { feed.ResetFigures(); ref.begin() })
	if err != nil {
		return err
	}
	f := ref.figures()
	f = everything.Estimate(&f, &feed.Full)
	j.finishReference(&f)
	j.skipped = r.Skipped()
	return nil
}

// finishReference makes the row: it has no buckets.
func (j *traceJob) finishReference(f *cachesim.Figures) {
	j.row = rowOf(&j.cfg.Alloc, f)
	j.row.Policy, j.row.BucketBytes, j.row.Buckets, j.counted = j.reference, 0, 0, true
}

// A reference is one of the lines that no kernel reaches.
type reference struct {
	lru     *cachesim.ExactLRU
	best    *cachesim.Belady
	sectors uint64
}

func newReference(name string, sectors uint64) *reference {
	if name == exactLRU {
		return &reference{lru: cachesim.NewExactLRU(sectors)}
	}
	return &reference{best: cachesim.NewBelady(), sectors: sectors}
}

func (r *reference) add(pieces []cachesim.Piece) {
	if r.lru != nil {
		r.lru.DoPieces(pieces)
	} else {
		r.best.Add(pieces)
	}
}

func (r *reference) begin() {
	if r.lru != nil {
		r.lru.ResetFigures()
	} else {
		r.best.ResetFigures()
	}
}

func (r *reference) figures() cachesim.Figures {
	if r.lru != nil {
		return r.lru.Figures()
	}
	return r.best.Run(r.sectors)
}

// merge makes a row of the jobs that differ in their seed alone: the first one's, and how far the others are apart.
func merge(jobs []*traceJob, seeds int) (rows []traceRow) {
	for group := range slices.Chunk(jobs, seeds) {
		row := group[0].row
		if !group[0].counted {
			continue
		}
		for _, j := range group {
			if m := j.row.MissRatio; seeds > 1 && m != nil && j.counted {
				if row.MissRatioLow == nil || *m < *row.MissRatioLow {
					row.MissRatioLow = m
				}
				if row.MissRatioHigh == nil || *m > *row.MissRatioHigh {
					row.MissRatioHigh = m
				}
			}
		}
		rows = append(rows, row)
	}
	return rows
}
