// SPDX-License-Identifier: GPL-2.0-only

package show

import (
	"context"
	"errors"
	"iter"
	"math"
	"strconv"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/ui/render"
)

const showExtentsDescription = `Shows what is cached, in order: a row for each live piece, as fsck counts extents, after journal replay; neighbours are
not merged. Offsets are sectors of the backing device, its data offset included, as the kernel's keys count them; those
of a flash-only volume start at 0. cache_sector is where the data stand on the cache device.

Where a part of the cache cannot be read, JSON says complete: false and names the ranges of which nothing is known.

Examples:

    bctl show-extents --inode 0 --dirty cache.img
    bctl show-extents --bucket 85 cache.img
    bctl show-extents --inode 0 --range 2048-4095 --json cache.img
    bctl show-extents --format csv /dev/nvme0n1p3 > extents.csv
`

// ShowExtentsCommand is show-extents.
func ShowExtentsCommand() *cli.Command {
	return &cli.Command{
		Name:        "show-extents",
		Usage:       "show what is cached: each piece of each volume, and where it stands",
		ArgsUsage:   "DEVICE",
		Description: showExtentsDescription,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "inode", Usage: "only of volume `N`"},
			&cli.StringFlag{Name: "range", Usage: "only what reaches into the sectors `A-B` of a volume, or one"},
			&cli.BoolFlag{Name: "dirty", Usage: "only dirty data"},
			&cli.StringFlag{Name: "bucket", Usage: "only what stands in buckets `A-B`, or one"},
			limitFlag("extents"),
		},
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o, err := readExtents(args)
			if err != nil {
				return err
			}
			return app.ShowCache(ctx, o.device, io, func(cache *inspect.Cache) error {
				return render.WriteRefs(io.Out, io.Format, extentView(o, cache, io))
			})
		}),
	}
}

// limitFlag is --limit of a command that may have millions of rows.
func limitFlag(what string) cli.Flag {
	return &cli.StringFlag{Name: "limit", Usage: "at most `N` " + what + " (default: 1000 in a table on a terminal, all elsewhere)"}
}

// limited cuts rows off behind n of them; 0: a terminal's table alone is cut.
func limited[T any](view render.View[T], n int, io *app.IO) render.View[T] {
	view.Notes = io.Err
	if n > 0 || !app.IsTerminal(io.Out) {
		view.Limit = -1 // a pipe gets all
	}
	if rows := view.Rows; n > 0 {
		view.Rows = func(yield func(T, error) bool) {
			left := n
			for row, err := range rows {
				if left--; left < 0 || !yield(row, err) {
					return
				}
			}
		}
	}
	return view
}

// extentsOptions is a command line of show-extents.
type extentsOptions struct {
	device      string
	inode       int64         // below 0: all
	from, to    ondisk.Sector // to is not in it any more
	first, last ondisk.Bucket // both are in it
	dirty       bool
	limit       int
}

func readExtents(args *app.Args) (o extentsOptions, err error) {
	o = extentsOptions{inode: -1, to: ondisk.MaxKeyOffset, last: math.MaxUint64, dirty: args.Bool("dirty")}
	err = errors.Join(
		args.Number("inode", 0, ondisk.MaxInode, func(n uint64) { o.inode = int64(n) }),
		args.Number("limit", 1, math.MaxInt32, func(n uint64) { o.limit = int(n) }),
		args.Buckets("bucket", &o.first, &o.last),
		args.Sectors("range", &o.from, &o.to),
	)
	if err != nil {
		return o, err
	}
	o.device, err = args.Device()
	return o, err
}

// An extentRow is one live piece. Rows are handed on by reference: there may be many millions.
type extentRow struct {
	volume *string // its uuid as JSON has it; nil where no slot names it
	inode  uint32
	start  ondisk.Sector
	size   ondisk.Sector
	bucket ondisk.Bucket
	sector ondisk.Sector // on the cache
	gen    uint8
	dirty  bool
}

// AppendJSON is the row as encoding/json would write it, but quicker.
func (r *extentRow) AppendJSON(b []byte) []byte {
	b = append(b, `{"volume":`...)
	if r.volume == nil {
		b = append(b, "null"...)
	} else {
		b = append(append(append(b, '"'), *r.volume...), '"') // digits and dashes
	}
	for _, n := range [...]struct {
		key string
		n   uint64
	}{
		{`,"inode":`, uint64(r.inode)},
		{`,"offset_sectors":`, uint64(r.start)},
		{`,"sectors":`, uint64(r.size)},
		{`,"bucket":`, uint64(r.bucket)},
		{`,"cache_sector":`, uint64(r.sector)},
		{`,"gen":`, uint64(r.gen)},
	} {
		b = append(b, n.key...)
		b = strconv.AppendUint(b, n.n, 10)
	}
	b = append(b, `,"dirty":`...)
	return append(strconv.AppendBool(b, r.dirty), '}')
}

var extentColumns = []render.Column[*extentRow]{
	{Name: "volume", Cell: func(r *extentRow) string { return textOr(r.volume, "-") }, Raw: func(r *extentRow) string { return textOr(r.volume, "") }},
	{Name: "inode", Num: true, Int: func(r *extentRow) uint64 { return uint64(r.inode) }},
	{Name: "offset_sectors", Num: true, Int: func(r *extentRow) uint64 { return uint64(r.start) }},
	{Name: "sectors", Num: true, Int: func(r *extentRow) uint64 { return uint64(r.size) }},
	{Name: "bucket", Num: true, Int: func(r *extentRow) uint64 { return uint64(r.bucket) }},
	{Name: "cache_sector", Num: true, Int: func(r *extentRow) uint64 { return uint64(r.sector) }},
	{Name: "gen", Num: true, Int: func(r *extentRow) uint64 { return uint64(r.gen) }},
	{Name: "dirty", Cell: func(r *extentRow) string { return app.YesNo(r.dirty) }, Raw: func(r *extentRow) string { return strconv.FormatBool(r.dirty) }},
}

func textOr(s *string, otherwise string) string {
	if s == nil {
		return otherwise
	}
	return *s
}

func extentView(o extentsOptions, cache *inspect.Cache, io *app.IO) render.View[*extentRow] {
	view := render.View[*extentRow]{
		Head: append([]render.Field{
			{Key: "device", Value: o.device},
			{Key: "bucket_sectors", Value: cache.Geo.BucketSectors},
		}, knownFields(cache, cache.Known().All(), o.wanted())...),
		Key:     "extents",
		Rows:    extentRows(o, cache),
		Columns: extentColumns,
	}
	return limited(view, o.limit, io)
}

// wanted is the range of keys that can be shown.
func (o *extentsOptions) wanted() inspect.Range {
	if o.inode < 0 {
		return inspect.Everything
	}
	return inspect.Of(uint32(o.inode), o.from, o.to)
}

// extentRows yields the live pieces that o asks for, each valid until the next. It keeps none of them.
func extentRows(o extentsOptions, cache *inspect.Cache) iter.Seq2[*extentRow, error] {
	return func(yield func(*extentRow, error) bool) {
		names := volumeNames(cache)
		var row extentRow
		row.volume = names[0]
		for e, err := range cache.Extents(o.wanted()) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !e.Live || o.dirty && !e.Dirty() || e.Offset() <= o.from || e.Start() >= o.to {
				continue
			}
			p := e.Ptr[0]
			b := cache.Geo.BucketOf(p.Offset())
			if b < o.first || b > o.last {
				continue
			}
			if i := e.Inode(); i != row.inode {
				row.inode, row.volume = i, names[i]
			}
			row.start, row.size, row.dirty = e.Start(), e.Size(), e.Dirty()
			row.bucket, row.sector, row.gen = b, p.Offset(), p.Gen()
			if !yield(&row, nil) {
				return
			}
		}
	}
}

// volumeNames are the uuids of the volumes that a slot names.
func volumeNames(cache *inspect.Cache) map[uint32]*string {
	names := map[uint32]*string{}
	for _, v := range cache.Volumes {
		if v.Slot != nil && v.Slot.UUID != ondisk.InvalidUUID {
			names[v.Inode] = v.UUID()
		}
	}
	return names
}
