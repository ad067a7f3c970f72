// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"bctl/alloc"
	"bctl/alloc/script"
	"bctl/cmd/bctl/app"
	"bctl/internal/ui/render"
)

// allocScript is --script: the decisions, and nothing else.
func allocScript(c *cli.Context, model alloc.Model) error {
	for _, f := range c.Command.Flags {
		if name := f.Names()[0]; name != "script" && name != "model" && c.IsSet(name) {
			return app.Usagef("--%s contradicts --script", name)
		}
	}
	if format := app.OutputFormat(c); format != render.Table {
		return app.Usagef("--script prints lines of its own: it contradicts --format %s", format)
	}
	if c.NArg() > 0 {
		return app.Usagef("--script starts from its own state: no DEVICE goes with it")
	}
	f, err := openPlain(c.String("script"))
	if err != nil {
		return err
	}
	defer f.Close()
	err = script.Run(f, c.App.Writer, model)
	var bad *script.Error
	switch {
	case errors.As(err, &bad):
		return app.Usagef("%s: %v", f.Name(), bad)
	case err != nil:
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	return nil
}
