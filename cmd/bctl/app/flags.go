// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"io"
	"os"
	"slices"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/urfave/cli/v2"

	"bctl/internal/ui/render"
)

// globalFlags are the flags that every command takes, before and after its name.
func globalFlags() []cli.Flag {
	return withHelp([]cli.Flag{
		&cli.StringFlag{Name: "format", Usage: "write `FORMAT`: table, json or csv", Value: string(render.Table)},
		&cli.BoolFlag{Name: "json", Usage: "write JSON, as --format json"},
		&cli.StringFlag{Name: "color", Usage: "colours, `WHEN` is auto, always or never", Value: "auto"},
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

// checkGlobals refuses global flags that mean nothing or two things, whatever the command.
func checkGlobals(c *cli.Context) error {
	format := c.String("format")
	if !slices.Contains(render.Formats, render.Format(format)) {
		return Usagef("--format %s: not table, json or csv", format)
	}
	if c.Bool("json") && c.IsSet("format") && format != string(render.JSON) {
		return Usagef("--json contradicts --format %s", format)
	}
	if color := c.String("color"); !slices.Contains([]string{"auto", "always", "never"}, color) {
		return Usagef("--color %s: not auto, always or never", color)
	}
	return nil
}

// OutputFormat is what --format and --json ask for.
func OutputFormat(c *cli.Context) render.Format {
	if c.Bool("json") {
		return render.JSON
	}
	if f := c.String("format"); f != "" {
		return render.Format(f)
	}
	return render.Table // a program without the global flags
}

// IsQuiet is --quiet.
func IsQuiet(c *cli.Context) bool { return c.Bool("quiet") }

// UseColor says whether w gets colours: --color decides, then NO_COLOR, then whether w is a terminal.
func UseColor(c *cli.Context, w io.Writer) bool {
	switch c.String("color") {
	case "always":
		return true
	case "never":
		return false
	}
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && IsTerminal(w)
}

// IsTerminal sees through run's own writer.
func IsTerminal(w io.Writer) bool {
	for out, ok := w.(*output); ok; out, ok = w.(*output) { // demo runs a program in a Program
		w = out.w
	}
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// OneDevice is the operand of a command that takes exactly one.
func OneDevice(c *cli.Context) (string, error) {
	if !c.Args().Present() {
		return "", Usagef("no device given, see %s --help", c.Command.HelpName)
	}
	return c.Args().First(), NoMore(c, 1)
}

// NoMore refuses operands past the first n.
func NoMore(c *cli.Context, n int) error {
	if c.NArg() <= n {
		return nil
	}
	extra := c.Args().Slice()[n:]
	return Usagef("extra argument %s, see %s --help", strings.Join(extra, " "), c.Command.HelpName)
}
