// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"bctl/alloc"
	"bctl/alloc/blktrace"
	"bctl/alloc/cachesim"
	"bctl/cmd/bctl/app"
	"bctl/internal/ui/progress"
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

	MissRatioLow  *float64      `json:"miss_ratio_min,omitempty"` // of several seeds
	MissRatioHigh *float64      `json:"miss_ratio_max,omitempty"`
	Error         *float64      `json:"miss_ratio_error,omitempty"` // of a sample: half of what two samples differ by
	Intervals     []intervalRow `json:"intervals,omitempty"`
}

// id tells rows apart.
func (r traceRow) id() string { return fmt.Sprint(r.Policy, r.CacheBytes, r.BucketBytes) }

// orNone is a text of rows that have buckets.
func (r traceRow) orNone(text string) string {
	if r.BucketBytes == 0 {
		return "-"
	}
	return text
}

// spreadText is how far the miss ratio may be off, or none.
func (r traceRow) spreadText(none string) string {
	switch {
	case r.Error != nil:
		return fmt.Sprintf("±%.4f", *r.Error)
	case r.MissRatioHigh != nil && r.MissRatioLow != nil:
		return fmt.Sprintf("±%.4f", (*r.MissRatioHigh-*r.MissRatioLow)/2)
	}
	return none
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

// A traceJob is a row to be made, with one of its seeds.
type traceJob struct {
	cfg       cachesim.Config
	reference string // one of no kernel's
	sums      bool   // it sums the trace up, besides: the same job each time
	row       traceRow
	skipped   []blktrace.Skip
	taken     uint64 // buckets, since the start
	counted   bool   // row has something in it
	err       error
}

// benchTrace is --trace.
func benchTrace(ctx context.Context, o *benchOptions, io *app.IO) error {
	if !o.auto {
		if _, err := o.traceJobs(); err != nil {
			return err // before the trace is opened
		}
	}
	t, err := openTrace(o, io.In)
	if err != nil {
		return err
	}
	defer t.close()
	if o.compare && t.found != blktrace.Tracepoints {
		return app.Usagef("--compare: %s is of no kernel's tracepoints", t.name())
	}
	o.fit(t)
	if o.auto {
		if err := o.sizeUp(ctx, t, io); err != nil {
			return err
		}
	}
	jobs, err := o.traceJobs()
	if err != nil {
		return err
	}
	jobs[0].sums = o.showsSummary(t)
	err = o.runJobs(ctx, t, jobs, io)
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	rows := merge(jobs, o.seeds)
	if len(rows) == 0 {
		return err
	}
	if o.plot != "" && err == nil {
		if err := plotMisses(o, t, rows); err != nil {
			return err
		}
	}
	if werr := o.writeTrace(io, t, rows); werr != nil {
		return werr
	}
	o.noteTrace(io, t, jobs)
	o.noteSample(io, jobs)
	switch {
	case err != nil:
		io.Note("interrupted: each row is of the requests until then")
	case !t.timed:
		size := ""
		if o.path.BySize {
			size = ", of 16 KiB"
		}
		io.Note("%s tells no times: taken as %d requests a second%s (--rate)", t.name(), o.path.Rate, size)
	}
	return err
}

// traceJobs is a job for each policy, bucket size, cache size and seed.
func (o *benchOptions) traceJobs() (jobs []*traceJob, err error) {
	add := func(p alloc.Policy, n, sectors int, reference string) error {
		for seed := range o.seeds {
			cfg, err := o.config(p, n, sectors)
			if err != nil {
				return err
			}
			cfg.Alloc.Seed = o.seed + uint64(seed)
			jobs = append(jobs, &traceJob{cfg: cfg, reference: reference})
		}
		return nil
	}
	for _, p := range o.policies {
		for _, sectors := range o.buckets {
			counts, err := o.counts(sectors)
			if err != nil {
				return nil, err
			}
			for _, n := range counts {
				if err := add(p, n, sectors, ""); err != nil {
					return nil, err
				}
			}
		}
	}
	for _, name := range o.refs {
		counts, err := o.counts(o.buckets[0])
		if err != nil {
			return nil, err
		}
		for _, n := range counts {
			if err := add(alloc.LRU, n, o.buckets[0], name); err != nil {
				return nil, err
			}
		}
	}
	return jobs, nil
}

// counts are the cache sizes in buckets of so many sectors.
func (o *benchOptions) counts(sectors int) ([]int, error) {
	if len(o.sizes) == 0 {
		return []int{o.count}, nil
	}
	var counts []int
	for _, size := range o.sizes {
		n := size / 512 / int64(sectors)
		if n > 1<<31-1 {
			return nil, app.Usagef("--cache-size %s: %d buckets of %s, which is more than can be modelled", app.SizeText(size), n, app.SizeText(int64(sectors)*512))
		}
		if o.auto {
			n = max(n, alloc.MinBuckets)
		}
		counts = append(counts, int(n))
	}
	return slices.Compact(counts), nil
}

// noteTrace says on stderr what the rows do not: what was skipped, and which caches never filled.
func (o *benchOptions) noteTrace(io *app.IO, t *trace, jobs []*traceJob) {
	if text := blktrace.SkipText(jobs[0].skipped); text != "" {
		io.Note("%s: skipped %s", t.name(), text)
	}
	if o.volumes.given && jobs[0].row.Requests == 0 {
		io.Note("%s: no request is to these volumes", t.name())
		return
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

// fewBuckets is how few of a sample are too few.
const fewBuckets = 16

// noteSample says on stderr if a sample has hardly any buckets of the smallest cache.
func (o *benchOptions) noteSample(io *app.IO, jobs []*traceJob) {
	if o.sample == 0 {
		return
	}
	least := slices.MinFunc(jobs, func(a, b *traceJob) int { return cmp.Compare(a.cfg.Alloc.NBuckets, b.cfg.Alloc.NBuckets) })
	if n := o.sample.Of(uint64(least.cfg.Alloc.NBuckets)); n < fewBuckets {
		enough := min(math.Ceil(1000*fewBuckets/float64(least.cfg.Alloc.NBuckets))/1000, 1)
		io.Note("a sample with %d buckets of %s says little: take --sample %.3g or more", n, app.SizeText(least.row.CacheBytes), enough)
	}
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
