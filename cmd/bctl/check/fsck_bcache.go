// SPDX-License-Identifier: GPL-2.0-only

package check

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/internal/finding"
)

const fsckBcacheDescription = `What fsck(8) runs for a device of type bcache: bctl fsck, with the flags that fsck passes on. A backing device is
checked for what it has, and is fine if that is sane. -a and -p repair what loses nothing, -y everything; nobody is asked.

Examples:

    fsck.bcache /dev/nvme0n1p3
    fsck.bcache -a -C0 /dev/sda1
`

// FsckBcacheCommand takes fsck(8)'s flags. -a is what boot scripts pass: check, and repair what loses nothing.
func FsckBcacheCommand() *cli.Command {
	return &cli.Command{
		Name:        "fsck.bcache",
		Usage:       "check a bcache device, as fsck(8) asks for it",
		ArgsUsage:   "DEVICE [BACKING...]",
		Description: fsckBcacheDescription,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "a", Usage: "repair at boot: as -p"},
			&cli.BoolFlag{Name: "no-action", Aliases: []string{"n"}, Usage: "check only: the default"},
			&cli.BoolFlag{Name: "preen", Aliases: []string{"p"}, Usage: "make every repair that can lose no data the user wrote"},
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "make every repair"},
			&cli.BoolFlag{Name: "f", Usage: "check even if it looks clean: always done"},
			&cli.BoolFlag{Name: "v", Usage: "say how the check is done on stderr"},
			app.ProgressFlag(),
			&cli.BoolFlag{Name: "r", Usage: "report time and memory on stderr"},
			&cli.BoolFlag{Name: "t", Usage: "report time on stderr"},
			&cli.BoolFlag{Name: "json", Usage: "write JSON"},
		},
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o, err := readFsckBcache(args, io)
			if err != nil {
				return err
			}
			return fsckBcache(ctx, o, io)
		}),
	}
}

// fsckBcacheOptions is a command line of fsck.bcache.
type fsckBcacheOptions struct {
	fsckOptions
	verbose, time, memory bool   // on stderr
	done                  func() // closes what -C opened
}

func readFsckBcache(args *app.Args, io *app.IO) (o fsckBcacheOptions, err error) {
	if o.fsckOptions, err = readFsck(args); err != nil {
		return o, err
	}
	if o.repair, err = readRepair(args, io); err != nil {
		return o, err
	}
	if args.Bool("a") && o.repair.policy.Mode <= finding.Ask {
		o.repair.policy.Mode = finding.Preen
	}
	if o.repair.answer = nil; o.repair.policy.Mode == finding.Ask {
		o.repair.policy.Mode = finding.Check
	}
	o.verbose, o.memory = args.Bool("v"), args.Bool("r")
	o.time = args.Bool("t") || o.memory
	o.progress, o.done, err = args.ProgressTo(io, o.devices[0])
	return o, err
}

func fsckBcache(ctx context.Context, o fsckBcacheOptions, io *app.IO) error {
	defer o.done()
	began := time.Now()
	if o.verbose {
		fmt.Fprintf(io.Err, "fsck.bcache %s\n", app.Version)
	}
	err := runFsck(ctx, o.fsckOptions, io)
	if o.time {
		fmt.Fprintf(io.Err, "%s: %.2f s\n", app.OneLine(o.devices[0]), time.Since(began).Seconds())
	}
	if o.memory {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Fprintf(io.Err, "%s: %.1f MiB of memory\n", app.OneLine(o.devices[0]), float64(m.Sys)/(1<<20))
	}
	return err
}
