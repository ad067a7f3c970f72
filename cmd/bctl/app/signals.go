// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"context"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"bctl/internal/ui/progress"
	"bctl/internal/workers"
)

// Main runs the program that args[0] names so that a signal is an error, and every defer runs. It returns the exit
// code. SIGUSR1 has the progress of what is going on written to stderr. When stdout was closed it ends as other
// programs do, by SIGPIPE; but only when all is done that had begun.
func Main(tool Tool, args []string, stdout, stderr io.Writer) int {
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signalContext()
	defer stop()
	watch := new(progress.Watch)
	defer reportOnSignal(watch, stderr)()
	code, closed := tool.run(context.WithValue(ctx, watchKey{}, watch), args, stdout, stderr)
	if closed {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // what is ignored is reset only after that
		signal.Reset(syscall.SIGPIPE)
		_, _ = stdout.Write([]byte("\n")) // where standard output is a closed pipe, this kills
	}
	return code
}

// signalContext is cancelled by the first SIGINT, SIGTERM or SIGHUP. The second one kills, as if we were not there.
// One that is ignored from the start, as nohup does it, stays so.
func signalContext() (context.Context, context.CancelFunc) {
	signals := slices.DeleteFunc([]os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}, signal.Ignored)
	ctx, stop := context.WithCancel(context.Background())
	if len(signals) > 0 {
		ctx, stop = signal.NotifyContext(context.Background(), signals...)
	}
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// watchKey is the key of the context's *progress.Watch.
type watchKey struct{}

// watchOf is the watch over all progress, or nil.
func watchOf(ctx context.Context) *progress.Watch {
	w, _ := ctx.Value(watchKey{}).(*progress.Watch)
	return w
}

// TakeScreen says that a command draws on the whole terminal, until what it returns is called: nothing else writes there.
func TakeScreen(ctx context.Context) (done func()) { return watchOf(ctx).Screen() }

// reportOnSignal writes the progress at each SIGUSR1, until what it returns is called.
func reportOnSignal(watch *progress.Watch, stderr io.Writer) (stop func()) {
	prefix, terminal := "bctl: ", IsTerminal(stderr)
	if terminal {
		prefix = "\r\x1b[K" + prefix // in the place of a bar
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	var crew workers.Group
	crew.Go(func() {
		for range asked {
			if !terminal || !watch.Drawn() { // who draws shows the progress too
				watch.Report(stderr, prefix)
			}
		}
	})
	return func() {
		signal.Stop(asked)
		close(asked)
		crew.Wait()
	}
}
