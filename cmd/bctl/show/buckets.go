// SPDX-License-Identifier: GPL-2.0-only

package show

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/ui/render"
)

const showBucketsDescription = `Shows every bucket as the kernel would know it after registering the device, before its allocator starts: its gen
(the disk's, raised by every pointer that is ahead), prio, mark, live sectors, and what it is used for.

Examples:

    bctl show-buckets --mark dirty --sort -sectors cache.img
    bctl show-buckets --format csv /dev/nvme0n1p3 > buckets.csv
    bctl show-buckets --summary --json cache.img
    bctl show-buckets --map --color always cache.img | less -R
`

func ShowBucketsCommand() *cli.Command {
	return &cli.Command{
		Name:        "show-buckets",
		Usage:       "show the buckets of a cache device: gens, prios, marks, owners",
		ArgsUsage:   "DEVICE",
		Description: showBucketsDescription,
		Flags: []cli.Flag{
			app.Choice(&cli.StringFlag{Name: "mark", Usage: "only buckets with `MARK`: free, clean, dirty, metadata; several with commas"}, inspect.Marks...),
			&cli.StringFlag{Name: "inode", Usage: "only buckets with live data of volume `N`"},
			&cli.StringFlag{Name: "bucket", Usage: "only buckets `A-B`, or one"},
			&cli.StringFlag{Name: "gen-above", Usage: "only buckets with a gen above `N`"},
			app.Choice(&cli.StringFlag{Name: "sort", Usage: "by `COLUMN`: " + strings.Join(inspect.SortKeys, ", ") + "; -COLUMN for the largest first"}, inspect.SortKeys...),
			limitFlag("buckets"),
			&cli.BoolFlag{Name: "summary", Usage: "the kernel's priority_stats, and the dirty sectors of each volume"},
			&cli.BoolFlag{Name: "map", Usage: "draw the device"},
		},
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o, err := readBuckets(args, io)
			if err != nil {
				return err
			}
			return showBuckets(ctx, o, io)
		}),
	}
}

// bucketsOptions is a command line of show-buckets.
type bucketsOptions struct {
	device  string
	summary bool
	drawn   bool // --map
	filter  inspect.Filter
	limit   int // 0: see limited
}

func readBuckets(args *app.Args, io *app.IO) (o bucketsOptions, err error) {
	if o.filter, err = readFilter(args); err != nil {
		return o, err
	}
	if err = args.Number("limit", 1, math.MaxInt32, func(n uint64) { o.limit = int(n) }); err != nil {
		return o, err
	}
	o.summary, o.drawn = args.Bool("summary"), args.Bool("map")
	if o.drawn && io.Format != render.Table {
		return o, app.Usagef("--map is a picture: it contradicts --format %s", io.Format)
	}
	for _, whole := range []string{"map", "summary"} {
		for _, other := range []string{"summary", "mark", "inode", "bucket", "gen-above", "sort", "limit"} {
			if whole != other && args.Bool(whole) && args.Given(other) {
				return o, app.Usagef("--%s shows the whole device: it contradicts --%s", whole, other)
			}
		}
	}
	o.device, err = args.Device()
	return o, err
}

// readFilter reads the flags that choose buckets.
func readFilter(args *app.Args) (inspect.Filter, error) {
	f := inspect.Filter{Inode: -1, GenAbove: -1, Last: math.MaxUint64, Sort: args.String("sort")}
	if args.Given("mark") {
		for _, name := range args.List("mark", "") {
			i := slices.Index(inspect.Marks, name)
			if i < 0 {
				return f, app.Usagef("--mark %q: not one of %s", name, strings.Join(inspect.Marks, ", "))
			}
			f.Marks = append(f.Marks, inspect.Mark(i))
		}
	}
	if args.Given("sort") && f.Sort == "" {
		return f, app.Usagef("--sort \"\": not one of %s", strings.Join(inspect.SortKeys, ", "))
	}
	if err := inspect.CheckSort(f.Sort); err != nil {
		return f, app.Usagef("--sort %v", err)
	}
	err := errors.Join(
		args.Number("inode", 0, ondisk.MaxInode, func(n uint64) { f.Inode = int64(n) }),
		args.Number("gen-above", 0, math.MaxUint8, func(n uint64) { f.GenAbove = int(n) }),
		args.Buckets("bucket", &f.First, &f.Last),
	)
	return f, err
}

func showBuckets(ctx context.Context, o bucketsOptions, io *app.IO) error {
	err := app.ShowCache(ctx, o.device, io, func(cache *inspect.Cache) error {
		switch {
		case o.summary:
			return writeBucketSummary(io.Out, io.Format, o.device, cache)
		case o.drawn:
			return writeMap(io.Out, cache, mapWidth(io), io.Colours())
		default:
			return render.WriteRefs(io.Out, io.Format, bucketView(o, cache, io))
		}
	})
	if o.summary && errors.Is(err, app.ErrNoSizes) { // nothing is known of it, which is said too
		if err := writeBucketSummary(io.Out, io.Format, o.device, nil); err != nil {
			return err
		}
		return app.WithHint(app.Damaged("%v", err), "see bctl fsck %s", o.device)
	}
	return err
}

func bucketView(o bucketsOptions, cache *inspect.Cache, io *app.IO) render.View[*inspect.BucketRow] {
	return limited(render.View[*inspect.BucketRow]{
		Head: []render.Field{
			{Key: "device", Value: o.device},
			{Key: "nbuckets", Value: cache.Geo.NBuckets},
			{Key: "bucket_sectors", Value: cache.Geo.BucketSectors},
			{Key: "first_bucket", Value: cache.Geo.FirstBucket},
		},
		Key:     "buckets",
		Rows:    cache.Rows(o.filter),
		Columns: bucketColumns,
	}, o.limit, io)
}

var bucketColumns = []render.Column[*inspect.BucketRow]{
	{Name: "bucket", Num: true, Int: func(r *inspect.BucketRow) uint64 { return uint64(r.Bucket) }},
	{Name: "gen", Num: true, Int: func(r *inspect.BucketRow) uint64 { return uint64(r.Gen.Value) }, Has: func(r *inspect.BucketRow) bool { return r.Gen.Known }},
	{Name: "disk_gen", Num: true, Int: func(r *inspect.BucketRow) uint64 { return uint64(r.DiskGen.Value) }, Has: func(r *inspect.BucketRow) bool { return r.DiskGen.Known }},
	{Name: "prio", Num: true, Int: func(r *inspect.BucketRow) uint64 { return uint64(r.Prio.Value) }, Has: func(r *inspect.BucketRow) bool { return r.Prio.Known }},
	{Name: "mark", Cell: func(r *inspect.BucketRow) string { return r.Mark.Value }, Has: func(r *inspect.BucketRow) bool { return r.Mark.Known }},
	{Name: "sectors", Num: true, Int: func(r *inspect.BucketRow) uint64 { return uint64(r.Sectors.Value) }, Has: func(r *inspect.BucketRow) bool { return r.Sectors.Known }},
	{Name: "owner", Cell: func(r *inspect.BucketRow) string { return r.Owner }},
}
