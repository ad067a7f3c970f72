// SPDX-License-Identifier: GPL-2.0-only

// Package check is the commands that judge devices: bctl fsck, and fsck.bcache as fsck(8) runs it.
package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
	"bctl/internal/finding"
	"bctl/internal/ui/progress"
	"bctl/internal/ui/render"
	"bctl/superblock"
)

const fsckDescription = `Checks a cache device, or a backing device alone. With the backing devices of the set given too, in any order, they
are checked against the cache. Every finding has a code, which bctl explain explains.

The first line says what the check means for the data, and what to do next. Only damage makes the exit code 4: what the
kernel refuses, crashes on, or loses data over; and a difference that --verify-data finds. Warnings and notes are legal
states worth a look, and no flag touches them unless --only names them. What could not be read is called unknown, or
counted as "at least" so much.

Nothing is written unless -p or -y says so, or somebody at a terminal says yes. A repair is planned beside the device,
checked as if it had been carried out, and written only if no damage is left; an undo file takes it back. -p gives up
nothing that the user wrote; -y lists each dirty extent that it must give up. Losing clean extents is always allowed:
the backing device has them. docs/repair.md says what each repair takes for evidence.

Examples:

    bctl fsck /dev/nvme0n1p3
    bctl fsck --json cache.img
    bctl fsck /dev/nvme0n1p3 /dev/sda1 /dev/sdb1
    bctl fsck --verify-data cache.img back.img
    bctl fsck -p /dev/nvme0n1p3
    bctl fsck -y --lost lost.json /dev/nvme0n1p3 /dev/sda1
    bctl fsck --scan /dev/nvme0n1
    bctl fsck -y --scan --offset 1M --set-uuid fb21b2a4-26b2-4ed0-8ba2-4eebc2ad9d3c disk.img
    bctl fsck -y --rewind 1234 /dev/nvme0n1p3 /dev/sda1
    bctl fsck -q --prometheus /var/lib/prometheus/node-exporter/bctl.prom /dev/nvme0n1p3
`

func FsckCommand() *cli.Command {
	return &cli.Command{
		Name:        "fsck",
		Usage:       "check a cache or backing device, and repair it if asked",
		ArgsUsage:   "DEVICE [BACKING...]",
		Description: fsckDescription,
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "verify-data", Usage: "compare clean data with the given backing devices"},
			&cli.BoolFlag{Name: "all", Usage: "print every finding, not only the first ten of each code"},
			&cli.StringFlag{Name: "prometheus", Usage: "write what was found to `FILE` too, for node_exporter's textfile collector"},
		}, append(repairFlags(), scanFlags()...)...),
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o, err := readFsck(args)
			if err != nil {
				return err
			}
			o.verify, o.all = args.Bool("verify-data"), args.Bool("all")
			o.progress = io.Progress
			if o.repair, err = readRepair(args, io); err != nil {
				return err
			}
			if o.prometheus = args.String("prometheus"); args.Given("prometheus") && o.prometheus == "" {
				return app.Usagef("--prometheus: no file given")
			}
			return runFsck(ctx, o, io)
		}),
	}
}

// fsckOptions is a command line of bctl fsck, or of fsck.bcache.
type fsckOptions struct {
	devices  []string // the cache, or a backing device alone, and then backing devices
	verify   bool     // their clean data too
	all      bool     // every finding is printed
	progress progress.Starter
	repair   repairOptions

	prometheus string // a file for the last report; "" for none
}

// measured writes what is known at the end for those who watch from afar. rep is nil where there is no report.
func (o *fsckOptions) measured(rep *fsck.Report, now int64) error {
	if o.prometheus == "" {
		return nil
	}
	if err := writeBeside(o.prometheus, metrics(o.devices[0], rep, now)); err != nil {
		return fmt.Errorf("--prometheus: %w", err)
	}
	return nil
}

// readFsck reads what both have.
func readFsck(args *app.Args) (o fsckOptions, err error) {
	o.devices = args.Operands()
	for i, name := range o.devices {
		if slices.Contains(o.devices[:i], name) {
			return o, app.Usagef("%s is given twice", name)
		}
	}
	if len(o.devices) == 0 {
		return o, args.Wrong("no device given")
	}
	return o, nil
}

func runFsck(ctx context.Context, o fsckOptions, io *app.IO) error {
	if o.verify && len(o.devices) < 2 {
		return app.WithHint(app.Usagef("--verify-data needs the backing devices too"), "bctl fsck --verify-data DEVICE BACKING...")
	}
	run := fsck.Options{Progress: o.progress, Now: time.Now().Unix(), Verify: o.verify}
	if o.repair.scan.on {
		if err := o.repair.scan.find(ctx, o.devices, io); err != nil {
			return err
		}
	}
	seen := look(ctx, &o, run, io)
	defer seen.close()
	rep, err := seen.rep, seen.err
	if err == nil && io.Format == render.Table { // before anybody is asked
		if err := writeReport(io.Out, io.Format, rep, o.shown(io)); err != nil {
			return err
		}
	}
	mend := err == nil && (o.repair.wants(rep) || o.repair.rewind != 0)
	if (errors.Is(err, superblock.ErrNotBcache) || errors.Is(err, fsck.ErrTwin)) && (o.repair.policy.Mode >= finding.Preen || o.repair.scan.on) {
		mend = true // a superblock that is lost may be found
	} else if err != nil {
		if ctx.Err() == nil {
			err = errors.Join(err, o.measured(nil, run.Now))
		}
		return err
	}
	if !mend {
		if err := o.measured(rep, run.Now); err != nil {
			return err
		}
		if io.Format != render.Table {
			if err := writeReport(io.Out, io.Format, rep, o.shown(io)); err != nil {
				return err
			}
		} else if rep.Result == fsck.Damaged && o.repair.policy.Mode >= finding.Preen {
			fmt.Fprintf(io.Out, "\nnot repaired: %s\n", o.repair.unmended(rep))
		}
		return verdict(rep)
	}
	return runRepair(ctx, o, seen, run, io)
}

func verdict(rep *fsck.Report) error {
	if rep.Result == fsck.Damaged {
		return app.ExitWith(app.ExitDamage)
	}
	return compared(rep.Verified)
}

// compared is an error where a comparison was asked for that could not be made.
func compared(v *fsck.Verified) error {
	switch {
	case v == nil:
		return nil
	case v.UnreadExtents > 0:
		return fmt.Errorf("%s could not be read, and so not compared: first %s", app.Plural(int(v.UnreadExtents), "clean extent"), v.Unread[0])
	case v.Extents == 0:
		return app.WithHint(fmt.Errorf("nothing could be compared: the cache holds no clean data of the given backing devices"),
			"bctl fsck without --verify-data says which volumes it has")
	}
	return nil
}

// shown is how the report is to look.
func (o *fsckOptions) shown(io *app.IO) shown { return shown{all: o.all, colours: io.Colours()} }

// runRepair repairs what the report, nil where not even a superblock was found, says is damaged.
func runRepair(ctx context.Context, o fsckOptions, seen *seen, run fsck.Options, io *app.IO) error {
	rep := seen.rep
	if io.Format == render.Table && rep != nil {
		fmt.Fprintln(io.Out)
	}
	run.Verify = run.Verify && slices.Contains(o.repair.policy.Only, finding.EXStaleData) // else it is about data, which no repair changes
	done, err := o.repair.mend(ctx, seen, o.devices, run, io)
	if err != nil {
		return err
	}
	after := done.result.After
	if !done.written && rep != nil {
		after = rep
	}
	if err := o.measured(after, run.Now); err != nil {
		return err
	}
	if io.Format != render.Table {
		err = writeReport(io.Out, io.Format, after, o.shown(io), done.view()...)
	} else {
		fmt.Fprint(io.Out, done.text())
	}
	switch {
	case err != nil:
		return err
	case !done.written:
		return app.ExitWith(app.ExitDamage)
	case after.Result == fsck.Damaged:
		return app.ExitWith(app.ExitRepaired | app.ExitDamage)
	}
	return app.ExitWith(app.ExitRepaired)
}
