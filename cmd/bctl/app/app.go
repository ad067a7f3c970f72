// SPDX-License-Identifier: GPL-2.0-only

// Package app is the frame of bctl's commands: the command line, the names of argv[0], help, manual and completion,
// exit codes, signals, progress and colours. It knows no command.
//
// A command is a constructor `func XCommand() *cli.Command` in a family beside this package, listed in the table of
// package main. Its action is Action(func(ctx, args, io)): it reads args into a struct of options, in one place, and
// calls what does the work with the context, the options and io. What it may rely on:
//
//	line.go     the command line is already permuted as getopt_long does it: flags before and after the DEVICE,
//	            bundles, abbreviations, "--"; unknown, repeated and valueless flags never reach a command
//	            DeviceList: a flag that takes every operand after it, as make-bcache's -B does
//	args.go     Args: operands and flags, read with errors that name the flag and what it takes
//	numbers.go  ParseSize and its kin: what flags take, the same everywhere
//	io.go       IO: where words go, and how they are wanted; the bar; notes
//	cache.go    ShowCache, OpenCache: the cache on the device that was named
//	exit.go     Usagef(...) -> 16; ExitWith(code) -> code without a message; Damaged(...) -> 4;
//	            context.Canceled -> 32; any other error -> 8
//	message.go  an error is one line on stderr, with WithHint one more that says the way out; JSON with --json
//	app.go      Solo: a program of one command under another name
//
// Goroutines are started by internal/workers, so that their panics end here too.
package app

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"syscall"

	"github.com/urfave/cli/v2"
)

// A Tool is the whole program: what it is called, its commands, and the other names it answers to.
type Tool struct {
	Name, Usage, Description string

	Commands func() []*cli.Command // in the order of the help; made anew each time, because cli changes them
	Names    []Name
	Meant    map[string]string // what to hint at when somebody types a command that is none
}

// A Name is another name of the binary.
type Name struct {
	Name  string
	Usage string // what it stands in for

	Command func() *cli.Command // a program of one command, which the manual shows; or
	Run     Program             // one that is written out
}

// A Program is what one name of the binary does; args[0] is the name. Its error becomes the message and the exit
// code.
type Program func(ctx context.Context, args []string, stdout, stderr io.Writer) error

// Run is the program without the process: it returns the exit code. args[0] chooses which program.
func (t Tool) Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	code, _ := t.run(ctx, args, stdout, stderr)
	return code
}

// run is Run, and says whether nobody reads stdout any more.
func (t Tool) run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int, closed bool) {
	if len(args) == 0 {
		args = []string{t.Name}
	}
	name, program := t.programFor(args[0])
	out := &output{w: stdout}
	defer func() {
		if p := recover(); p != nil {
			code = reportPanic(stderr, name, p)
		}
	}()
	code = report(stderr, name, program(ctx, args, out, stderr), out.err)
	return code, errors.Is(out.err, syscall.EPIPE)
}

// programFor finds the program for argv[0], and the name its messages begin with.
func (t Tool) programFor(argv0 string) (string, Program) {
	base := filepath.Base(argv0)
	for _, n := range t.Names {
		if n.Name == base {
			if n.Run == nil {
				return base, Solo(n.Command)
			}
			return base, n.Run
		}
	}
	return t.Name, func(ctx context.Context, args []string, stdout, stderr io.Writer) error {
		return runApp(ctx, t.app(), args, stdout, stderr)
	}
}

// app is the tool as cli has it.
func (t Tool) app() *cli.App {
	return &cli.App{
		Name:        t.Name,
		Usage:       t.Usage,
		ArgsUsage:   "COMMAND [flags] DEVICE",
		Description: t.Description,
		Flags:       globalFlags(),
		Commands:    t.Commands(),
		Before:      checkGlobals,
		Action:      noCommand,
		Metadata:    map[string]any{meantKey: t.Meant},
	}
}

// meantKey is where cli's App keeps Tool.Meant.
const meantKey = "meant"

func meantOf(app *cli.App) map[string]string {
	meant, _ := app.Metadata[meantKey].(map[string]string)
	return meant
}

// Solo is a program of one command: no command name, no global flags but --help and --version.

func Solo(command func() *cli.Command) Program {
	return func(ctx context.Context, args []string, stdout, stderr io.Writer) error {
		return runApp(ctx, soloApp(filepath.Base(args[0]), command()), args, stdout, stderr)
	}
}

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
