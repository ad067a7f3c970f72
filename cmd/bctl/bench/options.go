// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"bctl/alloc"
	"bctl/alloc/cachesim"
	"bctl/cmd/bctl/app"
	"bctl/internal/ui/render"
)

// benchOptions is what the flags of alloc-bench say, --script's aside.
type benchOptions struct {
	format   render.Format
	model    alloc.Model
	policies []alloc.Policy
	buckets  []int   // bucket sizes, in sectors
	sizes    []int64 // of the cache, in bytes; none: count says
	count    int     // of buckets
	seed     uint64
	dirty    float64

	ops    uint64
	time   time.Duration
	warmup int64 // below 0: not said
	kind   string
	prios  string
	load   cachesim.WorkloadConfig
	device *cachesim.Device // nil: an empty cache
	name   string           // of the device
	geo    deviceShape
}

// deviceShape is what a DEVICE says of itself, so that flags cannot.
type deviceShape struct{ first, block int }

func benchOptionsOf(c *cli.Context, model alloc.Model) (*benchOptions, error) {
	o := &benchOptions{model: model, count: 1 << 16, ops: 1_000_000, warmup: -1, kind: "alloc", dirty: 0.1}
	var err error
	if o.format, err = benchFormat(c); err != nil {
		return nil, err
	}
	if c.IsSet("trace") {
		o.ops = 0
		err = refuse(c, "--trace", "workload", "prios", "write-ratio", "streams", "seconds")
	} else {
		err = refuse(c, "a workload, it needs --trace", "trace-format", "cache-size", "plot")
	}
	if err == nil && c.Args().Present() {
		err = refuse(c, "a DEVICE, whose own is taken", "buckets", "bucket", "cache-size")
	}
	for _, read := range []func(*cli.Context) error{o.readCache, o.readRun, o.readWorkload} {
		if err == nil {
			err = read(c)
		}
	}
	return o, err
}

// readCache reads what the cache is like.
func (o *benchOptions) readCache(c *cli.Context) error {
	for _, name := range listOf(c, "policy", "lru") {
		if name == "all" {
			o.policies = []alloc.Policy{alloc.LRU, alloc.FIFO, alloc.Random}
			continue
		}
		p, err := alloc.ParsePolicy(name)
		if err != nil {
			return app.Usagef("--policy %v, or all", strings.TrimPrefix(err.Error(), "policy "))
		}
		if !slices.Contains(o.policies, p) {
			o.policies = append(o.policies, p)
		}
	}
	for _, s := range listOf(c, "bucket", "512k") {
		sectors, err := app.ParsePower("--bucket", s)
		if err != nil {
			return err
		}
		o.buckets = append(o.buckets, int(sectors))
	}
	for _, s := range listOf(c, "cache-size", "") {
		n, err := app.ParseSize(s)
		if err != nil {
			return app.Usagef("--cache-size: %v", err)
		}
		o.sizes = append(o.sizes, n)
	}
	if !c.IsSet("trace") && len(o.buckets) > 1 {
		return app.Usagef("--bucket: several sizes only with --trace")
	}
	if len(o.sizes) > 0 && c.IsSet("buckets") {
		return app.Usagef("--buckets contradicts --cache-size")
	}
	if err := wholeNumber(c, "buckets", math.MaxInt32, func(n uint64) { o.count = int(n) }); err != nil {
		return err
	}
	if err := wholeNumber(c, "seed", math.MaxUint64, func(n uint64) { o.seed = n }); err != nil {
		return err
	}
	if !c.IsSet("seed") {
		o.seed = 1
	}
	return share(c, "dirty-ratio", &o.dirty)
}

// readRun reads how long to run.
func (o *benchOptions) readRun(c *cli.Context) error {
	if c.IsSet("ops") && c.IsSet("seconds") {
		return app.Usagef("--ops contradicts --seconds")
	}
	if c.IsSet("seconds") {
		s, err := strconv.ParseFloat(c.String("seconds"), 64)
		if err != nil || !(s > 0 && s <= 1e6) {
			return app.Usagef("--seconds %q: not a number above 0, up to a million", c.String("seconds"))
		}
		o.time, o.ops = time.Duration(s*float64(time.Second)), 0
	}
	if err := wholeNumber(c, "ops", math.MaxInt64, func(n uint64) { o.ops = n }); err != nil {
		return err
	}
	if c.IsSet("ops") && o.ops == 0 {
		return app.Usagef("--ops 0: nothing to do")
	}
	return wholeNumber(c, "warmup", math.MaxInt64, func(n uint64) { o.warmup = int64(n) })
}

// readWorkload reads what to make up.
func (o *benchOptions) readWorkload(c *cli.Context) error {
	kind, theta, hasTheta := strings.Cut(c.String("workload"), ":")
	o.kind, o.prios = kind, c.String("prios")
	o.load = cachesim.WorkloadConfig{Kind: kind, Theta: 0.99, WriteRatio: 0.3, Streams: 1, Seed: o.seed}
	if kind != "alloc" && !slices.Contains(cachesim.WorkloadKinds, kind) {
		return app.Usagef("--workload %q: want alloc, %s", kind, strings.Join(cachesim.WorkloadKinds, ", "))
	}
	if hasTheta {
		var err error
		o.load.Theta, err = strconv.ParseFloat(theta, 64)
		if kind != "zipf" || err != nil || !(o.load.Theta >= 0 && o.load.Theta < 1) {
			return app.Usagef("--workload %q: want zipf:THETA, 0 up to but not 1", c.String("workload"))
		}
	}
	if !slices.Contains(cachesim.Prios, o.prios) {
		return app.Usagef("--prios %q: want %s", o.prios, strings.Join(cachesim.Prios, ", "))
	}
	if kind == "alloc" && !c.IsSet("trace") {
		if err := refuse(c, "--workload alloc, which makes no requests", "write-ratio", "dirty-ratio", "streams"); err != nil {
			return err
		}
	}
	if kind != "alloc" && c.IsSet("prios") {
		return app.Usagef("--prios: only with --workload alloc")
	}
	if err := wholeNumber(c, "streams", 1<<16, func(n uint64) { o.load.Streams = int(n) }); err != nil {
		return err
	}
	if o.load.Streams == 0 {
		return app.Usagef("--streams 0: nobody makes requests")
	}
	return share(c, "write-ratio", &o.load.WriteRatio)
}

// listOf is the values of a flag that takes several, given again or with commas.
func listOf(c *cli.Context, name, otherwise string) (list []string) {
	for _, values := range c.StringSlice(name) {
		list = append(list, strings.Split(values, ",")...)
	}
	if len(list) == 0 && otherwise != "" {
		list = []string{otherwise}
	}
	return list
}

// wholeNumber reads a flag, if it is given.
func wholeNumber(c *cli.Context, name string, most uint64, set func(uint64)) error {
	if !c.IsSet(name) {
		return nil
	}
	n, err := strconv.ParseUint(c.String(name), 10, 64)
	if err != nil || n > most {
		return app.Usagef("--%s %q: not a whole number up to %d", name, c.String(name), most)
	}
	set(n)
	return nil
}

// share reads a flag between 0 and 1, if it is given.
func share(c *cli.Context, name string, to *float64) error {
	if !c.IsSet(name) {
		return nil
	}
	v, err := strconv.ParseFloat(c.String(name), 64)
	if err != nil || !(v >= 0 && v <= 1) {
		return app.Usagef("--%s %q: not a number from 0 to 1", name, c.String(name))
	}
	*to = v
	return nil
}

// config is the cache of one row. Its blocks are a sector, so that no request of a trace is refused for its place.
func (o *benchOptions) config(policy alloc.Policy, buckets, sectors int) (cachesim.Config, error) {
	a := alloc.DefaultConfig()
	a.Model, a.Policy, a.NBuckets, a.BucketSize, a.Seed = o.model, policy, buckets, sectors, o.seed
	a.BlockSize = 1
	for a.FirstBucket*sectors < superSectors {
		a.FirstBucket++
	}
	if o.device != nil {
		a.FirstBucket, a.BlockSize, a.NJournal = o.geo.first, o.geo.block, len(o.device.Journal)
	}
	switch err := a.Validate(); {
	case err != nil && o.device != nil:
		return cachesim.Config{}, fmt.Errorf("%s: %w", o.name, err)
	case err != nil:
		return cachesim.Config{}, app.Usagef("%s of %d buckets: %v", app.SizeText(int64(buckets)*int64(sectors)*512), buckets, err)
	}
	return cachesim.Config{Alloc: a, DirtyRatio: o.dirty}, nil
}

// superSectors is where the first bucket may be, at the least: behind the superblock.
const superSectors = 24
