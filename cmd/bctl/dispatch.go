// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/urfave/cli/v2"
)

// A program is what one name of the binary does. Its error becomes the message and the exit code.
type program func(ctx context.Context, args []string, stdout, stderr io.Writer) error

// otherNames are the names that programFor knows besides bctl, and what they stand in for.
var otherNames = [][2]string{
	{"bcache-super-show", "what bcache-tools' prints, byte for byte"},
	{"make-bcache", "bctl format, with the output of bcache-tools'"},
	{"mkfs.bcache", "the same"},
	{"fsck.bcache", "bctl fsck, with the flags that fsck(8) passes on"},
}

// programFor finds the program for argv[0], and the name its messages begin with.
func programFor(argv0 string) (string, program) {
	switch name := filepath.Base(argv0); name {
	case "bcache-super-show":
		return name, superShow
	case "make-bcache", "mkfs.bcache":
		return name, makeBcache(name)
	case "fsck.bcache":
		return name, func(ctx context.Context, args []string, stdout, stderr io.Writer) error {
			return runApp(ctx, soloApp(name, fsckBcacheCommand()), args, stdout, stderr)
		}
	default:
		return "bctl", func(ctx context.Context, args []string, stdout, stderr io.Writer) error {
			return runApp(ctx, bctlApp(), args, stdout, stderr)
		}
	}
}

// bctlApp is bctl itself.
func bctlApp() *cli.App {
	return &cli.App{
		Name:        "bctl",
		Usage:       "offline tools for bcache devices",
		ArgsUsage:   "COMMAND [flags] DEVICE",
		Description: appDescription,
		Flags:       globalFlags(),
		Commands:    allCommands(),
		Before:      checkGlobals,
		Action:      noCommand,
	}
}

// soloApp is a program of one command: no command name, no global flags but --help and --version.
func soloApp(name string, cmd *cli.Command) *cli.App {
	return &cli.App{
		Name:        name,
		Usage:       cmd.Usage,
		ArgsUsage:   "[flags] " + cmd.ArgsUsage,
		Description: cmd.Description,
		Flags:       withHelp(cmd.Flags),
		Action:      cmd.Action,
	}
}

// runApp is cli's Run with a getopt_long command line, our help and our errors.
func runApp(ctx context.Context, app *cli.App, args []string, stdout, stderr io.Writer) error {
	tame(app, stdout, stderr)
	line, err := parseLine(app, args[1:])
	if err != nil {
		return err
	}
	switch {
	case line.given("help"):
		return writeHelp(stdout, app, line.cmd)
	case line.given("version"):
		fmt.Fprintf(stdout, "%s %s\n", app.Name, version)
		return nil
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
		return usagef("%s: bad value %s", flagName(m[2]), m[1])
	}
	return usagef("%s", strings.TrimPrefix(err.Error(), "flag "))
}

// noCommand is bctl without a command.
func noCommand(*cli.Context) error {
	return usagef("no command given, see bctl --help")
}
