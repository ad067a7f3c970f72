// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"github.com/urfave/cli/v2"

	"bctl/internal/ui/progress"
	"bctl/internal/ui/render"
)

// ProgressOf decides whether a command's work shows on stderr: only to people, who look at a terminal and at a
// table, and who did not ask for silence.
func ProgressOf(c *cli.Context) progress.Starter {
	if IsQuiet(c) || OutputFormat(c) != render.Table || !IsTerminal(c.App.ErrWriter) {
		return progress.Silent
	}
	return progress.On(c.App.ErrWriter)
}
