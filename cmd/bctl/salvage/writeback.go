// SPDX-License-Identifier: GPL-2.0-only

package salvage

import (
	"context"
	"fmt"
	"math"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/ui/progress"
	"bctl/internal/writeback"
)

const writebackDescription = `Copies the dirty data of a cache to the backing devices that they belong to, without the kernel: after journal replay,
each sector's newest, in the order of the backing device. Without --yes it lists what it would copy, and writes nothing.

A backing device is matched by its uuid. A wrong one is refused, and so are one that is too small, and one that was used
without the cache, whose data may be newer. Volumes whose device is not given, and flash-only volumes, keep their dirty
data, and are named. --inode with --to names the device of a volume that was detached, so that no slot of the cache
tells; where the cache holds newer data of the device, under its new number, those are left alone.

What is written is read back, past the page cache where its filesystem has that, while the next is copied, and flushed.
With --clear the keys of what was copied are then made
clean in one transaction, and each given device's state. Interrupted anywhere, it is run again.

A backing device that lost power may lack clean data too: what it had not flushed, though the kernel goes on showing what
the cache has. So clean data are compared, and copied where they differ: all of them up to 1 GiB, of more the last that the
journal tells of; with --clean all, all that are cached.

What cannot be read from the cache is not written, and its keys stay dirty; --failed lists it. Of a cache that ddrescue
copied, --mapfile says what is not in the copy: that is unknown, metadata too. It ends with 4 where anything is left.

What stood on the backing devices is not kept, unless --undo says where; of the cache's metadata it is, as ever.

Examples:

    bctl writeback /dev/nvme0n1p3 /dev/sdb
    bctl writeback --yes --clear /dev/nvme0n1p3 /dev/sdb /dev/sdc
    bctl writeback --yes --failed lost.json --mapfile cache.map cache.img /dev/sdb
    bctl writeback --yes --inode 0 --to /dev/sdb /dev/nvme0n1p3
`

// WritebackCommand is bctl writeback.
func WritebackCommand() *cli.Command {
	return &cli.Command{
		Name:        "writeback",
		Usage:       "copy dirty data to the backing devices, without the kernel",
		ArgsUsage:   "CACHE BACKING...",
		Description: writebackDescription,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do it; without, list what would be done"},
			&cli.BoolFlag{Name: "clear", Usage: "then make the keys clean, and the devices' state"},
			app.Choice(&cli.StringFlag{Name: "clean", Usage: "copy clean data too that the backing device lacks, `WHICH` is recent, all or none", Value: "recent"}, "recent", "all", "none"),
			&cli.BoolFlag{Name: "verify", Usage: "read back and compare what was written: the default"},
			&cli.BoolFlag{Name: "no-verify", Usage: "do not"},
			&cli.StringFlag{Name: "retries", Usage: "try `N` times more to read a block that gives an error", Value: "0"},
			&cli.StringFlag{Name: "failed", Usage: "write what could not be copied to the new `FILE`, a line of JSON each"},
			&cli.StringFlag{Name: "mapfile", Usage: "CACHE is a copy made by ddrescue, of which `FILE` says what it has"},
			&cli.StringFlag{Name: "inode", Usage: "write back volume `N`, which no slot names"},
			&cli.StringFlag{Name: "to", Usage: "to `DEVICE`; with --inode"},
			&cli.StringFlag{Name: "undo", Usage: "keep what stood there before, the data too, in `FILE`"},
			&cli.BoolFlag{Name: "no-undo", Usage: "keep nothing of the cache either"},
			app.ProgressFlag(),
		},
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o, err := readWriteback(args, io)
			if err != nil {
				return err
			}
			defer o.done()
			return writeBack(ctx, o, io)
		}),
	}
}

// writebackOptions is a command line of writeback.
type writebackOptions struct {
	cache    string
	backing  []string
	yes      bool
	clear    bool
	verify   bool
	retries  int
	failed   string
	mapfile  string
	clean    writeback.Clean
	inode    uint32
	to       string // "" without --inode
	write    change.Options
	progress progress.Starter
	done     func()
}

func readWriteback(args *app.Args, io *app.IO) (o writebackOptions, err error) {
	names := args.Operands()
	o = writebackOptions{
		yes: args.Bool("yes"), clear: args.Bool("clear"), verify: !args.Bool("no-verify"), failed: args.String("failed"),
		mapfile: args.String("mapfile"), to: args.String("to"), done: func() {},
	}
	switch {
	case len(names) == 0:
		return o, args.Wrong("no device given")
	case args.Given("inode") != args.Given("to"):
		return o, app.WithHint(app.Usagef("--inode and --to go together"), "--inode N --to DEVICE")
	case len(names) == 1 && o.to == "":
		return o, app.WithHint(app.Usagef("no backing device given"), "name it behind the cache, or --inode N --to DEVICE")
	case args.Bool("verify") && !o.verify:
		return o, app.Usagef("--verify contradicts --no-verify")
	}
	for _, name := range []string{"failed", "mapfile", "to"} {
		if args.Given(name) && args.String(name) == "" {
			return o, app.Usagef("--%s: no name given", name)
		}
	}
	o.cache, o.backing = names[0], names[1:]
	var known bool
	if o.clean, known = cleans[args.String("clean")]; !known {
		return o, app.Usagef("--clean %q: not one of recent, all, none", args.String("clean"))
	}
	set := func(to *int) func(uint64) { return func(n uint64) { *to = int(n) } }
	if err := args.Number("retries", 0, 1000, set(&o.retries)); err != nil {
		return o, err
	}
	if err := args.Number("inode", 0, ondisk.MaxInode, func(n uint64) { o.inode = uint32(n) }); err != nil {
		return o, err
	}
	o.write = change.Options{Command: args.Command(), DryRun: !o.yes, Undo: args.String("undo"), NoUndo: args.Bool("no-undo"), Note: io.Tell}
	switch {
	case args.Given("undo") && (o.write.NoUndo || o.write.Undo == ""):
		return o, app.Usagef("--undo: want one file, and no --no-undo")
	case args.Given("undo") && !o.yes, args.Given("failed") && !o.yes:
		return o, app.WithHint(app.Usagef("nothing is written without --yes"), "give --yes too")
	}
	if o.progress = io.Progress; args.Given("C") {
		o.progress, o.done, err = args.ProgressTo(io, o.cache)
	}
	return o, err
}

var cleans = map[string]writeback.Clean{"recent": writeback.CleanRecent, "all": writeback.CleanAll, "none": writeback.CleanNone}

// size is a number of bytes for people.
func size(n int64) string { return app.Human(uint64(max(n, 0)) / ondisk.SectorBytes) }

// percent is for rates that may be of nothing.
func rate(bytes int64, seconds float64) string {
	return fmt.Sprintf("%.1f MiB/s", float64(bytes)/(1<<20)/math.Max(seconds, 1e-3))
}
