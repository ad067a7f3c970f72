// SPDX-License-Identifier: GPL-2.0-only

package mkfs

import (
	"github.com/urfave/cli/v2"

	"bctl/internal/change"
)

// MakeBcacheCommand is what the names make-bcache and mkfs.bcache do: format's flags and checks, make-bcache's output.
func MakeBcacheCommand() *cli.Command {
	cmd := FormatCommand()
	cmd.Action = func(c *cli.Context) error {
		o, err := readFormat(c)
		if err != nil {
			return err
		}
		format := o.options()
		format.AnyOffset = true
		done, err := change.Format(c.Context, format)
		if o.dryRun && err == nil {
			o.note("dry run: nothing was written")
		}
		for _, t := range done {
			printMakeBcache(c.App.Writer, t, o)
		}
		if len(done) == 0 {
			return err
		}
		return afterSome(done, err)
	}
	return cmd
}
