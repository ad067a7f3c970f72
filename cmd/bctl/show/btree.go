// SPDX-License-Identifier: GPL-2.0-only

package show

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/ui/render"
)

const showBtreeDescription = `Shows the nodes of the btree that are live, level by level, the root first: the bucket and the gen of the pointer that
leads there, the seq of its bsets, how many bsets and keys it has, how many percent of it are full, and the last key that
may stand in it. A node that cannot be read whole says so; what could be read of it is counted.

--node shows every key of every bset of one node, dead ones too, as the kernel prints keys: inode:start len size ->
[device:sector gen g] dirty. --raw shows the node's words beside what they mean.

Examples:

    bctl show-btree cache.img
    bctl show-btree --node 75 cache.img
    bctl show-btree --node 75 --raw cache.img | less
    bctl show-btree --format csv /dev/nvme0n1p3 > nodes.csv
`

// ShowBtreeCommand is show-btree.
func ShowBtreeCommand() *cli.Command {
	return &cli.Command{
		Name:        "show-btree",
		Usage:       "show the btree's nodes, or the keys of one",
		ArgsUsage:   "DEVICE",
		Description: showBtreeDescription,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "node", Usage: "every key of every bset of the node in `BUCKET`"},
			&cli.BoolFlag{Name: "raw", Usage: "with --node: its bytes, beside what they mean"},
			limitFlag("nodes or keys"),
		},
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o, err := readBtree(args, io)
			if err != nil {
				return err
			}
			return app.ShowCache(ctx, o.device, io, func(cache *inspect.Cache) error { return showBtree(o, cache, io) })
		}),
	}
}

// btreeOptions is a command line of show-btree.
type btreeOptions struct {
	device string
	one    bool // --node
	bucket ondisk.Bucket
	raw    bool
	limit  int
}

func readBtree(args *app.Args, io *app.IO) (o btreeOptions, err error) {
	o.raw, o.one = args.Bool("raw"), args.Given("node")
	switch {
	case o.raw && !o.one:
		return o, app.Usagef("--raw shows one node: name it by --node")
	case o.raw && io.Format != render.Table:
		return o, app.Usagef("--raw is text: it contradicts --format %s", io.Format)
	}
	err = errors.Join(
		args.Number("node", 0, math.MaxInt64, func(n uint64) { o.bucket = ondisk.Bucket(n) }),
		args.Number("limit", 1, math.MaxInt32, func(n uint64) { o.limit = int(n) }),
	)
	if err != nil {
		return o, err
	}
	o.device, err = args.Device()
	return o, err
}

func showBtree(o btreeOptions, cache *inspect.Cache, io *app.IO) error {
	if o.one {
		return showNode(o, cache, io)
	}
	known := cache.Known()
	return render.Write(io.Out, io.Format, limited(render.View[nodeRow]{
		Head: append([]render.Field{
			{Key: "device", Value: o.device},
			{Key: "depth", Value: inspect.If(cache.Journal != nil && cache.Journal.Newest != nil, cache.Tree.Depth)},
			{Key: "node_sectors", Value: cache.Geo.NodeSectors},
		}, knownFields(cache, known.Tree, inspect.Everything)...),
		Key: "nodes",
		Rows: func(yield func(nodeRow, error) bool) {
			for n, err := range cache.Nodes() {
				if err != nil {
					yield(nodeRow{}, err)
					return
				}
				if !yield(rowOf(cache, n), nil) {
					return
				}
			}
		},
		Columns: nodeColumns,
	}, o.limit, io))
}

// A nodeRow is one node, as far as it could be read.
type nodeRow struct {
	Level  int                   `json:"level"`
	Bucket ondisk.Bucket         `json:"bucket"`
	Gen    uint8                 `json:"gen"` // of the pointer that leads there
	Seq    inspect.Maybe[string] `json:"seq"`
	Bsets  int                   `json:"bsets"`
	Keys   int                   `json:"keys"` // of all bsets, dead ones too
	Fill   int                   `json:"fill"` // percent of the node's sectors
	Whole  bool                  `json:"whole"`
	UpTo   string                `json:"up_to"` // the last position in it, inode:sector
}

func rowOf(cache *inspect.Cache, n *btree.Node) nodeRow {
	bucket, _ := n.Place(&cache.Geo)
	row := nodeRow{
		Level: n.Level, Bucket: bucket, Gen: n.Key.Ptr[0].Gen(), Seq: inspect.If(n.Seq() != 0, hex64(n.Seq())),
		Bsets: len(n.Sets), Whole: n.Whole, UpTo: n.Key.Pos().String(),
		Fill: int(100 * n.Used(&cache.Geo) / max(cache.Geo.NodeSectors, 1)),
	}
	for i := range n.Sets {
		row.Keys += n.Sets[i].Count
	}
	return row
}

var nodeColumns = []render.Column[nodeRow]{
	{Name: "level", Num: true, Int: func(r nodeRow) uint64 { return uint64(r.Level) }},
	{Name: "bucket", Num: true, Int: func(r nodeRow) uint64 { return uint64(r.Bucket) }},
	{Name: "gen", Num: true, Int: func(r nodeRow) uint64 { return uint64(r.Gen) }},
	{Name: "seq", Cell: func(r nodeRow) string { return r.Seq.Value }, Has: func(r nodeRow) bool { return r.Seq.Known }},
	{Name: "bsets", Num: true, Int: func(r nodeRow) uint64 { return uint64(r.Bsets) }},
	{Name: "keys", Num: true, Int: func(r nodeRow) uint64 { return uint64(r.Keys) }},
	{Name: "fill", Num: true, Int: func(r nodeRow) uint64 { return uint64(r.Fill) }},
	{Name: "whole", Cell: func(r nodeRow) string { return app.YesNo(r.Whole) }, Raw: func(r nodeRow) string { return fmt.Sprint(r.Whole) }},
	{Name: "up_to", Cell: func(r nodeRow) string { return r.UpTo }},
}
