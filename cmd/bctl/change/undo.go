// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/internal/change"
	"bctl/internal/disk/blockdev"
	"bctl/internal/disk/plan"
	"bctl/internal/ui/render"
)

const undoDescription = `Puts back what a command kept in its undo file, byte for byte. The device must be the one it was made for, and nobody
may have written to it since: the kernel does so when it registers it. Every sector that was written, and the superblock,
must be as before or as after the change.

With a DEVICE alone it takes the newest undo file of the state directory whose change is on the device. --list shows
all that are there, and whether each applies, is taken back, or is superseded by what was written later.

Examples:

    bctl undo /dev/nvme0n1p3
    bctl undo --list
    bctl undo -n cache.img-rewrite-prios-20260101T000000.undo cache.img
    bctl undo /var/lib/bctl/nvme0n1p3-rewrite-prios-20260101T000000.undo /dev/nvme0n1p3
`

func UndoCommand() *cli.Command {
	return &cli.Command{
		Name:        "undo",
		Usage:       "take back what a command wrote",
		ArgsUsage:   "[FILE] DEVICE",
		Description: undoDescription,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "check that it can be done, and write nothing"},
			&cli.BoolFlag{Name: "list", Usage: "list the undo files of the state directory, for DEVICE or for all, and change nothing"},
		},
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o, err := readUndo(args, io)
			if err != nil {
				return err
			}
			if o.list {
				return listUndo(o, io)
			}
			return undo(ctx, o, io)
		}),
	}
}

// undoOptions is a command line of undo.
type undoOptions struct {
	file, device string // file is "": the newest; device is "" with list: all
	list         bool
	write        change.Options
}

func readUndo(args *app.Args, io *app.IO) (o undoOptions, err error) {
	o.write = change.Options{Command: args.Command(), DryRun: args.Bool("dry-run"), Note: io.Tell}
	o.list = args.Bool("list")
	operands := args.Operands()
	switch n := len(operands); {
	case o.list:
		err = args.AtMost(1)
	case n < 1 || n > 2:
		return o, args.Wrong("want an undo file and a device, or a device")
	case n == 2 && operands[0] == "": // which would be the newest
		return o, args.Wrong("the undo file has no name")
	case n == 2:
		o.file, operands = operands[0], operands[1:]
	}
	if len(operands) > 0 {
		o.device = operands[0]
	}
	return o, err
}

func undo(ctx context.Context, o undoOptions, io *app.IO) error {
	dev, err := change.Open(o.device, o.write)
	if err != nil {
		return err
	}
	defer dev.Close()
	file := o.file
	if file == "" {
		if file, err = change.NewestKept(dev); err != nil {
			return err
		}
	}
	u, done, err := change.OpenUndo(file)
	if err != nil {
		return err
	}
	defer done() //nolint:errcheck // it was only read
	if err := change.TakeBack(ctx, o.write, u, dev); err != nil {
		return err
	}
	did := "restored"
	if o.write.DryRun {
		did = "would be restored"
	}
	return render.WriteFields(io.Out, io.Format, []render.Field{
		{Key: "device", Value: o.device, Name: "device"},
		{Key: "undo_file", Value: file, Name: app.OptionalName("undo file", o.file == "")},
		{Key: "command", Value: u.Command, Name: "undone", Text: fmt.Sprintf("%s of %s", u.Command, u.Created)},
		{Key: "created", Value: u.Created},
		{Key: "blocks", Value: u.Count(), Name: "blocks", Text: fmt.Sprintf("%d %s", u.Count(), did)},
		{Key: "dry_run", Value: o.write.DryRun},
	})
}

// listUndo shows what could be taken back.
func listUndo(o undoOptions, io *app.IO) error {
	var dev plan.Device
	if o.device != "" {
		d, err := blockdev.Open(o.device)
		if err != nil {
			return err
		}
		defer d.Close()
		dev = d
	}
	kept, err := change.ListKept(dev)
	if err != nil {
		return err
	}
	return render.Write(io.Out, io.Format, render.View[change.Kept]{
		Key: "undo_files",
		Rows: func(yield func(change.Kept, error) bool) {
			for _, k := range kept {
				if !yield(k, nil) {
					return
				}
			}
		},
		Columns: []render.Column[change.Kept]{
			{Name: "state", Cell: func(k change.Kept) string { return k.State }},
			{Name: "device", Cell: func(k change.Kept) string { return k.Device }},
			{Name: "created", Cell: func(k change.Kept) string { return k.Created }},
			{Name: "command", Cell: func(k change.Kept) string { return k.Command }},
			{Name: "file", Cell: func(k change.Kept) string { return k.File }},
		},
		Limit: -1,
	})
}
