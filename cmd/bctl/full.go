// SPDX-License-Identifier: GPL-2.0-only

//go:build !rescue

package main

import (
	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/bench"
	"bctl/cmd/bctl/check"
	"bctl/cmd/bctl/explore"
	"bctl/cmd/bctl/legacy"
	"bctl/cmd/bctl/mkfs"
	"bctl/cmd/bctl/practice"
	"bctl/cmd/bctl/report"
	"bctl/cmd/bctl/salvage"
	"bctl/cmd/bctl/show"
)

// extras are the families that nobody needs to get a machine up again: they format, draw, measure, practise or report.
// The build for an initramfs goes without (rescue.go).
func extras() []*cli.Command {
	return []*cli.Command{
		mkfs.FormatCommand(),
		report.ReportCommand(),
		explore.ExploreCommand(),
		check.CheckPairCommand(),
		show.ShowUUIDsCommand(),
		show.ShowBtreeCommand(),
		show.ShowExtentsCommand(),
		bench.AllocBenchCommand(),
		practice.GenerateCommand(),
		practice.MetadataSizeCommand(),
		practice.DemoCommand(run),
		salvage.ImageCommand(),
		salvage.DomainCommand(),
		app.CompletionCommand(bctlTool),
	}
}

// otherNames are the programs that bctl is when it is called by their names, beside fsck.bcache.
func otherNames() []app.Name {
	return []app.Name{
		{Name: "bcache-super-show", Usage: "what bcache-tools' prints, byte for byte", Run: legacy.SuperShow},
		{Name: "mkfs.bcache", Usage: "bctl format, with the output of bcache-tools' make-bcache", Command: mkfs.MakeBcacheCommand},
		{Name: "make-bcache", Usage: "the same", Run: app.Solo(mkfs.MakeBcacheCommand)},
	}
}
