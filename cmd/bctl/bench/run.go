// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"context"
	"errors"
	"fmt"

	"bctl/alloc"
	"bctl/alloc/cachesim"
	"bctl/cmd/bctl/app"
	"bctl/internal/ui/render"
)

// benchRow is one policy, measured.
type benchRow struct {
	Policy        string     `json:"policy"`
	Buckets       int        `json:"buckets"`
	BucketSectors int        `json:"bucket_sectors"`
	Allocations   uint64     `json:"allocations"`
	PerSecond     float64    `json:"allocations_per_second"`
	Latency       *latencyNS `json:"latency_ns"` // nil where none was timed: with --commit
	Requests      uint64     `json:"requests"`
	MissRatio     *float64   `json:"miss_ratio"`
	allocCounts
}

type latencyNS struct {
	P50  int64 `json:"p50"`
	P99  int64 `json:"p99"`
	P999 int64 `json:"p999"`
	Max  int64 `json:"max"`
}

// allocCounts is what the allocator has done, for benchmarks and traces alike.
type allocCounts struct {
	Invalidated   uint64     `json:"invalidated_buckets"`
	ThrownAway    uint64     `json:"live_sectors_thrown_away"`
	PrioWrites    uint64     `json:"prio_writes"`
	GCRuns        uint64     `json:"gc_runs"`
	Waits         waitsByWhy `json:"waits"`
	Failures      uint64     `json:"reserve_failures"`
	Discards      uint64     `json:"discards"`
	WorstDistance int        `json:"worst_gen_distance"`
}

// waitsByWhy is how often the allocator fell asleep, by what it waited for.
type waitsByWhy struct {
	Push        uint64 `json:"push"`
	GC          uint64 `json:"gc"`
	PrioBlocked uint64 `json:"prio_blocked"`
	Bucket      uint64 `json:"bucket"`
}

func countsOf(f *cachesim.Figures) allocCounts {
	a := allocCounts{
		Invalidated: f.Alloc.Invalidated, ThrownAway: f.ThrownAway, PrioWrites: f.Alloc.PrioWrites, GCRuns: f.GCs,
		Discards: f.Alloc.Discards, WorstDistance: int(f.Alloc.WorstGenDistance), Failures: f.Alloc.PrioFailed,
		Waits: waitsByWhy{
			f.Alloc.Waits[alloc.StateWaitPush], f.Alloc.Waits[alloc.StateWaitGC],
			f.Alloc.Waits[alloc.StateWaitPrio], f.Alloc.Waits[alloc.StateWaitBucket],
		},
	}
	for _, n := range f.Alloc.TakeFails {
		a.Failures += n
	}
	return a
}

// benchWorkload is the benchmark: one policy after the other, so that none disturbs the other's times.
func benchWorkload(ctx context.Context, o *benchOptions, io *app.IO) error {
	var rows []benchRow
	for _, p := range o.policies {
		row, err := o.measure(ctx, p, io)
		if errors.Is(err, alloc.ErrConfig) && o.device == nil {
			return app.Usagef("%v", err)
		}
		if err != nil {
			return fmt.Errorf("%v: %w", p, err)
		}
		rows = append(rows, row)
	}
	return o.writeBench(io, rows)
}

func (o *benchOptions) writeBench(io *app.IO, rows []benchRow) error {
	return render.Write(io.Out, o.format, render.View[benchRow]{
		Head: []render.Field{
			{Key: "device", Value: nullIfEmpty(o.name), Name: app.OptionalName("device", o.name != ""), Text: o.name},
			{Key: "workload", Value: o.kind, Name: "workload", Text: o.workloadText()},
			{Key: "model", Value: o.model.Name, Name: "model"},
			{Key: "seed", Value: o.seed, Name: "seed"},
		},
		Key: "results", Columns: benchColumns(o.kind == "alloc"), Limit: -1,
		Rows: func(yield func(benchRow, error) bool) {
			for _, r := range rows {
				if !yield(r, nil) {
					return
				}
			}
		},
	})
}

func nullIfEmpty(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (o *benchOptions) workloadText() string {
	switch o.kind {
	case "alloc":
		return "alloc, prios " + o.prios
	case "zipf":
		return fmt.Sprintf("zipf:%v", o.load.Theta)
	}
	return o.kind
}

// most is how many allocations are timed at the end, and how long a warmup lasts at most.
const (
	mostTimed  = 1_000_000
	mostWarmup = 1 << 26
)

func (o *benchOptions) measure(ctx context.Context, p alloc.Policy, io *app.IO) (benchRow, error) {
	cfg, err := o.config(p, o.count, o.buckets[0])
	if err != nil {
		return benchRow{}, err
	}
	b := cachesim.Bench{Ops: o.ops, Time: o.time, Latency: mostTimed, Warmup: o.warmupOps(&cfg)}
	total := int64(b.Warmup + o.ops + min(o.ops, mostTimed))
	if o.time > 0 {
		total = 0 // how many there will be nobody knows
	}
	counter := io.Progress(fmt.Sprintf("%v: operations", p), total)
	defer counter.Done()
	b.Tick = counter.Add
	var m *cachesim.Measured
	if o.kind == "alloc" {
		l, err := cachesim.NewBare(cfg.Alloc, o.prios, o.seed, o.device)
		if err != nil {
			return benchRow{}, err
		}
		m, err = b.Loop(ctx, l)
		if err != nil {
			return benchRow{}, err
		}
	} else if m, err = o.measureRequests(ctx, b, cfg); err != nil {
		return benchRow{}, err
	}
	return benchRowOf(&cfg.Alloc, m), nil
}

func benchRowOf(a *alloc.Config, m *cachesim.Measured) benchRow {
	row := benchRow{
		Policy: a.Policy.String(), Buckets: a.NBuckets, BucketSectors: a.BucketSize,
		Allocations: m.Figures.Alloc.Taken, PerSecond: float64(m.Figures.Alloc.Taken) / m.Elapsed.Seconds(),
		Requests: m.Figures.Requests(), MissRatio: known(m.Figures.MissRatio()), allocCounts: countsOf(&m.Figures),
	}
	if m.Latency.Count() > 0 {
		row.Latency = &latencyNS{
			m.Latency.Quantile(0.5).Nanoseconds(), m.Latency.Quantile(0.99).Nanoseconds(),
			m.Latency.Quantile(0.999).Nanoseconds(), m.Latency.Max().Nanoseconds(),
		}
	}
	return row
}

func (o *benchOptions) measureRequests(ctx context.Context, b cachesim.Bench, cfg cachesim.Config) (*cachesim.Measured, error) {
	load := o.load
	load.Sectors = 4 * uint64(cfg.Alloc.NBuckets) * uint64(cfg.Alloc.BucketSize)
	w, err := cachesim.NewWorkload(load)
	if err != nil {
		return nil, err
	}
	s, err := cachesim.NewFrom(cfg, o.device)
	if err != nil {
		return nil, err
	}
	return b.Requests(ctx, s, w)
}

// warmupOps is --warmup, or as much as fills the cache: two rounds of the bare loop, as the kernel's code was
// measured; requests for its whole size.
func (o *benchOptions) warmupOps(cfg *cachesim.Config) uint64 {
	buckets := uint64(cfg.Alloc.NBuckets)
	switch {
	case o.warmup >= 0:
		return uint64(o.warmup)
	case o.kind == "alloc":
		return 2 * buckets
	case o.kind == "sequential":
		return min(mostWarmup, buckets*uint64(cfg.Alloc.BucketSize)/128)
	}
	return min(mostWarmup, buckets*uint64(cfg.Alloc.BucketSize)/8)
}

// known is a ratio for JSON: null where nothing was counted.
func known(r cachesim.Ratio) *float64 {
	if !r.Known {
		return nil
	}
	return &r.Value
}
