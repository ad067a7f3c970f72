// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"context"
	"io"
	"regexp"
	"strings"

	"bctl/internal/ui/render"

	"github.com/urfave/cli/v2"
)

// runApp is cli's Run with a getopt_long command line, our help and our errors.
func runApp(ctx context.Context, app *cli.App, args []string, stdout, stderr io.Writer) (err error) {
	tame(app, stdout, stderr)
	asJSON := wantsJSON(args[1:])
	defer func() {
		if asJSON && err != nil {
			err = jsonError{err}
		}
	}()
	line, err := parseLine(app, args[1:])
	if err != nil {
		return err
	}
	asJSON = line.given("json") || line.value("format") == string(render.JSON)
	switch {
	case line.given("help"):
		return writeHelp(stdout, app, line.cmd)
	case line.given("version"):
		return writeVersion(stdout, app.Name)
	}
	return app.RunContext(ctx, line.argv(app.Name))
}

// tame switches off what cli does behind our back: os.Exit in an action, help on stdout after an error, "help"
// and "h" as commands (a device may be called so), -v as --version, commas that split values.
func tame(app *cli.App, stdout, stderr io.Writer) {
	app.Writer, app.ErrWriter, app.HelpName = stdout, stderr, app.Name
	app.ExitErrHandler = func(*cli.Context, error) {}
	app.OnUsageError = badValue
	app.HideHelp, app.HideHelpCommand, app.HideVersion = true, true, true
	app.DisableSliceFlagSeparator = true
	for _, cmd := range app.Commands {
		cmd.OnUsageError = badValue
		cmd.HideHelp, cmd.HideHelpCommand = true, true
	}
}

var valueError = regexp.MustCompile(`^invalid (?:boolean )?value (".*") for flag -(\S+):`)

// badValue words the one error that cli still meets: a value its flag cannot take.
func badValue(_ *cli.Context, err error, _ bool) error {
	if m := valueError.FindStringSubmatch(err.Error()); m != nil {
		return Usagef("%s: bad value %s", FlagName(m[2]), m[1])
	}
	return Usagef("%s", strings.TrimPrefix(err.Error(), "flag "))
}

// noCommand is bctl without a command.
func noCommand(*cli.Context) error {
	return WithHint(Usagef("no command given"), "see bctl --help")
}

// wantsJSON says whether errors are to be JSON, of a command line that cannot be read.
func wantsJSON(args []string) bool {
	for i, arg := range args {
		switch {
		case arg == "--":
			return false
		case arg == "--json", arg == "-J", arg == "--format=json", arg == "--format" && i+1 < len(args) && args[i+1] == "json":
			return true
		}
	}
	return false
}
