// SPDX-License-Identifier: GPL-2.0-only

package mkfs

import (
	"context"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/internal/change"
)

// MakeBcacheCommand is what the names make-bcache and mkfs.bcache do: format's flags and checks, make-bcache's output.
func MakeBcacheCommand() *cli.Command {
	cmd := FormatCommand()
	cmd.Action = app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
		o, err := readFormat(args, io)
		if err != nil {
			return err
		}
		format := o.options()
		format.AnyOffset = true
		done, err := change.Format(ctx, format)
		if o.dryRun && err == nil {
			o.note("dry run: nothing was written")
		}
		for _, t := range done {
			printMakeBcache(io.Out, t, o)
		}
		if len(done) == 0 {
			return err
		}
		return afterSome(done, err)
	})
	return cmd
}
