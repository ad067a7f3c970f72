// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"context"
	"io"

	"github.com/urfave/cli/v2"
)

// makeBcache is the program of the names make-bcache and mkfs.bcache: format's flags and checks, make-bcache's
// output.
func makeBcache(name string) program {
	return func(ctx context.Context, args []string, stdout, stderr io.Writer) error {
		cmd := formatCommand()
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
		return runApp(ctx, soloApp(name, cmd), args, stdout, stderr)
	}
}
