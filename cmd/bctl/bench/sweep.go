// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"bctl/alloc/blktrace"
	"bctl/alloc/cachesim"
	"bctl/cmd/bctl/app"
)

// The references among policies.
const (
	exactLRU = "exact-lru"
	belady   = "belady"
)

// sweepFlags are the flags of --trace that say how much of it is replayed how often, and what is shown.
var sweepFlags = []string{"sample", "seeds", "volumes", "interval", "columns", "wide", "json-lines", "plot-metric", "compare"}

func sweepFlagList() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "sample", Usage: "with --trace: replay a share `R` of the regions of 64 KiB, such as 0.01, for a cache as much smaller"},
		&cli.StringFlag{Name: "seeds", Usage: "with --trace: run each cache with `N` seeds, and show the spread", Value: "1"},
		&cli.StringFlag{Name: "volumes", Usage: "with --trace: only the volumes `A-B`, counted from 0 as they appear"},
		&cli.StringFlag{Name: "interval", Usage: "with --trace: the miss ratio each `N` requests, or after each 10s, 5m, 1h of the trace"},
		&cli.StringSliceFlag{Name: "columns", Usage: "with --trace: show the columns `NAMES`, as JSON and CSV name them"},
		&cli.BoolFlag{Name: "wide", Usage: "with --trace: show all columns"},
		&cli.BoolFlag{Name: "json-lines", Usage: "with --trace: a JSON object for each row, on a line of its own; counts of different volumes add up"},
		&cli.StringFlag{Name: "plot-metric", Usage: "with --plot: draw the column `NAME` instead", Value: "miss_ratio"},
		&cli.BoolFlag{Name: "compare", Usage: "with --trace of a kernel's tracepoints: set the kernel's own counts beside the model's"},
	}
}

// readSweep reads them.
func (o *benchOptions) readSweep(args *app.Args) error {
	if args.Given("sample") {
		r, err := strconv.ParseFloat(args.String("sample"), 64)
		if err == nil {
			o.sample, err = cachesim.NewShare(r)
		}
		if err != nil {
			return app.Usagef("--sample %q: not a number above 0, up to 1", args.String("sample"))
		}
		o.sampleR = r
		if err := args.Refuse("--sample", "interval", "moving-gc"); err != nil {
			return err
		}
	}
	if err := args.Number("seeds", 1, 1000, func(n uint64) { o.seeds = int(n) }); err != nil {
		return err
	}
	o.seeds = max(o.seeds, 1)
	var err error
	if args.Given("volumes") {
		if o.volumes, err = parseVolumes(args.String("volumes")); err != nil {
			return err
		}
	}
	if args.Given("interval") {
		if o.interval, err = parseInterval(args.String("interval")); err != nil {
			return err
		}
	}
	if args.Given("plot-metric") && o.plot == "" {
		return app.Usagef("--plot-metric: only with --plot")
	}
	o.wide, o.lines, o.compare = args.Bool("wide"), args.Bool("json-lines"), args.Bool("compare")
	if o.compare {
		if err := args.Refuse("--compare", "sample", "warmup", "ops", "volumes", "csv", "json-lines"); err != nil {
			return err
		}
	}
	if o.lines {
		if err := args.Refuse("--json-lines", "csv"); err != nil {
			return err
		}
	}
	if o.metric = args.String("plot-metric"); metricOf(o.metric) == nil {
		return app.Usagef("--plot-metric %q: want %s", o.metric, strings.Join(metricNames(), ", "))
	}
	if o.columns = args.List("columns", ""); len(o.columns) > 0 {
		if err := args.Refuse("--columns", "wide"); err != nil {
			return err
		}
	}
	return checkColumns(o.columns)
}

// A volumeRange is volumes, both ends included.
type volumeRange struct {
	given     bool
	low, high uint32
}

func parseVolumes(s string) (v volumeRange, err error) {
	a, b, isRange := strings.Cut(s, "-")
	if !isRange {
		b = a
	}
	low, err1 := strconv.ParseUint(a, 10, 32)
	high, err2 := strconv.ParseUint(b, 10, 32)
	if err1 != nil || err2 != nil || high < low {
		return v, app.Usagef("--volumes %q: want numbers A-B of volumes, or one, up to %d", s, uint32(math.MaxUint32))
	}
	return volumeRange{true, uint32(low), uint32(high)}, nil
}

// only hands out the requests of some volumes.
type only struct {
	from cachesim.Source
	v    volumeRange
}

func (r only) Read(batch []blktrace.Request) (int, error) {
	for {
		n, err := r.from.Read(batch)
		kept := 0
		for _, q := range batch[:n] {
			if q.Volume >= r.v.low && q.Volume <= r.v.high {
				batch[kept] = q
				kept++
			}
		}
		if kept > 0 || err != nil {
			return kept, err
		}
	}
}

// source is what a reader hands out of the volumes that were asked for.
func (o *benchOptions) source(r *blktrace.Reader) cachesim.Source {
	if o.volumes.given {
		return only{r, o.volumes}
	}
	return r
}

// An interval is so many requests, or so much time.
type interval struct {
	requests uint64
	time     uint64 // us
}

func (v interval) given() bool { return v.requests > 0 || v.time > 0 }

func parseInterval(s string) (v interval, err error) {
	if n, err := strconv.ParseUint(s, 10, 63); err == nil && n > 0 {
		return interval{requests: n}, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Microsecond || d > math.MaxInt64/2 {
		return v, app.Usagef("--interval %q: want a number of requests, or a time such as 10s, 5m, 1h", s)
	}
	return interval{time: uint64(d / time.Microsecond)}, nil
}

// An intervalRow is what was missed in one interval.
type intervalRow struct {
	Start     float64  `json:"start_seconds"`
	Requests  uint64   `json:"requests"`
	MissRatio *float64 `json:"miss_ratio"`
}

// A ticker cuts a replay into intervals.
type ticker struct {
	interval
	sim    *cachesim.Sim
	rows   []intervalRow
	before cachesim.Figures
	start  uint64 // us
	n      uint64 // requests of this one
}

// do replays requests, and closes each interval that ends in them.
func (t *ticker) do(batch []blktrace.Request) error {
	for len(batch) > 0 {
		n := len(batch)
		if t.requests > 0 {
			n = int(min(uint64(n), t.requests-t.n))
		} else {
			for i, q := range batch {
				if q.Time >= t.start+t.time {
					n = i
					break
				}
			}
		}
		if err := t.sim.Do(batch[:n]); err != nil {
			return err
		}
		t.n += uint64(n)
		batch = batch[n:]
		switch {
		case t.requests > 0 && t.n == t.requests && len(batch) > 0:
			t.close(batch[0].Time)
		case t.time > 0 && len(batch) > 0:
			t.close(t.start + (batch[0].Time-t.start)/t.time*t.time)
		}
	}
	return nil
}

// close ends an interval; the next begins at a time.
func (t *ticker) close(next uint64) {
	f := t.sim.Figures()
	if t.n > 0 {
		d := cachesim.Figures{
			Reads: f.Reads - t.before.Reads, Writes: f.Writes - t.before.Writes,
			ReadMisses: f.ReadMisses - t.before.ReadMisses, WriteMisses: f.WriteMisses - t.before.WriteMisses,
		}
		t.rows = append(t.rows, intervalRow{float64(t.start) / 1e6, t.n, known(d.MissRatio())})
	}
	t.before, t.start, t.n = f, next, 0
}

// begin leaves out what was before.
func (t *ticker) begin() {
	t.sim.ResetFigures()
	t.rows, t.before, t.n = nil, cachesim.Figures{}, 0
}
