// SPDX-License-Identifier: GPL-2.0-only

package practice

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/blockdev"
	"bctl/internal/generate"
	"bctl/internal/ui/progress"
	"bctl/internal/ui/render"
	"bctl/superblock"
)

const generateDescription = `Makes a new image file of a cache that looks as if it had been used for a while: registered, sound, with a btree as deep
as it takes, and sparse, for there are no data in it. Neighbours in a volume lie anywhere on the cache. The same numbers
make the same bytes. The kernel registers it; the backing devices of its volumes do not exist.

--extents counts live extents; --stale R adds R times as many whose bucket was reused. What does not fit is refused.
With --damage a damage of the catalogue is planted, one that shows the code: CODE:2 is the second that can be planted
into this cache. bctl fsck then finds it, and perhaps what follows from it.

Examples:

    bctl generate cache.img
    bctl generate big.img --buckets 2228224 --extents 16000000
    bctl generate bad.img --bucket 64k --extents 20000 --damage BT04
`

// GenerateCommand is generate.
func GenerateCommand() *cli.Command {
	return &cli.Command{
		Name:        "generate",
		Usage:       "make an image of a used cache, to practise on or to measure with",
		ArgsUsage:   "OUT",
		Description: generateDescription,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "buckets", Usage: "`N` buckets in all", Value: "2048"},
			&cli.StringFlag{Name: "bucket", Aliases: []string{"b"}, Usage: "bucket `SIZE`", Value: "512k"},
			&cli.StringFlag{Name: "block", Aliases: []string{"w"}, Usage: "block `SIZE`", Value: "4k"},
			&cli.StringFlag{Name: "extents", Usage: "`N` live extents", Value: "10000"},
			&cli.StringFlag{Name: "dirty-ratio", Usage: "the share of them that is dirty, `R` from 0 to 1", Value: "0.2"},
			&cli.StringFlag{Name: "stale", Usage: "stale extents besides, `R` times as many, from 0 to 1", Value: "0"},
			&cli.StringFlag{Name: "volumes", Usage: "of `N` cached volumes", Value: "1"},
			&cli.StringFlag{Name: "bsets", Usage: "`N` bsets in each btree node", Value: "1"},
			&cli.StringFlag{Name: "fill", Usage: "`PERCENT` of each node that is filled", Value: "100"},
			&cli.StringFlag{Name: "free", Usage: "`N` buckets that hold nothing, besides the kernel's reserve: room for a repair", Value: "0"},
			&cli.StringFlag{Name: "seed", Usage: "another `N` makes another cache", Value: "1"},
			&cli.StringSliceFlag{Name: "damage", Usage: "plant a damage that shows `CODE[:N]`; may be given again"},
		},
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o, err := readGenerate(args)
			if err != nil {
				return err
			}
			made, err := runGenerate(ctx, o, io.Progress)
			if err != nil {
				return err
			}
			return render.WriteFields(io.Out, io.Format, made.fields())
		}),
	}
}

// generateOptions is a command line that means something.
type generateOptions struct {
	path   string
	spec   generate.Spec
	wishes []wish
}

// readGenerate reads the flags, and refuses what no device could make right.
func readGenerate(args *app.Args) (o generateOptions, err error) {
	if o.path, err = args.Device(); err != nil {
		return o, err
	}
	s := &o.spec
	*s = generate.Spec{Buckets: 2048, Extents: 10000, Dirty: 0.2, Volumes: 1, Bsets: 1, Fill: 100, Seed: 1}
	if s.BucketSectors, err = app.ParsePower("--bucket", args.String("bucket")); err != nil {
		return o, err
	}
	if s.BlockSectors, err = app.ParsePower("--block", args.String("block")); err != nil {
		return o, err
	}
	const most = 1 << 40 // what is too many is refused with a better word
	err = firstOf(
		args.Number("buckets", superblock.MinBuckets, most, func(n uint64) { s.Buckets = n }),
		args.Number("extents", 0, most, func(n uint64) { s.Extents = int64(n) }),
		args.Number("volumes", 1, ondisk.MaxInode, func(n uint64) { s.Volumes = int(n) }),
		args.Number("bsets", 1, 1<<16, func(n uint64) { s.Bsets = int(n) }),
		args.Number("fill", 1, 100, func(n uint64) { s.Fill = int(n) }),
		args.Number("free", 0, most, func(n uint64) { s.Free = n }),
		args.Number("seed", 0, math.MaxUint64, func(n uint64) { s.Seed = n }),
		args.Share("dirty-ratio", &s.Dirty),
		args.Share("stale", &s.Stale),
	)
	if err != nil {
		return o, err
	}
	if o.wishes, err = readWishes(args.List("damage", "")); err != nil {
		return o, err
	}
	if len(o.wishes) > 0 && s.Extents > mostToDamage {
		return o, app.Usagef("--damage: at most %d extents, for the planter looks at each of them", mostToDamage)
	}
	if err := generate.Check(*s); err != nil {
		return o, app.Usagef("%v", err)
	}
	return o, nil
}

// firstOf is the first error.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// generated is what was made.
type generated struct {
	generate.Result
	path    string
	spec    generate.Spec
	planted []string
}

// runGenerate makes the image. What it could not finish is not left behind.
func runGenerate(ctx context.Context, o generateOptions, start progress.Starter) (made generated, err error) {
	dev, err := blockdev.Create(o.path, o.spec.Size())
	if err != nil {
		return made, err
	}
	defer func() {
		err = errors.Join(err, dev.Close())
		if err != nil {
			os.Remove(o.path)
		}
	}()
	made = generated{path: o.path, spec: o.spec}
	if made.Result, err = generate.Make(ctx, o.spec, dev, start); err != nil {
		return made, fmt.Errorf("%s: %w", o.path, err)
	}
	for _, w := range o.wishes {
		name, err := w.plant(ctx, dev)
		if err != nil {
			return made, err
		}
		made.planted = append(made.planted, fmt.Sprintf("%s (%s)", w.code, name))
	}
	return made, dev.Sync()
}

func (g generated) fields() []render.Field {
	return []render.Field{
		{Key: "device", Value: g.path, Name: "device"},
		{Key: "size_bytes", Value: g.Size, Name: "size", Text: app.SizeText(g.Size)},
		{Key: "set_uuid", Value: g.SetUUID.String(), Name: "set uuid"},
		{Key: "nbuckets", Value: g.spec.Buckets, Name: "buckets"},
		{Key: "volumes", Value: g.spec.Volumes, Name: "volumes"},
		{Key: "extents", Value: g.Extents, Name: "extents"},
		{Key: "dirty_extents", Value: g.Dirty, Name: "dirty extents"},
		{Key: "stale_extents", Value: g.Stale, Name: "stale extents"},
		{Key: "live_sectors", Value: g.Live, Name: "live data", Text: app.Human(uint64(g.Live))},
		{Key: "btree_nodes", Value: g.Nodes, Name: "btree nodes"},
		{Key: "btree_depth", Value: g.Depth, Name: "btree depth"},
		{Key: "seed", Value: g.spec.Seed, Name: "seed"},
		{Key: "planted", Value: append([]string{}, g.planted...), Name: app.OptionalName("planted", len(g.planted) > 0), Text: strings.Join(g.planted, ", ")},
	}
}
