// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bctl/internal/workers"

	"github.com/urfave/cli/v2"
)

// The first signal ends the work and gives 32.
func TestSignal(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if signal.Ignored(s) {
			continue // the tests themselves run under nohup
		}
		if code := waitForSignal(io.Discard, s); code != ExitInterrupted {
			t.Errorf("%v: exit %d, want %d", s, code, ExitInterrupted)
		}
	}
}

// waitForSignal is Main over a program that waits for a signal and sends it to itself.
func waitForSignal(stderr io.Writer, s syscall.Signal) int {
	ctx, stop := signalContext()
	defer stop()
	go func() { _ = syscall.Kill(os.Getpid(), s) }()
	select {
	case <-ctx.Done():
		return report(stderr, "bctl", ctx.Err(), nil)
	case <-time.After(10 * time.Second):
		return ExitCannot
	}
}

// What nohup ignores does not end the work.
func TestNohup(t *testing.T) {
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	ctx, stop := signalContext()
	defer stop()
	_ = syscall.Kill(os.Getpid(), syscall.SIGHUP)
	select {
	case <-ctx.Done():
		t.Error("a hangup under nohup ends it")
	case <-time.After(100 * time.Millisecond):
	}
}

// A lockedBuffer may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// SIGUSR1 tells how far the work is, in the middle of it, also with --quiet.
func TestProgressSignal(t *testing.T) {
	var stderr lockedBuffer
	count := func(_ context.Context, _ *Args, io *IO) error {
		c := io.Progress("btree nodes", 200)
		defer c.Done()
		c.Add(50)
		_ = syscall.Kill(os.Getpid(), syscall.SIGUSR1)
		for range 1000 {
			if strings.Contains(stderr.String(), "bctl: btree nodes: 50 of 200 (25 %), 0.") {
				return nil
			}
			time.Sleep(10 * time.Millisecond)
		}
		return Usagef("nothing was told")
	}
	tool := Tool{Name: "bctl", Commands: func() []*cli.Command { return []*cli.Command{{Name: "probe", Action: Action(count)}} }}
	if code := Main(tool, []string{"bctl", "probe", "--quiet"}, io.Discard, &stderr); code != ExitFine {
		t.Errorf("exit %d, %q", code, stderr.String())
	}
}

func TestCommit(t *testing.T) {
	for _, test := range []struct {
		want     string
		settings []debug.BuildSetting
	}{
		{"unknown", nil},
		{"unknown", []debug.BuildSetting{{Key: "vcs.modified", Value: "true"}}},
		{"0123456789ab", []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: "false"}}},
		{"0123456789ab+", []debug.BuildSetting{{Key: "vcs.modified", Value: "true"}, {Key: "vcs.revision", Value: "0123456789abcdef"}}},
	} {
		if got := commitOf(test.settings); got != test.want {
			t.Errorf("%v: %s, want %s", test.settings, got, test.want)
		}
	}
}

// A panic in a worker is a bug that is told, with where it was, and exit 8.
func TestWorkerPanic(t *testing.T) {
	got := probe(func(context.Context, *Args, *IO) error {
		panicInWorker()
		return nil
	}, "probe")
	if got.code != ExitCannot || !strings.HasPrefix(got.stderr, "bctl: a bug in bctl: well") || !strings.Contains(got.stderr, "panicInWorker") {
		t.Errorf("exit %d, said %q", got.code, got.stderr)
	}
}

func panicInWorker() {
	var crew workers.Group
	crew.Go(func() { panic("well") })
	crew.Wait()
}
