// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"context"
	"errors"
	"io"
	"runtime"

	"bctl/alloc"
	"bctl/alloc/blktrace"
	"bctl/alloc/cachesim"
	"bctl/cmd/bctl/app"
	"bctl/internal/ui/progress"
	"bctl/internal/ui/render"
	"bctl/internal/workers"
)

// traceRow is a trace replayed through one cache.
type traceRow struct {
	Policy         string   `json:"policy"`
	CacheBytes     int64    `json:"cache_bytes"`
	BucketBytes    int64    `json:"bucket_bytes"`
	Buckets        int      `json:"buckets"`
	Filled         *bool    `json:"filled"` // nil: it began with what is on a device
	Requests       uint64   `json:"requests"`
	Reads          uint64   `json:"reads"`
	Writes         uint64   `json:"writes"`
	Trims          uint64   `json:"trims"`
	ReadMissRatio  *float64 `json:"read_miss_ratio"`
	WriteMissRatio *float64 `json:"write_miss_ratio"`
	MissRatio      *float64 `json:"miss_ratio"`
	ByteMissRatio  *float64 `json:"byte_miss_ratio"`
	Bypassed       uint64   `json:"bypassed"`
	kernelCounts
	Allocated uint64 `json:"buckets_allocated"`
	allocCounts
	DataSectors    uint64   `json:"data_sectors"`
	JournalSectors uint64   `json:"journal_sectors"`
	BtreeSectors   uint64   `json:"btree_sectors"`
	PrioSectors    uint64   `json:"prio_sectors"`
	WrittenBack    uint64   `json:"written_back_sectors"`
	MetadataWA     *float64 `json:"metadata_write_amplification"`
	TotalWA        *float64 `json:"total_write_amplification"`
}

// kernelCounts are the kernel's own counters, by its names.
type kernelCounts struct {
	Hits            uint64 `json:"cache_hits"`
	Misses          uint64 `json:"cache_misses"`
	BypassHits      uint64 `json:"cache_bypass_hits"`
	BypassMisses    uint64 `json:"cache_bypass_misses"`
	BypassedSectors uint64 `json:"bypassed_sectors"`
	Written         uint64 `json:"written_sectors"`
	BtreeWritten    uint64 `json:"btree_written_sectors"`
	MetadataWritten uint64 `json:"metadata_written_sectors"`
	Dirty           uint64 `json:"dirty_sectors"` // at the end
}

func kernelCountsOf(f *cachesim.Figures) kernelCounts {
	return kernelCounts{
		f.CacheHits(), f.CacheMisses(), f.BypassHits(), f.BypassReadMisses, f.BypassedSectors,
		f.WrittenSectors(), f.BtreeSectors, f.MetadataWritten(), f.DirtySector,
	}
}

// A traceJob is a row to be made.
type traceJob struct {
	cfg     cachesim.Config
	row     traceRow
	skipped []blktrace.Skip
	taken   uint64 // buckets, since the start
	err     error
}

// benchTrace is --trace.
func benchTrace(ctx context.Context, o *benchOptions, io *app.IO) error {
	if _, err := o.traceJobs(); err != nil {
		return err // before the trace is opened
	}
	t, err := openTrace(o, io.In)
	if err != nil {
		return err
	}
	defer t.close()
	o.fit(t)
	jobs, err := o.traceJobs()
	if err != nil {
		return err
	}
	if err := o.runJobs(ctx, t, jobs, io); err != nil {
		return err
	}
	view := render.View[traceRow]{
		Head: []render.Field{
			{Key: "trace", Value: t.name(), Name: "trace"},
			{Key: "trace_format", Value: t.found.String(), Name: "format"},
			{Key: "device", Value: nullIfEmpty(o.name), Name: app.OptionalName("device", o.name != ""), Text: o.name},
			{Key: "model", Value: o.model.Name, Name: "model"},
			{Key: "seed", Value: o.seed, Name: "seed"},
			{Key: "cache_mode", Value: o.path.Mode.String(), Name: "cache mode"},
			{Key: "sequential_cutoff", Value: o.path.SequentialCutoff, Name: "sequential cutoff", Text: app.SizeText(int64(o.path.SequentialCutoff))},
			{Key: "writeback_percent", Value: o.path.WritebackPercent, Name: app.OptionalName("writeback percent", o.path.Mode == cachesim.Writeback)},
		},
		Key: "results", Columns: traceColumns(), Limit: -1,
		Rows: func(yield func(traceRow, error) bool) {
			for _, j := range jobs {
				if !yield(j.row, nil) {
					return
				}
			}
		},
	}
	if o.plot != "" {
		if err := plotMisses(o.plot, t.name(), jobs); err != nil {
			return err
		}
	}
	if err := render.Write(io.Out, o.format, view); err != nil {
		return err
	}
	noteTrace(io, t, jobs)
	if !t.timed {
		io.Note("%s tells no times: taken as %d requests a second (--rate)", t.name(), o.path.Rate)
	}
	return nil
}

// traceJobs is a job for each policy, bucket size and cache size.
func (o *benchOptions) traceJobs() (jobs []*traceJob, err error) {
	for _, p := range o.policies {
		for _, sectors := range o.buckets {
			counts := []int{o.count}
			if len(o.sizes) > 0 {
				counts = nil
			}
			for _, size := range o.sizes {
				n := size / 512 / int64(sectors)
				if n > 1<<31-1 {
					return nil, app.Usagef("--cache-size %s: %d buckets of %s, which is more than can be modelled", app.SizeText(size), n, app.SizeText(int64(sectors)*512))
				}
				counts = append(counts, int(n))
			}
			for _, n := range counts {
				cfg, err := o.config(p, n, sectors)
				if err != nil {
					return nil, err
				}
				jobs = append(jobs, &traceJob{cfg: cfg})
			}
		}
	}
	return jobs, nil
}

// noteTrace says on stderr what the rows do not: what was skipped, and which caches never filled.
func noteTrace(io *app.IO, t *trace, jobs []*traceJob) {
	if text := blktrace.SkipText(jobs[0].skipped); text != "" {
		io.Note("%s: skipped %s", t.name(), text)
	}
	var least *traceJob
	n := 0
	for _, j := range jobs {
		if j.row.Filled == nil || *j.row.Filled {
			continue
		}
		if n++; least == nil || j.row.CacheBytes < least.row.CacheBytes {
			least = j
		}
	}
	if least != nil {
		io.Note("%d of %d caches never filled, so larger ones gain nothing: the smallest, %s with %s, took %d of its %d buckets",
			n, len(jobs), app.SizeText(least.row.CacheBytes), least.row.Policy, least.taken, least.row.Buckets)
	}
}

// runJobs runs the jobs on all cores. Each reads the trace itself: so only as many caches are in memory as there are
// cores. The first error, in the order of the jobs, stops the others.
func (o *benchOptions) runJobs(ctx context.Context, t *trace, jobs []*traceJob, io *app.IO) error {
	counter := io.Progress("bytes of trace", t.bytes*int64(len(jobs)))
	defer counter.Done()
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	workers.Each(running, runtime.GOMAXPROCS(0), len(jobs), func() func(int) {
		return func(i int) {
			if jobs[i].err = o.replay(running, t, jobs[i], counter); jobs[i].err != nil {
				cancel()
			}
		}
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, j := range jobs {
		if j.err != nil && !errors.Is(j.err, context.Canceled) {
			return o.traceError(t, j.err)
		}
	}
	return nil
}

// traceError tells a wrong command line from a trace that is bad or cannot be read.
func (o *benchOptions) traceError(t *trace, err error) error {
	var short cachesim.ShortTraceError
	switch {
	case errors.As(err, &short):
		return app.Usagef("--warmup %d: %d requests are replayed, which leaves none to count", o.warmup, short.Requests)
	case errors.Is(err, alloc.ErrConfig):
		return app.Usagef("%v", err)
	}
	return t.explain(err)
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
	s, err := cachesim.NewFrom(j.cfg, o.device)
	if err != nil {
		return err
	}
	if err := s.Replay(ctx, r, uint64(max(o.warmup, 0)), o.ops); err != nil {
		return err
	}
	f := s.Figures()
	taken, filled := s.Filled()
	j.row, j.skipped, j.taken = rowOf(&j.cfg.Alloc, &f), r.Skipped(), taken
	if o.device == nil {
		j.row.Filled = &filled
	}
	return nil
}

func rowOf(a *alloc.Config, f *cachesim.Figures) traceRow {
	sectors := int64(a.BucketSize) * 512
	return traceRow{
		Policy: a.Policy.String(), CacheBytes: int64(a.NBuckets) * sectors, BucketBytes: sectors, Buckets: a.NBuckets,
		Requests: f.Requests(), Reads: f.Reads, Writes: f.Writes, Trims: f.Trims, Bypassed: f.Bypassed, kernelCounts: kernelCountsOf(f),
		ReadMissRatio: known(f.ReadMissRatio()), WriteMissRatio: known(f.WriteMissRatio()),
		MissRatio: known(f.MissRatio()), ByteMissRatio: known(f.ByteMissRatio()),
		Allocated: f.Alloc.Taken, allocCounts: countsOf(f),
		DataSectors: f.DataSectors, JournalSectors: f.JournalSectors, BtreeSectors: f.BtreeSectors,
		PrioSectors: f.PrioSectors, WrittenBack: f.WrittenBack,
		MetadataWA: known(f.MetadataAmplification()), TotalWA: known(f.WriteAmplification()),
	}
}

// countedReader tells how much has been read.
type countedReader struct {
	r       io.Reader
	counter progress.Counter
}

func (c countedReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.counter.Add(int64(n))
	return n, err
}
