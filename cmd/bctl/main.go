// SPDX-License-Identifier: GPL-2.0-only

// Command bctl reads, formats, shows and checks bcache devices without the kernel.
//
// A command is a constructor `func xCommand() *cli.Command` in a file of its own, listed in commands.go. It parses,
// calls a package, and prints. What it may rely on:
//
//	args.go     the command line is already permuted as getopt_long does it: flags before and after the DEVICE,
//	            bundles, abbreviations, "--"; unknown, repeated and valueless flags never reach a command
//	            deviceListFlag: a flag that takes every operand after it, as make-bcache's -B does
//	flags.go    oneDevice(c), noMore(c, n): the operands, or a usage error
//	            outputFormat(c) render.Format, isQuiet(c), useColor(c, w)
//	progress.go progressOf(c) progress.Starter: a bar where one belongs; defer Done() on what it starts
//	exit.go     usagef(...) -> 16; exitWith(code) -> code without a message; context.Canceled -> 32;
//	            any other error -> 8 and one line on stderr
//	dispatch.go programFor(argv[0]): the other names; runApp and soloApp build one from a command
//
// A command writes data to c.App.Writer and everything else to c.App.ErrWriter. It need not check its writes to
// c.App.Writer: the first that fails is remembered and becomes the exit code (long work may stop on it).
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(withSignals(os.Args, os.Stdout, os.Stderr))
}

// withSignals runs the program so that a signal is an error and a closed stdout too, and every defer runs.
func withSignals(args []string, stdout, stderr io.Writer) int {
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signalContext()
	defer stop()
	return run(ctx, args, stdout, stderr)
}

// signalContext is cancelled by the first SIGINT or SIGTERM. The second one kills, as if we were not there.
func signalContext() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// run is the program without the process: it returns the exit code. args[0] chooses which program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	if len(args) == 0 {
		args = []string{"bctl"}
	}
	name, program := programFor(args[0])
	out := &output{w: stdout}
	defer func() {
		if p := recover(); p != nil {
			code = reportPanic(stderr, name, p)
		}
	}()
	return report(stderr, name, program(ctx, args, out, stderr), out.err)
}
