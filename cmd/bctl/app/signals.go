// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Main runs the program that args[0] names so that a signal is an error and a closed stdout too, and every defer
// runs. It returns the exit code.
func Main(tool Tool, args []string, stdout, stderr io.Writer) int {
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signalContext()
	defer stop()
	return tool.Run(ctx, args, stdout, stderr)
}

// signalContext is cancelled by the first SIGINT or SIGTERM. The second one kills, as if we were not there.
func signalContext() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
