// SPDX-License-Identifier: GPL-2.0-only

package practice

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/generate"
	"bctl/internal/ui/render"
	"bctl/superblock"
)

const metadataSizeDescription = `Says what the metadata of a cache take, without a device: of its flash, and of the kernel's memory.

    superblock    the buckets before the first: 24 sectors, rounded up
    journal       a 128th of the buckets, 2 to 256
    prio chain    (metadata bucket - 40) / 3 buckets in a set, a set in a bucket; twice, for the old chain stays until
                  the new one is written
    uuids         one bucket, twice likewise
    btree         24 bytes an extent, (node - 32) / 24 of them in a node, a node in a bucket, and the levels above; from
                  nodes that are full to nodes that are half full, as the kernel has them after a split
    memory        12 bytes a bucket and the allocator's lists; of the nodes in use 69/64 of their size

A metadata bucket is a bucket of at most 4 MiB; a node is that, or a quarter of it, 256 KiB at least. How long the kernel
takes to register the cache is from what users told of kernels before 5.18: 90 GB of nodes in 35 to 45 minutes. Later ones
use several threads.

Examples:

    bctl metadata-size --size 2T --bucket 512k --extents 16000000
    bctl metadata-size --size 960G --bucket 1M --extents 4000000 --json
`

// MetadataSizeCommand is metadata-size.
func MetadataSizeCommand() *cli.Command {
	return &cli.Command{
		Name:        "metadata-size",
		Usage:       "what the metadata of a cache would take of flash and memory",
		Description: metadataSizeDescription,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "size", Usage: "of a cache device of `SIZE`"},
			&cli.StringFlag{Name: "bucket", Aliases: []string{"b"}, Usage: "bucket `SIZE`", Value: "512k"},
			&cli.StringFlag{Name: "block", Aliases: []string{"w"}, Usage: "block `SIZE`", Value: "4k"},
			&cli.StringFlag{Name: "extents", Usage: "`N` live extents; without it, one of 64 KiB for each that fits"},
		},
		Action: app.Action(func(_ context.Context, args *app.Args, io *app.IO) error {
			n, err := readNeeds(args)
			if err != nil {
				return err
			}
			return render.WriteFields(io.Out, io.Format, needFields(n))
		}),
	}
}

func readNeeds(args *app.Args) (n generate.Needs, err error) {
	if err := args.AtMost(0); err != nil {
		return n, err
	}
	if !args.Given("size") {
		return n, args.Wrong("--size: of which device?")
	}
	size, err := app.ParseSize(args.String("size"))
	if err != nil {
		return n, app.Usagef("--size: %v", err)
	}
	bucket, err := app.ParsePower("--bucket", args.String("bucket"))
	if err != nil {
		return n, err
	}
	block, err := app.ParsePower("--block", args.String("block"))
	if err != nil {
		return n, err
	}
	switch {
	case block > ondisk.PageSectors:
		return n, app.Usagef("--block %s: at most 4k", args.String("block"))
	case bucket < 2*block || bucket < ondisk.PageSectors || bucket > superblock.MaxFormatBucket:
		return n, app.Usagef("--bucket %s: not from two blocks, and a page, to 2G", args.String("bucket"))
	case size/bucket.Bytes() < superblock.MinBuckets:
		return n, app.Usagef("--size %s: %d buckets, the kernel needs %d", args.String("size"), size/bucket.Bytes(), superblock.MinBuckets)
	}
	extents := uint64(size) >> 16
	if err := args.Number("extents", 0, math.MaxInt64/ondisk.SectorBytes, func(v uint64) { extents = v }); err != nil {
		return n, err
	}
	if most := uint64(size / block.Bytes()); extents > most {
		return n, app.Usagef("--extents %d: the device has %d blocks", extents, most)
	}
	return generate.Need(size, bucket, block, extents), nil
}

func needFields(n generate.Needs) []render.Field {
	bytes := func(key, name string, v int64, text string) render.Field {
		return render.Field{Key: key, Value: v, Name: name, Text: bytesText(v) + text}
	}
	span := func(name string, least, most int64, text string) render.Field {
		return render.Field{Name: name, Text: fmt.Sprintf("%s to %s%s", bytesText(least), bytesText(most), text)}
	}
	flashLeast, flashMost := n.Flash()
	fast, slow := n.Registration()
	size := float64(n.Geo.Size())
	num := func(key string, v any) render.Field { return render.Field{Key: key, Value: v} }
	return []render.Field{
		{Key: "buckets", Value: n.Geo.NBuckets, Name: "buckets", Text: fmt.Sprintf("%d of %s", n.Geo.NBuckets, render.Size(n.Geo.BucketSectors))},
		{Key: "extents", Value: n.Extents, Name: "extents"},
		bytes("superblock_bytes", "superblock", n.Super, ""),
		bytes("journal_bytes", "journal", n.Journal, fmt.Sprintf(" in %d buckets", n.Geo.NJournal)),
		bytes("prio_bytes", "prio chain", n.Prios, fmt.Sprintf(", %d sets and as many of the chain before", n.Geo.PrioBuckets())),
		bytes("uuid_bytes", "uuids", n.UUIDs, fmt.Sprintf(", %d slots", n.Geo.NrUUIDs())),
		num("btree_nodes_least", n.NodesLeast), num("btree_nodes_most", n.NodesMost), num("btree_depth_most", n.DepthMost),
		num("btree_bytes_least", n.BtreeLeast), num("btree_bytes_most", n.BtreeMost),
		span("btree", n.BtreeLeast, n.BtreeMost, fmt.Sprintf(", %d to %d nodes", n.NodesLeast, n.NodesMost)),
		num("flash_bytes_least", flashLeast), num("flash_bytes_most", flashMost),
		span("flash in all", flashLeast, flashMost, fmt.Sprintf(", up to %.2g %%", 100*float64(flashMost)/size)),
		bytes("reserve_bytes", "kept free", n.Reserve, " for the allocator"),
		num("memory_buckets_bytes", n.BucketTable), num("memory_nodes_bytes_least", n.NodeMemory), num("memory_nodes_bytes_most", n.NodeMemMost),
		{Name: "memory", Text: fmt.Sprintf("%s for buckets; up to %s for nodes in use", bytesText(n.BucketTable), bytesText(n.NodeMemMost))},
		num("registration_seconds_least", fast.Seconds()), num("registration_seconds_most", slow.Seconds()),
		{Name: "registration", Text: fmt.Sprintf("%s to %s with one thread (before Linux 5.18)", round(fast), round(slow))},
	}
}

// round leaves no more digits than are known.
func round(d time.Duration) time.Duration {
	if d > time.Minute {
		return d.Round(time.Second)
	}
	return d.Round(100 * time.Millisecond)
}

// bytesText is a count of bytes as people read it.
func bytesText(n int64) string { return render.Size(uint64(n) / ondisk.SectorBytes) }
