// SPDX-License-Identifier: GPL-2.0-only

//go:build !rescue

package main

import (
	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/bench"
	"bctl/cmd/bctl/change"
	"bctl/cmd/bctl/check"
	"bctl/cmd/bctl/explore"
	"bctl/cmd/bctl/practice"
	"bctl/cmd/bctl/report"
	"bctl/cmd/bctl/salvage"
	"bctl/cmd/bctl/show"
)

// extras are the families that nobody needs to get a machine up again: they draw, measure, practise or report, or can
// wait until it is up. The build for an initramfs goes without (rescue.go).
func extras() []*cli.Command {
	return []*cli.Command{
		report.ReportCommand(),
		explore.ExploreCommand(),
		check.CheckPairCommand(),
		show.ShowPriosCommand(),
		show.ShowUUIDsCommand(),
		show.ShowBtreeCommand(),
		show.ShowExtentsCommand(),
		change.TuneCommand(),
		bench.AllocBenchCommand(),
		practice.GenerateCommand(),
		practice.MetadataSizeCommand(),
		practice.DemoCommand(run),
		salvage.ImageCommand(),
		salvage.DomainCommand(),
		app.CompletionCommand(bctlTool),
	}
}
