// SPDX-License-Identifier: GPL-2.0-only

package show

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
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
			&cli.StringFlag{Name: "mark", Usage: "only buckets with `MARK`: free, clean, dirty, metadata; several with commas"},
			&cli.StringFlag{Name: "inode", Usage: "only buckets with live data of volume `N`"},
			&cli.StringFlag{Name: "bucket", Usage: "only buckets `A-B`, or one"},
			&cli.StringFlag{Name: "gen-above", Usage: "only buckets with a gen above `N`"},
			&cli.StringFlag{Name: "sort", Usage: "by `COLUMN`: " + strings.Join(inspect.SortKeys, ", ") + "; -COLUMN for the largest first"},
			&cli.StringFlag{Name: "limit", Usage: "at most `N` buckets"},
			&cli.BoolFlag{Name: "summary", Usage: "the kernel's priority_stats, and the dirty sectors of each volume"},
			&cli.BoolFlag{Name: "map", Usage: "draw the device"},
		},
		Action: showBuckets,
	}
}

func showBuckets(c *cli.Context) error {
	filter, err := bucketFilter(c)
	if err != nil {
		return err
	}
	format := app.OutputFormat(c)
	if c.Bool("map") && format != render.Table {
		return app.Usagef("--map is a picture: it contradicts --format %s", format)
	}
	if err := wholeOnly(c); err != nil {
		return err
	}
	return app.ShowCache(c, func(name string, cache *inspect.Cache) error {
		switch out := c.App.Writer; {
		case c.Bool("summary"):
			return writeBucketSummary(out, format, name, cache)
		case c.Bool("map"):
			return writeMap(out, cache, mapWidth(c), app.UseColor(c, out))
		default:
			return render.Write(out, format, bucketView(c, name, cache, filter))
		}
	})
}

// wholeOnly refuses flags that choose buckets together with those that show the whole device.
func wholeOnly(c *cli.Context) error {
	for _, whole := range []string{"map", "summary"} {
		for _, other := range []string{"summary", "mark", "inode", "bucket", "gen-above", "sort", "limit"} {
			if whole != other && c.Bool(whole) && c.IsSet(other) {
				return app.Usagef("--%s shows the whole device: it contradicts --%s", whole, other)
			}
		}
	}
	return nil
}

func bucketFilter(c *cli.Context) (inspect.Filter, error) {
	f := inspect.Filter{Inode: -1, GenAbove: -1, Last: math.MaxUint64, Sort: c.String("sort")}
	if s := c.String("mark"); c.IsSet("mark") {
		for name := range strings.SplitSeq(s, ",") {
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
	numbers := []struct {
		flag string
		max  uint64
		set  func(uint64)
	}{
		{"inode", ondisk.MaxInode, func(n uint64) { f.Inode = int64(n) }},
		{"gen-above", 255, func(n uint64) { f.GenAbove = int(n) }},
		{"limit", math.MaxInt32, func(n uint64) { f.Limit = int(n) }},
	}
	for _, n := range numbers {
		if !c.IsSet(n.flag) {
			continue
		}
		v, err := strconv.ParseUint(c.String(n.flag), 10, 64)
		if err != nil || v > n.max || n.flag == "limit" && v == 0 {
			return f, app.Usagef("--%s %q: not a number up to %d", n.flag, c.String(n.flag), n.max)
		}
		n.set(v)
	}
	return f, bucketRange(c, &f)
}

// bucketRange reads --bucket A-B.
func bucketRange(c *cli.Context, f *inspect.Filter) error {
	if !c.IsSet("bucket") {
		return nil
	}
	s := c.String("bucket")
	var ok bool
	if f.First, f.Last, ok = app.ParseBuckets(s); !ok {
		return app.Usagef("--bucket %q: not a bucket number or a range A-B", s)
	}
	return nil
}

func bucketView(c *cli.Context, name string, cache *inspect.Cache, f inspect.Filter) render.View[inspect.BucketRow] {
	view := render.View[inspect.BucketRow]{
		Head: []render.Field{
			{Key: "device", Value: name},
			{Key: "nbuckets", Value: cache.Geo.NBuckets},
			{Key: "bucket_sectors", Value: cache.Geo.BucketSectors},
			{Key: "first_bucket", Value: cache.Geo.FirstBucket},
		},
		Key:     "buckets",
		Rows:    cache.Rows(f),
		Columns: bucketColumns,
		Notes:   c.App.ErrWriter,
	}
	if f.Limit > 0 {
		view.Limit = -1
	}
	return view
}

var bucketColumns = []render.Column[inspect.BucketRow]{
	{Name: "bucket", Num: true, Cell: func(r inspect.BucketRow) string { return fmt.Sprint(r.Bucket) }},
	{Name: "gen", Num: true, Cell: func(r inspect.BucketRow) string { return fmt.Sprint(r.Gen) }},
	{Name: "disk_gen", Num: true, Cell: func(r inspect.BucketRow) string { return fmt.Sprint(r.DiskGen) }},
	{Name: "prio", Num: true, Cell: func(r inspect.BucketRow) string { return fmt.Sprint(r.Prio) }},
	{Name: "mark", Cell: func(r inspect.BucketRow) string { return r.Mark }},
	{Name: "sectors", Num: true, Cell: func(r inspect.BucketRow) string { return fmt.Sprint(r.Sectors) }},
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
