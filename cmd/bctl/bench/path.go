// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"math"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"bctl/alloc/blktrace"
	"bctl/alloc/cachesim"
	"bctl/cmd/bctl/app"
)

// pathFlags are the flags that say how requests are treated.
var pathFlags = []string{
	"cache-mode", "sequential-cutoff", "writeback-percent", "tasks", "rate", "readahead", "congested", "moving-gc", "prio-write-ms", "gc-ms",
}

func pathFlagList() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "cache-mode", Usage: "`MODE` of the volumes: writethrough, writeback, writearound, none", Value: "writethrough"},
		&cli.StringFlag{Name: "sequential-cutoff", Usage: "streams of `SIZE` go past the cache; 0 switches it off", Value: "4M"},
		&cli.StringFlag{Name: "writeback-percent", Usage: "with --cache-mode writeback: `N` percent of the cache may be dirty", Value: "10"},
		&cli.StringFlag{Name: "tasks", Usage: "who asks, for the task's average of the cutoff: as the `TRACE` says, one, or volume (one for each)", Value: "trace"},
		&cli.StringFlag{Name: "rate", Usage: "a trace without times has `IOPS` requests a second; as long as it is not given, larger ones than 16 KiB take longer", Value: "1000"},
		&cli.StringFlag{Name: "readahead", Usage: "cache readahead: `WHICH`, all, or meta-only", Value: "all"},
		&cli.StringFlag{Name: "congested", Usage: "streams of `SIZE` go past the cache, as if it were congested all the time (default: never)"},
		&cli.BoolFlag{Name: "moving-gc", Usage: "gc empties buckets with little in them, as with copy_gc_enabled"},
		&cli.StringFlag{Name: "prio-write-ms", Usage: "the allocator waits `MS` for prios to be written (default: 7, as measured; 0 where a trace counts seconds)"},
		&cli.StringFlag{Name: "gc-ms", Usage: "a gc takes `MS` (default: as measured: of several nodes 8 in 7.2, 8 or 112 in turn from 6.11, 112 or 224 before)"},
	}
}

// readPath reads how requests are treated.
func (o *benchOptions) readPath(args *app.Args) error {
	var err error
	if o.path.Mode, err = cachesim.ParseMode(args.String("cache-mode")); err != nil {
		return app.Usagef("--cache-mode %q: not one of %s", args.String("cache-mode"), strings.Join(cachesim.ModeNames(), ", "))
	}
	if o.path.SequentialCutoff, err = cutoff(args, "sequential-cutoff"); err != nil {
		return err
	}
	if args.Given("congested") {
		if o.path.CongestedCutoff, err = cutoff(args, "congested"); err != nil {
			return err
		}
	}
	switch args.String("readahead") {
	case "all":
	case "meta-only":
		o.path.ReadaheadMeta = true
	default:
		return app.Usagef("--readahead %q: want all or meta-only", args.String("readahead"))
	}
	switch args.String("tasks") {
	case "trace":
	case "one":
		o.path.Tasks = cachesim.TasksOne
	case "volume":
		o.path.Tasks = cachesim.TasksVolume
	default:
		return app.Usagef("--tasks %q: want trace, one or volume", args.String("tasks"))
	}
	o.waits = args.Given("prio-write-ms") || args.Given("gc-ms")
	o.path.MovingGC, o.path.Rate = args.Bool("moving-gc"), defaultRate
	o.path.BySize = !args.Given("rate")
	if args.Given("writeback-percent") && o.path.Mode != cachesim.Writeback {
		return app.Usagef("--writeback-percent: only with --cache-mode writeback")
	}
	for _, read := range []error{
		args.Number("writeback-percent", 0, 40, func(n uint64) { o.path.WritebackPercent = int(n) }),
		args.Number("rate", 1, 1e9, func(n uint64) { o.path.Rate = n }),
		milliseconds(args, "prio-write-ms", &o.path.PrioWrite),
		milliseconds(args, "gc-ms", &o.path.GC),
	} {
		if read != nil {
			return read
		}
	}
	return nil
}

// defaultRate is --rate.
const defaultRate = 1000

// cutoff reads a size that a stream may have, below 4 GiB.
func cutoff(args *app.Args, name string) (uint32, error) {
	if args.String(name) == "0" {
		return 0, nil
	}
	n, err := app.ParseSize(args.String(name))
	if err != nil {
		return 0, app.Usagef("--%s: %v", name, err)
	}
	if n > math.MaxUint32 {
		return 0, app.Usagef("--%s %s: at most %d bytes", name, args.String(name), uint32(math.MaxUint32))
	}
	return uint32(n), nil
}

// milliseconds reads a flag, if it is given.
func milliseconds(args *app.Args, name string, to *time.Duration) error {
	if !args.Given(name) {
		return nil
	}
	d, err := time.ParseDuration(args.String(name) + "ms")
	if err != nil || d < 0 || d > time.Minute {
		return app.Usagef("--%s %q: not a number of milliseconds up to 60000", name, args.String(name))
	}
	*to = d
	return nil
}

// fit makes the path one for a trace: what it does not tell is taken for granted. Where it counts seconds nobody can say
// what came while prios were written.
func (o *benchOptions) fit(t *trace) {
	switch t.found {
	case blktrace.Tencent, blktrace.OracleGeneral, blktrace.LCS:
		o.path.Used = true // these were cut out of the days of a service
		if !o.waits {
			o.path.PrioWrite, o.path.GC = 0, 0
		}
	}
	o.path.SyncWrites = t.found != blktrace.Blkparse && t.found != blktrace.Tracepoints
	if t.timed {
		o.path.Rate = 0
	}
}
