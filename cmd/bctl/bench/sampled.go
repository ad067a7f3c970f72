// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"context"
	"runtime"

	"bctl/alloc"
	"bctl/alloc/blktrace"
	"bctl/alloc/cachesim"
	"bctl/internal/ui/progress"
	"bctl/internal/workers"
)

// Two samples are taken: what they differ by says how good one is. Which of the few buckets of a sample random throws away is
// a lottery, more than with all of a cache's: it is drawn twice.
const (
	samples      = 2
	drawnSamples = 2
)

// A sampledCache is one cache of a job, for one of the samples.
type sampledCache struct {
	sim *cachesim.Sim
	ref *reference
}

func (c *sampledCache) do(pieces []cachesim.Piece) error {
	if c.sim != nil {
		return c.sim.DoPieces(pieces)
	}
	c.ref.add(pieces)
	return nil
}

func (c *sampledCache) begin() {
	if c.sim != nil {
		c.sim.ResetFigures()
	} else {
		c.ref.begin()
	}
}

func (c *sampledCache) figures() cachesim.Figures {
	if c.sim != nil {
		return c.sim.Figures()
	}
	return c.ref.figures()
}

// A parcel is what the caches are given at a time: pieces for each sample. begin: what follows is counted.
type parcel struct {
	pieces [][]cachesim.Piece
	begin  bool
}

// runSampled reads the trace once, and gives the pieces of it that are in the samples to all caches.
func (o *benchOptions) runSampled(ctx context.Context, t *trace, jobs []*traceJob, counter progress.Counter) error {
	caches, err := o.sampledCaches(jobs)
	if err != nil {
		return o.traceError(t, err)
	}
	r, err := blktrace.Join(t.spec, t.sources(counter)...)
	if err != nil {
		return o.traceError(t, err)
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n := min(runtime.GOMAXPROCS(0), len(jobs))
	queues := make([]chan parcel, n)
	errs := make([]error, n)
	var group workers.Group
	for w := range n {
		queues[w] = make(chan parcel, 16)
		group.Go(func() {
			defer cancel() // also of a panic: the feeder must not wait for who is gone
			errs[w] = work(caches, queues[w], w, n)
			for range queues[w] { // let the feeder go on
			}
		})
	}
	feed := cachesim.NewFeed(jobs[0].cfg, o.sample, o.seed)
	ferr := o.feed(ctx, t, r, feed, queues)
	for _, q := range queues {
		close(q)
	}
	group.Wait()
	for _, e := range errs {
		if e != nil {
			return o.traceError(t, e)
		}
	}
	if ferr != nil && ctx.Err() == nil {
		return o.traceError(t, ferr)
	}
	for i, j := range jobs {
		o.finishSampled(j, caches[i], feed)
		j.skipped = r.Skipped()
	}
	return ferr
}

// sampledCaches makes the caches of each job.
func (o *benchOptions) sampledCaches(jobs []*traceJob) ([][]*sampledCache, error) {
	caches := make([][]*sampledCache, len(jobs))
	for i, j := range jobs {
		for range samples * o.drawings(j) {
			c := new(sampledCache)
			if j.reference != "" {
				c.ref = newReference(j.reference, o.sample.Of(uint64(j.cfg.Alloc.NBuckets)*uint64(j.cfg.Alloc.BucketSize)))
			} else {
				var err error
				cfg := j.cfg.Sample(o.sample)
				cfg.Alloc.Seed += uint64(len(caches[i]) / samples)
				if c.sim, err = cachesim.New(cfg); err != nil {
					return nil, err
				}
			}
			caches[i] = append(caches[i], c)
		}
	}
	return caches, nil
}

// drawings is how many caches a job has for each sample.
func (o *benchOptions) drawings(j *traceJob) int {
	const everything = cachesim.Share(1 << 32) // is no lottery
	if o.sample != everything && j.reference == "" && j.cfg.Alloc.Policy == alloc.Random {
		return drawnSamples
	}
	return 1
}

// work is what the w-th of n workers does.
func work(caches [][]*sampledCache, queue <-chan parcel, w, n int) error {
	for p := range queue {
		for i := w; i < len(caches); i += n {
			for k, c := range caches[i] {
				if p.begin {
					c.begin()
				} else if err := c.do(p.pieces[k%samples]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// parcelPieces is how many pieces are handed on at a time, about.
const parcelPieces = 8192

// feed cuts the trace up.
func (o *benchOptions) feed(ctx context.Context, t *trace, r *blktrace.Reader, feed *cachesim.Feed, queues []chan parcel) error {
	next := make([][]cachesim.Piece, samples)
	var sums []*cachesim.Summarizer
	if o.showsSummary(t) {
		for range samples {
			sums = append(sums, cachesim.NewSummarizer(0))
		}
	}
	send := func(p parcel) {
		for _, q := range queues {
			q <- p
		}
	}
	flush := func() {
		if len(next[0])+len(next[1]) > 0 {
			for k := range sums {
				sums[k].AddPieces(next[k])
			}
			send(parcel{pieces: next})
			next = make([][]cachesim.Piece, samples)
			for k := range next {
				next[k] = make([]cachesim.Piece, 0, parcelPieces*5/8) // half of them, and some
			}
		}
	}
	err := cachesim.Each(ctx, o.source(r), uint64(max(o.warmup, 0)), o.ops, func(batch []blktrace.Request) error {
		feed.Split(batch, next)
		if len(next[0])+len(next[1]) >= parcelPieces {
			flush()
		}
		return nil
	}, func() {
		flush()
		feed.ResetFigures()
		send(parcel{begin: true})
	})
	flush()
	if sums != nil {
		s := feed.Summary(sums...)
		t.summary = &s
	}
	return err
}

// finishSampled makes a job's row: the mean of the two samples.
func (o *benchOptions) finishSampled(j *traceJob, caches []*sampledCache, feed *cachesim.Feed) {
	var of [samples]cachesim.Figures
	var ratios []float64
	for k, c := range caches {
		f := c.figures()
		e := o.sample.Estimate(&f, &feed.Full)
		if k < samples {
			of[k] = e
		} else {
			of[k%samples] = of[k%samples].Mean(&e)
		}
	}
	for k := range of {
		if m := of[k].MissRatio(); m.Known {
			ratios = append(ratios, m.Value)
		}
	}
	sum := of[0].Mean(&of[1])
	if j.reference != "" {
		j.finishReference(&sum)
	} else {
		j.row, j.counted = rowOf(&j.cfg.Alloc, &sum), true
		taken, filled := caches[0].sim.Filled()
		j.taken, j.row.Filled = taken, &filled
	}
	if len(ratios) == samples {
		d := max(ratios[0]-ratios[1], ratios[1]-ratios[0]) / 2
		j.row.Error = &d
	}
}
