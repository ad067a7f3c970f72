// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/urfave/cli/v2"

	"bctl/alloc"
	"bctl/alloc/blktrace"
	"bctl/alloc/cachesim"
	"bctl/cmd/bctl/app"
	"bctl/internal/ui/progress"
	"bctl/internal/ui/render"
)

// traceRow is a trace replayed through one cache.
type traceRow struct {
	Policy         string   `json:"policy"`
	CacheBytes     int64    `json:"cache_bytes"`
	BucketBytes    int64    `json:"bucket_bytes"`
	Buckets        int      `json:"buckets"`
	Requests       uint64   `json:"requests"`
	Reads          uint64   `json:"reads"`
	Writes         uint64   `json:"writes"`
	Trims          uint64   `json:"trims"`
	ReadMissRatio  *float64 `json:"read_miss_ratio"`
	WriteMissRatio *float64 `json:"write_miss_ratio"`
	MissRatio      *float64 `json:"miss_ratio"`
	ByteMissRatio  *float64 `json:"byte_miss_ratio"`
	Bypassed       uint64   `json:"bypassed"`
	Allocated      uint64   `json:"buckets_allocated"`
	allocCounts
	DataSectors    uint64   `json:"data_sectors"`
	JournalSectors uint64   `json:"journal_sectors"`
	BtreeSectors   uint64   `json:"btree_sectors"`
	PrioSectors    uint64   `json:"prio_sectors"`
	WrittenBack    uint64   `json:"written_back_sectors"`
	MetadataWA     *float64 `json:"metadata_write_amplification"`
	TotalWA        *float64 `json:"total_write_amplification"`
}

// A traceJob is a row to be made.
type traceJob struct {
	cfg cachesim.Config
	row traceRow
	err error
}

// benchTrace is --trace.
func benchTrace(c *cli.Context, o *benchOptions) error {
	format, err := blktrace.ParseFormat(c.String("trace-format"))
	if err != nil {
		return app.Usagef("--%v", err)
	}
	plot, err := plotFile(c)
	if err != nil {
		return err
	}
	jobs, err := o.traceJobs()
	if err != nil {
		return err
	}
	name := c.String("trace")
	if err := probeTrace(name, &format); err != nil {
		return err
	}
	if err := o.runJobs(c, name, format, jobs); err != nil {
		return err
	}
	view := render.View[traceRow]{
		Head: []render.Field{
			{Key: "trace", Value: name, Name: "trace"},
			{Key: "trace_format", Value: format.String(), Name: "format"},
			{Key: "device", Value: nullIfEmpty(o.name), Name: app.OptionalName("device", o.name != ""), Text: o.name},
			{Key: "model", Value: o.model.Name, Name: "model"},
			{Key: "seed", Value: o.seed, Name: "seed"},
			{Key: "dirty_ratio", Value: o.dirty, Name: "dirty ratio"},
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
	if plot != "" {
		if err := plotMisses(plot, name, jobs); err != nil {
			return err
		}
	}
	return render.Write(c.App.Writer, o.format, view)
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

// probeTrace finds the format out before anything is set up.
func probeTrace(name string, format *blktrace.Format) error {
	f, err := openPlain(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := blktrace.NewReader(f, *format)
	if errors.Is(err, blktrace.ErrFormat) {
		return app.Usagef("%s: %v; --trace-format says which it is", name, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer r.Close()
	*format = r.Format()
	return nil
}

// runJobs runs the jobs on all cores. Each reads the trace itself: so only as many caches are in memory as there are
// cores. The first error, in the order of the jobs, stops the others.
func (o *benchOptions) runJobs(c *cli.Context, name string, format blktrace.Format, jobs []*traceJob) error {
	ctx, cancel := context.WithCancel(c.Context)
	defer cancel()
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	counter := app.ProgressOf(c)("bytes of trace", info.Size()*int64(len(jobs)))
	defer counter.Done()
	queue := make(chan *traceJob)
	var workers sync.WaitGroup
	for range min(len(jobs), runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for j := range queue {
				if j.err = o.replay(ctx, name, format, j, counter); j.err != nil {
					cancel()
				}
			}
		})
	}
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	workers.Wait()
	if err := c.Context.Err(); err != nil {
		return err
	}
	for _, j := range jobs {
		if j.err != nil && !errors.Is(j.err, context.Canceled) {
			return traceError(name, j.err)
		}
	}
	return nil
}

// traceError tells a bad trace from one that cannot be read.
func traceError(name string, err error) error {
	var bad *blktrace.Error
	switch {
	case errors.As(err, &bad):
		return app.Usagef("%s: %v", name, bad)
	case errors.Is(err, alloc.ErrConfig):
		return app.Usagef("%v", err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// replay runs one job.
func (o *benchOptions) replay(ctx context.Context, name string, format blktrace.Format, j *traceJob, counter progress.Counter) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := openPlain(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := blktrace.NewReader(countedReader{f, counter}, format)
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
	f2 := s.Figures()
	j.row = rowOf(&j.cfg.Alloc, &f2)
	return nil
}

func rowOf(a *alloc.Config, f *cachesim.Figures) traceRow {
	sectors := int64(a.BucketSize) * 512
	return traceRow{
		Policy: a.Policy.String(), CacheBytes: int64(a.NBuckets) * sectors, BucketBytes: sectors, Buckets: a.NBuckets,
		Requests: f.Requests(), Reads: f.Reads, Writes: f.Writes, Trims: f.Trims, Bypassed: f.Bypassed,
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
