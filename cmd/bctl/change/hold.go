// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/internal/disk/blockdev"
	"bctl/internal/disk/blockdev/udev"
	"bctl/internal/ui/render"
)

const holdDescription = `Keeps udev from handing devices to the kernel: whoever closes a device after writing to it makes udev look at it, and the
rules of bcache-tools then register it, damaged or not. Commands of bctl that change a device do this by themselves until
they end; this is for what else is done in between, and for copies and partitions that are not to be touched.

A hold is a rule below /run/udev/rules.d, and gone with the next boot. It stands when udev has shown that it uses the
rule: else this fails. A device that the kernel has registered already is named: it is held from when that is stopped on.
Registering by hand works all the same. It is for a device and its partitions. Where no udev runs, and for image files,
nothing needs to be held.

Examples:

    bctl hold /dev/nvme0n1p3
    bctl release /dev/nvme0n1p3
`

const releaseDescription = `Ends what bctl hold began, or what a command left behind that was killed. The device is not handed to the kernel by it:
udev looks at it again when it is next written to, or told to.

Examples:

    bctl release /dev/nvme0n1p3
    udevadm trigger --action=change /dev/nvme0n1p3
`

// HoldCommand is hold.
func HoldCommand() *cli.Command {
	return holdCommand("hold", "keep udev from handing devices to the kernel", holdDescription, func(name string, io *app.IO) (heldRow, error) {
		before, held, users, err := blockdev.HoldByHand(name)
		if err != nil {
			return heldRow{}, fmt.Errorf("%s: %w", name, err)
		}
		switch {
		case before == nil || before.PID == 0:
		case before.Stale:
			io.Note("%s: held by process %d, which is gone: now by hand", name, before.PID)
		default:
			io.Note("%s: held by process %d: now by hand, and on when that has ended", name, before.PID)
		}
		for _, u := range users {
			io.Note("%s: %s; it is held once that has ended: %s", name, u.What, u.Release)
		}
		return row(name, held, users, before), nil
	})
}

// ReleaseCommand is release.
func ReleaseCommand() *cli.Command {
	return holdCommand("release", "end bctl hold", releaseDescription, func(name string, io *app.IO) (heldRow, error) {
		was, users, err := blockdev.Release(name)
		if err != nil {
			return heldRow{}, fmt.Errorf("%s: %w", name, err)
		}
		switch {
		case was == nil:
		case was.Stale:
			io.Note("%s: held by process %d, which is gone", name, was.PID)
		case was.PID != 0:
			io.Note("%s: was held by process %d, which still works on it", name, was.PID)
		}
		return row(name, false, users, was), nil
	})
}

func holdCommand(name, usage, description string, do func(name string, io *app.IO) (heldRow, error)) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: "DEVICE...", Description: description,
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			names := args.Operands()
			if len(names) == 0 {
				return args.Wrong("no device given")
			}
			var rows []heldRow
			for _, name := range names {
				if err := ctx.Err(); err != nil {
					return err
				}
				r, err := do(name, io)
				if err != nil {
					return err
				}
				rows = append(rows, r)
			}
			return render.Write(io.Out, io.Format, heldView(rows))
		}),
	}
}

// A heldRow is a device, and whether it is held now.
type heldRow struct {
	Device     string `json:"device"`
	Held       bool   `json:"held"`
	Before     *int   `json:"pid_before"` // who held it before: 0 is by hand, null nobody
	Registered bool   `json:"registered"` // the kernel has it now, whatever udev may do from now on
}

func row(name string, held bool, users []blockdev.Holder, before *udev.Hold) heldRow {
	r := heldRow{Device: name, Held: held, Registered: len(users) > 0}
	if before != nil {
		r.Before = &before.PID
	}
	return r
}

func heldView(rows []heldRow) render.View[heldRow] {
	return render.View[heldRow]{
		Key: "devices",
		Rows: func(yield func(heldRow, error) bool) {
			for _, r := range rows {
				if !yield(r, nil) {
					return
				}
			}
		},
		Columns: []render.Column[heldRow]{
			{Name: "device", Cell: func(r heldRow) string { return r.Device }},
			{Name: "held", Cell: heldCell, Raw: func(r heldRow) string { return fmt.Sprint(r.Held) }},
			{Name: "registered", Cell: func(r heldRow) string { return app.YesNo(r.Registered) }, Raw: func(r heldRow) string { return fmt.Sprint(r.Registered) }},
		},
	}
}

func heldCell(r heldRow) string {
	if r.Held && r.Registered {
		return "once it is stopped"
	}
	return app.YesNo(r.Held)
}
