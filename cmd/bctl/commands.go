// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"context"
	"io"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/change"
	"bctl/cmd/bctl/check"
	"bctl/cmd/bctl/salvage"
	"bctl/cmd/bctl/show"
)

const description = `bctl works on block devices and image files alike, and never asks the kernel: a cache device can be looked at
while nothing has it registered. Flags go before or after the DEVICE, and can be abbreviated.

Examples:

    bctl show-super /dev/nvme0n1p3
    bctl fsck --json cache.img
    bctl show-buckets --mark dirty --format csv cache.img
`

// bctlTool is bctl: the one place that names every family.
func bctlTool() app.Tool {
	return app.Tool{
		Name:        "bctl",
		Usage:       "offline tools for bcache devices",
		Description: description,
		Commands:    allCommands,
		Meant:       meant(),
		Names: append(otherNames(),
			app.Name{Name: "fsck.bcache", Usage: "bctl fsck, with the flags that fsck(8) passes on", Command: check.FsckBcacheCommand},
		),
	}
}

// meant leads those who type what other tools call it to the command.
func meant() map[string]string {
	return map[string]string{
		"check":   "bctl fsck DEVICE checks",
		"repair":  "bctl fsck DEVICE checks, and with --preen or --yes repairs",
		"ls":      "bctl list shows the bcache devices of this host",
		"verify":  "bctl fsck --verify-data compares the cache with its backing devices",
		"recover": "bctl fsck DEVICE checks, and says what comes next; docs/recovery.md goes from symptoms to commands",
		"dump":    "bctl show-super, show-journal, show-buckets and show-btree show what is there",
		"attach":  "the kernel attaches; bctl fsck CACHE BACKING says whether it would",
		"mount":   "bctl export --mount shows a volume without the kernel",
	}
}

// allCommands is every command of bctl, in the order of the help.
func allCommands() []*cli.Command {
	return append([]*cli.Command{
		show.ListCommand(),
		show.ShowSuperCommand(),
		show.ShowBucketsCommand(),
		show.ShowPriosCommand(),
		show.ShowJournalCommand(),
		check.FsckCommand(),
		change.RewritePriosCommand(),
		change.UndoCommand(),
		change.SuperCommand(),
		change.UUIDCommand(),
		change.TuneCommand(),
		change.HoldCommand(),
		change.ReleaseCommand(),
		salvage.ExportCommand(),
		salvage.WritebackCommand(),
		salvage.DetachCommand(),
		show.ExplainCommand(),
	}, extras()...)
}

// run is bctl in this process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return bctlTool().Run(ctx, args, stdout, stderr)
}
