// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"bctl/alloc"
	"bctl/alloc/blktrace"
	"bctl/alloc/cachesim"
	"bctl/cmd/bctl/app"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/ui/render"
	"bctl/superblock"
)

// benchOptions is a command line of alloc-bench, but of --script.
type benchOptions struct {
	format   render.Format
	model    alloc.Model
	policies []alloc.Policy
	buckets  []int   // bucket sizes, in sectors
	sizes    []int64 // of the cache, in bytes; none: count says
	count    int     // of buckets
	seed     uint64
	path     cachesim.Config // how requests are treated; its Alloc is empty
	waits    bool            // path says how long prio writes and gc take, because flags do

	ops    uint64
	time   time.Duration
	warmup int64 // below 0: not said
	kind   string
	prios  string
	load   cachesim.WorkloadConfig
	device *cachesim.Device // nil: an empty cache
	name   string           // of the device, if one is given

	commitTo  bool     // --commit: to the device
	traces    []string // files, one behind the other
	traceSpec blktrace.Spec
	plot      string   // a file
	metric    string   // that it shows
	auto      bool     // cache sizes are fractions of the working set
	refs      []string // reference lines
	seeds     int
	sample    cachesim.Share // 0: everything is replayed
	sampleR   float64
	volumes   volumeRange
	interval  interval
	columns   []string // nil: those that fit
	wide      bool
	lines     bool // JSON, an object a row
	compare   bool // with what the kernel counted
	geo       deviceShape
}

// deviceShape is what a DEVICE says of itself, so that flags cannot.
type deviceShape struct{ first, block int }

func readBench(args *app.Args, io *app.IO, model alloc.Model) (*benchOptions, error) {
	o := &benchOptions{model: model, count: 1 << 16, ops: 1_000_000, warmup: -1, kind: "alloc", path: cachesim.DefaultConfig()}
	err := args.AtMost(1)
	if err == nil {
		o.format, err = readFormat(args, io)
	}
	for _, read := range []func(*app.Args) error{o.readTrace, o.readDevice, o.readCache, o.readPath, o.readRun, o.readWorkload, o.readCommit} {
		if err == nil {
			err = read(args)
		}
	}
	return o, err
}

// readTrace reads what to replay, if anything.
func (o *benchOptions) readTrace(args *app.Args) error {
	if !args.Given("trace") {
		return args.Refuse("a workload, it needs --trace", append([]string{"trace-format", "cache-size", "plot"}, sweepFlags...)...)
	}
	if err := args.Refuse("--trace", "workload", "prios", "write-ratio", "streams", "seconds"); err != nil {
		return err
	}
	o.traces, o.ops = args.Strings("trace"), 0
	var err error
	if o.traceSpec, err = blktrace.ParseSpec(args.String("trace-format")); err != nil {
		return app.Usagef("--trace-format: %v", err)
	}
	if o.plot, err = readPlot(args); err != nil {
		return err
	}
	return o.readSweep(args)
}

// readDevice reads what to start from, if it is no empty cache.
func (o *benchOptions) readDevice(args *app.Args) error {
	if len(args.Operands()) == 0 {
		return nil
	}
	o.name = args.Operands()[0]
	return args.Refuse("a DEVICE, whose own is taken", "buckets", "bucket", "cache-size")
}

// readCommit reads whether to write. The device's own buckets are run through once, if nothing else is said.
func (o *benchOptions) readCommit(args *app.Args) error {
	if !args.Bool("commit") {
		return nil
	}
	if err := args.Refuse("--commit", "trace", "warmup"); err != nil {
		return err
	}
	_, err := args.Device()
	switch {
	case err != nil:
		return err
	case o.kind != "alloc":
		return app.Usagef("--commit: only with --workload alloc")
	case len(o.policies) > 1:
		return app.Usagef("--commit: one policy, because each one starts from the image as it is")
	}
	o.commitTo = true
	if !args.Given("ops") {
		o.ops = 0
	}
	return nil
}

// readCache reads what the cache is like.
func (o *benchOptions) readCache(args *app.Args) error {
	for _, name := range args.List("policy", "lru") {
		if name == "all" {
			o.policies = []alloc.Policy{alloc.LRU, alloc.FIFO, alloc.Random}
			continue
		}
		if name == exactLRU || name == belady {
			o.refs = append(o.refs, name)
			continue
		}
		p, err := alloc.ParsePolicy(name)
		if err != nil {
			return app.Usagef("--policy %q: not one of lru, fifo, random, clock, %s, %s or all", name, exactLRU, belady)
		}
		if !slices.Contains(o.policies, p) {
			o.policies = append(o.policies, p)
		}
	}
	for _, s := range args.List("bucket", "512k") {
		sectors, err := app.ParsePower("--bucket", s)
		if err != nil {
			return err
		}
		o.buckets = append(o.buckets, int(sectors))
	}
	for _, s := range args.List("cache-size", "") {
		if s == "auto" {
			o.auto = true
			continue
		}
		n, err := app.ParseSize(s)
		if err != nil {
			return app.Usagef("--cache-size: %v", err)
		}
		o.sizes = append(o.sizes, n)
	}
	if !args.Given("trace") && len(o.buckets) > 1 {
		return app.Usagef("--bucket: several sizes only with --trace")
	}
	if len(o.refs) > 0 && !args.Given("trace") {
		return app.Usagef("--policy %s: only with --trace", o.refs[0])
	}
	if o.auto && len(o.sizes) > 0 {
		return app.Usagef("--cache-size auto contradicts other sizes")
	}
	if (len(o.sizes) > 0 || o.auto) && args.Given("buckets") {
		return app.Usagef("--buckets contradicts --cache-size")
	}
	if err := args.Number("buckets", alloc.MinBuckets, math.MaxInt32, func(n uint64) { o.count = int(n) }); err != nil {
		return err
	}
	if err := args.Number("seed", 0, math.MaxUint64, func(n uint64) { o.seed = n }); err != nil {
		return err
	}
	if !args.Given("seed") {
		o.seed = 1
	}
	return nil
}

// readRun reads how long to run.
func (o *benchOptions) readRun(args *app.Args) error {
	if args.Given("ops") && args.Given("seconds") {
		return app.Usagef("--ops contradicts --seconds")
	}
	if args.Given("seconds") {
		s, err := strconv.ParseFloat(args.String("seconds"), 64)
		if err != nil || !(s > 0 && s <= 1e6) {
			return app.Usagef("--seconds %q: not a number above 0, up to a million", args.String("seconds"))
		}
		o.time, o.ops = time.Duration(s*float64(time.Second)), 0
	}
	if err := args.Number("ops", 1, math.MaxInt64, func(n uint64) { o.ops = n }); err != nil {
		return err
	}
	return args.Number("warmup", 0, math.MaxInt64, func(n uint64) { o.warmup = int64(n) })
}

// readWorkload reads what to make up.
func (o *benchOptions) readWorkload(args *app.Args) error {
	kind, theta, hasTheta := strings.Cut(args.String("workload"), ":")
	o.kind, o.prios = kind, args.String("prios")
	o.load = cachesim.WorkloadConfig{Kind: kind, Theta: 0.99, WriteRatio: 0.3, Streams: 1, Seed: o.seed}
	if kind != "alloc" && !slices.Contains(cachesim.WorkloadKinds, kind) {
		return app.Usagef("--workload %q: want alloc, %s", kind, strings.Join(cachesim.WorkloadKinds, ", "))
	}
	if hasTheta {
		var err error
		o.load.Theta, err = strconv.ParseFloat(theta, 64)
		if kind != "zipf" || err != nil || !(o.load.Theta >= 0 && o.load.Theta < 1) {
			return app.Usagef("--workload %q: want zipf:THETA, 0 up to but not 1", args.String("workload"))
		}
	}
	if !slices.Contains(cachesim.Prios, o.prios) {
		return app.Usagef("--prios %q: want %s", o.prios, strings.Join(cachesim.Prios, ", "))
	}
	if kind == "alloc" && !args.Given("trace") {
		if err := args.Refuse("--workload alloc, which makes no requests", append([]string{"write-ratio", "streams"}, pathFlags...)...); err != nil {
			return err
		}
	}
	if kind != "alloc" && args.Given("prios") {
		return app.Usagef("--prios: only with --workload alloc")
	}
	if err := args.Number("streams", 1, 1<<16, func(n uint64) { o.load.Streams = int(n) }); err != nil {
		return err
	}
	return args.Share("write-ratio", &o.load.WriteRatio)
}

// config is the cache of one row. Its blocks are a sector, so that no request of a trace is refused for its place.
func (o *benchOptions) config(policy alloc.Policy, buckets, sectors int) (cachesim.Config, error) {
	a := alloc.DefaultConfig()
	a.Model, a.Policy, a.NBuckets, a.BucketSize, a.Seed = o.model, policy, buckets, sectors, o.seed
	a.BlockSize = 1
	a.FirstBucket = int(superblock.FirstBucket(ondisk.Sector(sectors)))
	if o.device != nil {
		a.FirstBucket, a.BlockSize, a.NJournal = o.geo.first, o.geo.block, len(o.device.Journal)
	}
	switch err := a.Validate(); {
	case err != nil && o.device != nil:
		return cachesim.Config{}, fmt.Errorf("%s: %w", o.name, err)
	case err != nil:
		err = app.Usagef("%s of %d buckets: %v", app.SizeText(int64(buckets)*int64(sectors)*512), buckets, err)
		if buckets < alloc.MinBuckets {
			err = app.WithHint(err, "smaller buckets with --bucket, or a larger --cache-size")
		}
		return cachesim.Config{}, err
	}
	cfg := o.path
	cfg.Alloc = a
	return cfg, nil
}
