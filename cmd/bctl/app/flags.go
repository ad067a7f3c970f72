// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"slices"

	"github.com/urfave/cli/v2"

	"bctl/internal/ui/render"
)

// globalFlags are the flags that every command takes, before and after its name.
func globalFlags() []cli.Flag {
	return withHelp([]cli.Flag{
		Choice(&cli.StringFlag{Name: "format", Usage: "write `FORMAT`: table, json or csv", Value: string(render.Table)}, "table", "json", "csv"),
		&cli.BoolFlag{Name: "json", Aliases: []string{"J"}, Usage: "write JSON, as --format json, and errors too"},
		Choice(&cli.StringFlag{Name: "color", Usage: "colours, `WHEN` is auto, always or never", Value: "auto"}, colours...),
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "no progress and no notes on stderr, only errors"},
	})
}

// withHelp adds the two flags that every program has. A command's own flag of that name or letter wins.
func withHelp(flags []cli.Flag) []cli.Flag {
	taken := map[string]bool{}
	for _, f := range flags {
		for _, name := range f.Names() {
			taken[name] = true
		}
	}
	for _, f := range []*cli.BoolFlag{
		{Name: "help", Aliases: []string{"h"}, Usage: "show this help"},
		{Name: "version", Aliases: []string{"V"}, Usage: "show the version"},
	} {
		if taken[f.Name] {
			continue
		}
		f.Aliases = slices.DeleteFunc(f.Aliases, func(name string) bool { return taken[name] })
		flags = append(flags[:len(flags):len(flags)], f)
	}
	return flags
}

// colours are what --color takes.
var colours = []string{"auto", "always", "never"}

// checkGlobals refuses global flags that mean nothing or two things, whatever the command.
func checkGlobals(c *cli.Context) error {
	format := c.String("format")
	if !slices.Contains(render.Formats, render.Format(format)) {
		return Usagef("--format %q: not table, json or csv", format)
	}
	if c.Bool("json") && c.IsSet("format") && format != string(render.JSON) {
		return Usagef("--json contradicts --format %s", format)
	}
	if color := c.String("color"); !slices.Contains(colours, color) {
		return Usagef("--color %q: not auto, always or never", color)
	}
	return nil
}
