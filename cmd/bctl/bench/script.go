// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"errors"
	"fmt"

	"bctl/alloc"
	"bctl/alloc/script"
	"bctl/cmd/bctl/app"
	"bctl/internal/ui/render"
)

// scriptOptions is a command line of alloc-bench --script.
type scriptOptions struct {
	file  string
	model alloc.Model
}

func readScript(args *app.Args, io *app.IO, model alloc.Model) (scriptOptions, error) {
	o := scriptOptions{args.String("script"), model}
	if err := args.RefuseBut("--script", "script", "model"); err != nil {
		return o, err
	}
	if io.Format != render.Table {
		return o, app.Usagef("--script prints lines of its own: it contradicts --format %s", io.Format)
	}
	if len(args.Operands()) > 0 {
		return o, app.Usagef("--script starts from its own state: no DEVICE goes with it")
	}
	return o, nil
}

// allocScript is --script: the decisions, and nothing else.
func allocScript(o scriptOptions, io *app.IO) error {
	f, err := openPlain(o.file)
	if err != nil {
		return err
	}
	defer f.Close()
	err = script.Run(f, io.Out, o.model)
	var bad *script.Error
	switch {
	case errors.As(err, &bad):
		return app.Usagef("%s: %v", f.Name(), bad)
	case err != nil:
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	return nil
}
