// SPDX-License-Identifier: GPL-2.0-only

package main

import "github.com/urfave/cli/v2"

const version = "0.1.0"

const appDescription = `bctl works on block devices and image files alike, and never asks the kernel: a cache device can be looked at
while nothing has it registered. Flags go before or after the DEVICE, and can be abbreviated.

Examples:

    bctl show-super /dev/nvme0n1p3
    bctl fsck --json cache.img
    bctl show-buckets --mark dirty --format csv cache.img
`

// allCommands is every command of bctl, in the order of the help. They are made anew each time, because cli
// changes them.
func allCommands() []*cli.Command {
	return []*cli.Command{
		showSuperCommand(),
		formatCommand(),
		showBucketsCommand(),
		showPriosCommand(),
		fsckCommand(),
		rewritePriosCommand(),
		undoCommand(),
		allocBenchCommand(),
		demoCommand(),
	}
}
