// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/internal/disk/blockdev"
	"bctl/internal/disk/plan"
	"bctl/internal/ui/render"
)

const undoDescription = `Puts back what a command kept in its undo file, byte for byte. The device must be the one it was made for, and nobody
may have written to it since: the kernel does so when it registers it.

Examples:

    bctl undo -n cache.img-rewrite-prios-20260101T000000.undo cache.img
    bctl undo /var/lib/bctl/nvme0n1p3-rewrite-prios-20260101T000000.undo /dev/nvme0n1p3
`

func UndoCommand() *cli.Command {
	return &cli.Command{
		Name:        "undo",
		Usage:       "take back what a command wrote",
		ArgsUsage:   "FILE DEVICE",
		Description: undoDescription,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "check that it can be done, and write nothing"},
		},
		Action: undo,
	}
}

func undo(c *cli.Context) error {
	if c.NArg() != 2 {
		return app.Usagef("want an undo file and a device, see bctl undo --help")
	}
	file, name, dry := c.Args().Get(0), c.Args().Get(1), c.Bool("dry-run")
	f, err := blockdev.Open(file) // a fifo would make os.Open wait
	if err != nil {
		return err
	}
	defer f.Close()
	u, err := plan.OpenUndo(f, f.Size())
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	open := blockdev.Claim
	if dry {
		open = func(path string, _ ...*blockdev.Device) (*blockdev.Device, error) { return blockdev.Open(path) }
	}
	dev, err := open(name)
	if err != nil {
		return err
	}
	defer dev.Close()
	if err := u.Check(dev); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if !dry {
		if err := arm(c, dev); err != nil {
			return err
		}
		if err := u.Plan().Run(dev); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	done := "restored"
	if dry {
		done = "would be restored"
	}
	return render.WriteFields(c.App.Writer, app.OutputFormat(c), []render.Field{
		{Key: "device", Value: name, Name: "device"},
		{Key: "command", Value: u.Command, Name: "undone", Text: fmt.Sprintf("%s of %s", u.Command, u.Created)},
		{Key: "created", Value: u.Created},
		{Key: "blocks", Value: u.Count(), Name: "blocks", Text: fmt.Sprintf("%d %s", u.Count(), done)},
		{Key: "dry_run", Value: dry},
	})
}
