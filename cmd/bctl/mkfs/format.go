// SPDX-License-Identifier: GPL-2.0-only

// Package mkfs is the commands that make new devices: bctl format, and make-bcache and mkfs.bcache, which take its
// flags and print what bcache-tools print.
package mkfs

import (
	"context"
	"math"
	"slices"

	"github.com/google/uuid"
	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/superblock"
)

const formatDescription = `Writes the superblock of a cache device (-C), of backing devices (-B), or of both as one set: what make-bcache does,
and the kernel does the rest when it registers the devices. -C and -B take the devices that follow them.

Sizes are bytes, with k, M, G or T for 1024, 1024^2 ...; the data offset is sectors. Everything is checked before the
first byte is written: format refuses, and names what it found, a device that is in use, that holds a bcache superblock
or the journal of the set (--wipe-bcache overwrites it) or anything else that is known (--force overwrites it), and sizes
that the kernel would refuse or fail on. Where a cache has dirty data, or a backing device waits for some, it says how much
of which volumes, and wants --discard-dirty too. The old superblock goes first and the new one comes last, so a cut leaves
the device as it was, or none of bcache's, or formatted. Bytes 0 to 4095 become zero, and all is read back. What else a cache
device showed is erased; on a backing device, what lies in the volume's data is left alone. What stood there goes to an
undo file, and bctl undo takes it all back; of image files that --size makes there is nothing to keep.

When a block device is closed, udev looks at it, and a system with bcache's rules registers it with the kernel.

With --init the cache is complete, so that no kernel need register it first; with --attach the backing devices are
attached to it as well.

Called as make-bcache or mkfs.bcache, bctl takes the same flags and prints what make-bcache prints.

Examples:

    bctl format -C /dev/nvme0n1p3 -B /dev/sdb /dev/sdc --writeback
    bctl format -C cache.img --size 1G -b 256k --init
    bctl format -C cache.img -B back.img --size 1G --attach
    bctl format -B /dev/sdb --cset-uuid bf34e38e-2e6e-40cb-ac72-14c563e8e54f --dry-run
`

// formatFlags are make-bcache's flags, and ours. Values are read by readFormat, which says what is wrong with them.
func formatFlags() []cli.Flag {
	return append([]cli.Flag{
		app.DeviceList("cache", "C", "format `DEV` as a cache device"),
		app.DeviceList("bdev", "B", "format `DEV...` as backing devices"),
		&cli.StringFlag{Name: "bucket", Aliases: []string{"b"}, Usage: "bucket `SIZE`, best the erase block's", Value: "512k"},
		&cli.StringFlag{Name: "block", Aliases: []string{"w"}, Usage: "block `SIZE` (default: the largest of the devices' logical blocks, 4k for files)"},
		&cli.StringFlag{Name: "data-offset", Aliases: []string{"o", "data_offset"}, Usage: "first `SECTOR` of a backing device's data", Value: "16"},
		&cli.StringFlag{Name: "cset-uuid", Usage: "`UUID` of the set (default: a new one)"},
		&cli.StringFlag{Name: "uuid", Usage: "`UUID` of the one device (default: a new one)"},
		&cli.StringFlag{Name: "label", Aliases: []string{"l"}, Usage: "`LABEL` of the devices, up to 32 bytes"},
		&cli.BoolFlag{Name: "writeback", Usage: "backing devices: writeback instead of writethrough"},
		&cli.BoolFlag{Name: "discard", Usage: "cache device: discard buckets before they are reused"},
		app.Choice(&cli.StringFlag{Name: "cache-replacement-policy", Aliases: []string{"cache_replacement_policy"}, Usage: "cache device: `POLICY` is lru, fifo or random", Value: "lru"}, "lru", "fifo", "random"),
		&cli.BoolFlag{Name: "large-bucket", Usage: "cache device: version 5 of the superblock, which buckets above 16M always take and Linux reads from 5.11 on"},
		&cli.BoolFlag{Name: "wipe-bcache", Usage: "overwrite what is bcache's"},
		&cli.BoolFlag{Name: "discard-dirty", Usage: "with --wipe-bcache: overwrite dirty data too, which stand nowhere else"},
		&cli.BoolFlag{Name: "force", Usage: "overwrite other signatures and partition tables"},
		&cli.BoolFlag{Name: "init", Usage: "cache device: write the empty journal, prio chain, uuids and btree too, as the first registration would"},
		&cli.BoolFlag{Name: "attach", Usage: "attach the backing devices to the cache; implies --init"},
		&cli.StringFlag{Name: "size", Usage: "make the devices: new image files of `SIZE`"},
	}, app.WriteFlags()...)
}

func FormatCommand() *cli.Command {
	return &cli.Command{
		Name: "format", ArgsUsage: "[-C DEV] [-B DEV...]",
		Usage:       "write the superblocks of new cache and backing devices",
		Description: formatDescription,
		Flags:       formatFlags(),
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o, err := readFormat(args, io)
			if err == nil {
				err = o.idle(args)
			}
			if err != nil {
				return err
			}
			done, err := change.Format(ctx, o.options())
			return showFormatted(io, o, done, err)
		}),
	}
}

// formatOptions is a command line that means something.
type formatOptions struct {
	caches, backings []string
	super            superblock.FormatOptions // BlockSectors 0: the devices decide; no uuid: a new one for each
	setGiven         bool
	wipeBcache       bool
	force            bool
	discardDirty     bool
	dryRun           bool
	write            change.Options
	init             bool         // make the set's metadata too
	attach           bool         // and the backing devices' slots
	size             int64        // of the image files to make; 0: the devices exist
	note             func(string) // says something that is no error
}

// readFormat reads the flags and refuses what no device could make right.
func readFormat(args *app.Args, io *app.IO) (o formatOptions, err error) {
	o = formatOptions{
		caches: args.Strings("cache"), backings: args.Strings("bdev"),
		init: args.Bool("init") || args.Bool("attach"), attach: args.Bool("attach"),
		wipeBcache: args.Bool("wipe-bcache"), force: args.Bool("force"), dryRun: args.Bool("dry-run"),
		note: io.Tell,
	}
	o.discardDirty = args.Bool("discard-dirty")
	if o.write, err = args.Write(io); err != nil {
		return o, err
	}
	o.write.Command, o.write.Note = "format", o.note
	if err := o.readDevices(args); err != nil {
		return o, err
	}
	if err := o.readSizes(args); err != nil {
		return o, err
	}
	if err := o.readNames(args); err != nil {
		return o, err
	}
	o.super.Writeback, o.super.Discard, o.super.LargeBucket = args.Bool("writeback"), args.Bool("discard"), args.Bool("large-bucket")
	if err := o.try(); err != nil {
		return o, err
	}
	return o, nil
}

// options are what the package that formats is told.
func (o *formatOptions) options() change.FormatOptions {
	return change.FormatOptions{
		Caches: o.caches, Backings: o.backings, Super: o.super, SameSet: o.setGiven, WipeBcache: o.wipeBcache, DiscardDirty: o.discardDirty,
		Force: o.force, Init: o.init, Attach: o.attach, Size: o.size, Write: o.write,
		NewUUID: func() ondisk.UUID { return ondisk.UUID(uuid.New()) },
	}
}

// idle refuses flags that have no effect on what is formatted. make-bcache takes them.
func (o *formatOptions) idle(args *app.Args) error {
	for _, f := range []struct {
		name string
		idle bool
		why  string
	}{
		{"writeback", len(o.backings) == 0, "no backing device is formatted"},
		{"data-offset", len(o.backings) == 0, "no backing device is formatted"},
		{"discard", len(o.caches) == 0, "no cache device is formatted"},
		{"large-bucket", len(o.caches) == 0, "no cache device is formatted"},
		{"cache-replacement-policy", len(o.caches) == 0, "no cache device is formatted"},
		{"discard-dirty", !o.wipeBcache, "--wipe-bcache is not given"},
		{"undo", o.size > 0, "of a new file there is nothing to keep"},
		{"no-undo", o.size > 0, "of a new file there is nothing to keep"},
	} {
		if args.Given(f.name) && f.idle {
			return app.Usagef("--%s has no effect: %s", f.name, f.why)
		}
	}
	return nil
}

func (o *formatOptions) readDevices(args *app.Args) error {
	switch {
	case len(args.Operands()) > 0:
		return app.WithHint(app.Usagef("%s: neither a cache nor a backing device", args.Operands()[0]), "say -C (cache) or -B (backing) before the device")
	case len(o.caches)+len(o.backings) == 0:
		return app.WithHint(app.Usagef("no device given"), "-C DEV, -B DEV..., or both")
	case len(o.caches) > 1:
		return app.Usagef("%s: a set has one cache device, and %s is it", o.caches[1], o.caches[0])
	case slices.Contains(o.caches, "") || slices.Contains(o.backings, ""):
		return app.Usagef("a device has no name")
	case o.init && len(o.caches) == 0:
		return app.WithHint(app.Usagef("--init and --attach: no cache device is given"), "-C DEV")
	case o.attach && len(o.backings) == 0:
		return app.WithHint(app.Usagef("--attach: no backing device is given"), "-B DEV...")
	case args.Given("uuid") && len(o.caches)+len(o.backings) > 1:
		return app.Usagef("--uuid: it is of one device, and %d are given", len(o.caches)+len(o.backings))
	}
	return nil
}

func (o *formatOptions) readSizes(args *app.Args) (err error) {
	if o.super.BucketSectors, err = app.ParsePower("--bucket", args.String("bucket")); err != nil {
		return err
	}
	if args.Given("block") {
		if o.super.BlockSectors, err = app.ParsePower("--block", args.String("block")); err != nil {
			return err
		}
	}
	offset, err := app.ParseNumber(args.String("data-offset"))
	if err != nil {
		return app.Usagef("--data-offset: %v of sectors, %d or more", err, ondisk.DataStartDefault)
	}
	o.super.DataOffset = ondisk.Sector(offset)
	if args.Given("size") {
		o.size, err = app.ParseSize(args.String("size"))
		switch {
		case err != nil:
			return app.Usagef("--size: %v", err)
		case o.size == 0 || o.size%ondisk.SectorBytes != 0:
			return app.Usagef("--size: %s is not a number of whole sectors", args.String("size"))
		}
	}
	return nil
}

func (o *formatOptions) readNames(args *app.Args) (err error) {
	o.super.Label = args.String("label")
	if args.Given("uuid") {
		if o.super.UUID, err = parseUUID("--uuid", args.String("uuid")); err != nil {
			return err
		}
		if o.super.UUID.IsZero() {
			return app.Usagef("--uuid: it is zero")
		}
	}
	o.super.SetUUID, o.setGiven = ondisk.UUID(uuid.New()), args.Given("cset-uuid")
	if o.setGiven {
		if o.super.SetUUID, err = parseUUID("--cset-uuid", args.String("cset-uuid")); err != nil {
			return err
		}
	}
	policies := []ondisk.Replacement{ondisk.LRU, ondisk.FIFO, ondisk.Random}
	policy := args.String("cache-replacement-policy")
	i := slices.IndexFunc(policies, func(r ondisk.Replacement) bool { return r.String() == policy })
	if i < 0 {
		return app.Usagef("--cache-replacement-policy %q: not lru, fifo or random", policy)
	}
	o.super.Replacement = policies[i]
	return nil
}

// parseUUID reads the one form that make-bcache reads: 32 hexadecimal digits and four dashes.
func parseUUID(flag, s string) (ondisk.UUID, error) {
	u, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		return ondisk.UUID{}, app.Usagef("%s: %q is not a UUID, 8-4-4-4-12 hexadecimal digits", flag, s)
	}
	return ondisk.UUID(u), nil
}

// try formats devices that have everything: what is wrong then is the command line.
func (o *formatOptions) try() error {
	super := o.super
	super.BlockSectors = max(super.BlockSectors, 1)
	if super.UUID.IsZero() {
		super.UUID = ondisk.UUID{1}
	}
	if len(o.caches) > 0 {
		size := max(min(super.BucketSectors, superblock.MaxFormatBucket).Bytes()*1024, 1)
		if _, err := superblock.FormatCache(super, superblock.Device{Size: size}); err != nil {
			return app.Usagef("%v", err)
		}
	}
	if len(o.backings) > 0 {
		if _, err := superblock.FormatBacking(super, superblock.Device{Size: math.MaxInt64}); err != nil {
			return app.Usagef("%v", err)
		}
	}
	return nil
}
