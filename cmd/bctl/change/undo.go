// SPDX-License-Identifier: GPL-2.0-only

package change

import (
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
		Action: undo,
	}
}

func undo(c *cli.Context) error {
	if c.Bool("list") {
		return listUndo(c)
	}
	if c.NArg() < 1 || c.NArg() > 2 {
		return app.Usagef("want an undo file and a device, or a device, see bctl undo --help")
	}
	name := c.Args().Get(c.NArg() - 1)
	o := change.Options{Command: "undo", DryRun: c.Bool("dry-run"), Note: app.Noter(c)}
	dev, err := change.Open(name, o)
	if err != nil {
		return err
	}
	defer dev.Close()
	file := c.Args().First()
	if c.NArg() == 1 {
		if file, err = change.NewestKept(dev); err != nil {
			return err
		}
	}
	u, done, err := change.OpenUndo(file)
	if err != nil {
		return err
	}
	defer done() //nolint:errcheck // it was only read
	if err := change.TakeBack(c.Context, o, u, dev); err != nil {
		return err
	}
	did := "restored"
	if o.DryRun {
		did = "would be restored"
	}
	return render.WriteFields(c.App.Writer, app.OutputFormat(c), []render.Field{
		{Key: "device", Value: name, Name: "device"},
		{Key: "undo_file", Value: file, Name: app.OptionalName("undo file", c.NArg() == 1)},
		{Key: "command", Value: u.Command, Name: "undone", Text: fmt.Sprintf("%s of %s", u.Command, u.Created)},
		{Key: "created", Value: u.Created},
		{Key: "blocks", Value: u.Count(), Name: "blocks", Text: fmt.Sprintf("%d %s", u.Count(), did)},
		{Key: "dry_run", Value: o.DryRun},
	})
}

// listUndo shows what could be taken back.
func listUndo(c *cli.Context) error {
	if err := app.NoMore(c, 1); err != nil {
		return err
	}
	var dev plan.Device
	if c.NArg() == 1 {
		d, err := blockdev.Open(c.Args().First())
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
	return render.Write(c.App.Writer, app.OutputFormat(c), render.View[change.Kept]{
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
