// SPDX-License-Identifier: GPL-2.0-only

package show

import (
	"context"
	"errors"
	"fmt"
	"io"
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
			&cli.StringFlag{Name: "limit", Usage: "at most `N` buckets"},
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
}

func readBuckets(args *app.Args, io *app.IO) (o bucketsOptions, err error) {
	if o.filter, err = readFilter(args); err != nil {
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
	if err := inspect.CheckSort(f.Sort); err != nil {
		return f, app.Usagef("--sort %v", err)
	}
	return f, errors.Join(
		args.Number("inode", 0, ondisk.MaxInode, func(n uint64) { f.Inode = int64(n) }),
		args.Number("gen-above", 0, math.MaxUint8, func(n uint64) { f.GenAbove = int(n) }),
		args.Number("limit", 1, math.MaxInt32, func(n uint64) { f.Limit = int(n) }),
		args.Buckets("bucket", &f.First, &f.Last),
	)
}

func showBuckets(ctx context.Context, o bucketsOptions, io *app.IO) error {
	return app.ShowCache(ctx, o.device, io, func(cache *inspect.Cache) error {
		switch {
		case o.summary:
			return writeBucketSummary(io.Out, io.Format, o.device, cache)
		case o.drawn:
			return writeMap(io.Out, cache, mapWidth(io), io.Colours())
		default:
			return render.Write(io.Out, io.Format, bucketView(o, cache, io))
		}
	})
}

func bucketView(o bucketsOptions, cache *inspect.Cache, io *app.IO) render.View[inspect.BucketRow] {
	view := render.View[inspect.BucketRow]{
		Head: []render.Field{
			{Key: "device", Value: o.device},
			{Key: "nbuckets", Value: cache.Geo.NBuckets},
			{Key: "bucket_sectors", Value: cache.Geo.BucketSectors},
			{Key: "first_bucket", Value: cache.Geo.FirstBucket},
		},
		Key:     "buckets",
		Rows:    cache.Rows(o.filter),
		Columns: bucketColumns,
		Notes:   io.Err,
	}
	if o.filter.Limit > 0 {
		view.Limit = -1
	}
	return view
}

var bucketColumns = []render.Column[inspect.BucketRow]{
	{Name: "bucket", Num: true, Int: func(r inspect.BucketRow) uint64 { return uint64(r.Bucket) }},
	{Name: "gen", Num: true, Int: func(r inspect.BucketRow) uint64 { return uint64(r.Gen) }},
	{Name: "disk_gen", Num: true, Int: func(r inspect.BucketRow) uint64 { return uint64(r.DiskGen) }},
	{Name: "prio", Num: true, Int: func(r inspect.BucketRow) uint64 { return uint64(r.Prio) }},
	{Name: "mark", Cell: func(r inspect.BucketRow) string { return r.Mark }},
	{Name: "sectors", Num: true, Int: func(r inspect.BucketRow) uint64 { return uint64(r.Sectors) }},
	{Name: "owner", Cell: func(r inspect.BucketRow) string { return r.Owner }},
}

// volumeRow is one volume in the summary.
type volumeRow struct {
	Inode        uint32        `json:"inode"`
	UUID         *string       `json:"uuid"`
	Label        string        `json:"label"`
	LiveSectors  ondisk.Sector `json:"live_sectors"`
	DirtySectors ondisk.Sector `json:"dirty_sectors"`
}

// writeBucketSummary shows priority_stats in the kernel's own layout, and the volumes below it.
func writeBucketSummary(w io.Writer, format render.Format, name string, cache *inspect.Cache) error {
	s := cache.PriorityStats()
	quantiles := strings.Trim(fmt.Sprint(s.Quantiles), "[]")
	fields := []render.Field{
		{Key: "device", Value: name},
		{Key: "unused_pct", Value: s.UnusedPct, Name: "Unused", Text: fmt.Sprintf("%d%%", s.UnusedPct)},
		{Key: "clean_pct", Value: s.CleanPct, Name: "Clean", Text: fmt.Sprintf("%d%%", s.CleanPct)},
		{Key: "dirty_pct", Value: s.DirtyPct, Name: "Dirty", Text: fmt.Sprintf("%d%%", s.DirtyPct)},
		{Key: "metadata_pct", Value: s.MetadataPct, Name: "Metadata", Text: fmt.Sprintf("%d%%", s.MetadataPct)},
		{Key: "average_prio", Value: s.AveragePrio, Name: "Average", Text: fmt.Sprint(s.AveragePrio)},
		{Key: "sectors_per_quantile", Value: s.SectorsPerQuantile, Name: "Sectors per Q", Text: fmt.Sprint(s.SectorsPerQuantile)},
		{Key: "quantiles", Value: s.Quantiles, Name: "Quantiles", Text: "[" + quantiles + "]"},
	}
	rows := func(yield func(volumeRow, error) bool) {
		for _, v := range cache.Volumes {
			if !yield(volumeRow{v.Inode, v.UUID(), v.Label(), v.LiveSectors, v.DirtySectors}, nil) {
				return
			}
		}
	}
	return render.Write(w, format, render.View[volumeRow]{
		Head: fields, Key: "volumes", Rows: rows, Limit: -1,
		Columns: []render.Column[volumeRow]{
			{Name: "inode", Num: true, Cell: func(v volumeRow) string { return fmt.Sprint(v.Inode) }},
			{Name: "uuid", Cell: func(v volumeRow) string {
				if v.UUID == nil {
					return "-"
				}
				return *v.UUID
			}},
			{Name: "label", Cell: func(v volumeRow) string { return v.Label }},
			{Name: "live_sectors", Num: true, Cell: func(v volumeRow) string { return fmt.Sprint(v.LiveSectors) }},
			{Name: "dirty_sectors", Num: true, Cell: func(v volumeRow) string { return fmt.Sprint(v.DirtySectors) }},
		},
	})
}
