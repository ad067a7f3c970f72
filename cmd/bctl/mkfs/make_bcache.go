// SPDX-License-Identifier: GPL-2.0-only

package mkfs

import (
	"github.com/urfave/cli/v2"
)

// MakeBcacheCommand is what the names make-bcache and mkfs.bcache do: format's flags and checks, make-bcache's output.
func MakeBcacheCommand() *cli.Command {
	cmd := FormatCommand()
	cmd.Action = func(c *cli.Context) error {
		o, err := readFormat(c)
		if err != nil {
			return err
		}
		done, err := runFormat(c.Context, o)
		if o.dryRun && err == nil {
			o.note("dry run: nothing was written")
		}
		for _, t := range done {
			printMakeBcache(c.App.Writer, t)
		}
		if len(done) == 0 {
			return err
		}
		return afterSome(done, err)
	}
	return cmd
}
