// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"bctl/internal/ui/render"
)

// TestMain lets a test run this binary as bctl itself.
func TestMain(m *testing.M) {
	if os.Getenv("BCTL_TEST_MAIN") != "" {
		os.Exit(withSignals(os.Args, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// process prepares this binary to be run as name.
func process(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0] = name
	cmd.Env = append(os.Environ(), "BCTL_TEST_MAIN=1")
	return cmd
}

// A result is what a run left.
type result struct {
	code           int
	stdout, stderr string
}

// bctl runs a command line in this process.
func bctl(args ...string) result {
	return runAs("bctl", args...)
}

func runAs(name string, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), append([]string{name}, args...), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// probe runs a command line of bctl with one command more, which does what action says.
func probe(action cli.ActionFunc, args ...string) result {
	var stdout, stderr bytes.Buffer
	app := bctlApp()
	app.Commands = append(app.Commands, &cli.Command{Name: "probe", Action: action, Flags: []cli.Flag{
		&cli.IntFlag{Name: "count"}, &cli.StringFlag{Name: "label"}, newDeviceListFlag("bdev", "B", "backing `DEV`"),
	}})
	out := &output{w: &stdout}
	err := runApp(context.Background(), app, append([]string{"bctl"}, args...), out, &stderr)
	return result{report(&stderr, "bctl", err, out.err), stdout.String(), stderr.String()}
}

func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		err  error
		code int
		says string
	}{
		{nil, 0, ""},
		{exitWith(0), 0, ""},
		{exitWith(exitDamage), 4, ""},
		{fmt.Errorf("x: %w", exitError{exitRepaired, errors.New("mended")}), 1, "bctl: x: mended\n"},
		{usagef("no %s", "device"), 16, "bctl: no device\n"},
		{fmt.Errorf("pass 1: %w", context.Canceled), 32, "bctl: interrupted\n"},
		{&os.PathError{Op: "open", Path: "a\nb\x1b", Err: syscall.ENOENT}, 8, "bctl: open a; b?: no such file or directory\n"},
		{&os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EPIPE}, 8, ""},
	} {
		var stderr bytes.Buffer
		if code := report(&stderr, "bctl", test.err, nil); code != test.code || stderr.String() != test.says {
			t.Errorf("%v: exit %d, said %q; want %d, %q", test.err, code, stderr.String(), test.code, test.says)
		}
	}
}

// What a command sees of its flags and operands.
func TestCommandSees(t *testing.T) {
	show := func(c *cli.Context) error {
		dev, err := oneDevice(c)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.App.Writer, "%s %s %v %d %q %q", dev, outputFormat(c), isQuiet(c), c.Int("count"), c.String("label"), c.StringSlice("bdev"))
		return nil
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"probe", "a.img"}, `a.img table false 0 "" []`},
		{[]string{"probe", "a.img", "--json", "-q", "--co=3"}, ``}, // --co is --color or --count
		{[]string{"probe", "a.img", "--json", "-q", "--cou=3"}, `a.img json true 3 "" []`},
		{[]string{"--format", "csv", "probe", "--", "-n"}, `-n csv false 0 "" []`},
		{[]string{"probe", "h"}, `h table false 0 "" []`},
		{[]string{"probe", "help", "--label", " a,b "}, `help table false 0 " a,b " []`},
		{[]string{"probe", "d", "-B", " x,y ", "z"}, `d table false 0 "" [" x,y " "z"]`},
		{[]string{"probe", "--label", "--help", "d"}, `d table false 0 "--help" []`},
	} {
		if got := probe(show, test.args...); got.stdout != test.want {
			t.Errorf("%q: saw %q, want %q; %s", test.args, got.stdout, test.want, got.stderr)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	one := func(c *cli.Context) error { _, err := oneDevice(c); return err }
	for _, test := range []struct{ args, want string }{
		{"", "no command given, see bctl --help"},
		{"--json", "no command given, see bctl --help"},
		{"probe", "no device given, see bctl probe --help"},
		{"probe a b", "extra argument b, see bctl probe --help"},
		{"probe a --count x", `--count: bad value "x"`},
		{"probe a --format xml", "--format xml: not table, json or csv"},
		{"probe a --format csv --json", "--json contradicts --format csv"},
		{"probe a --color blue", "--color blue: not auto, always or never"},
		{"prob a", "unknown command prob, did you mean probe?"},
	} {
		got := probe(one, strings.Fields(test.args)...)
		if got.code != exitUsage || got.stderr != "bctl: "+test.want+"\n" || got.stdout != "" {
			t.Errorf("bctl %s: exit %d, %q %q, want %s", test.args, got.code, got.stdout, got.stderr, test.want)
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, args := range []string{"--help", "-h", "help", "--help --json"} {
		got := bctl(strings.Fields(args)...)
		if got.code != 0 || got.stderr != "" || !strings.Contains(got.stdout, "Usage: bctl COMMAND") || !strings.Contains(got.stdout, "Exit codes") {
			t.Errorf("bctl %s: exit %d, %s%s", args, got.code, got.stderr, got.stdout)
		}
	}
	for _, args := range []string{"--version", "-V"} {
		if got := bctl(args); got.stdout != "bctl "+version+"\n" || got.code != 0 {
			t.Errorf("bctl %s: %+v", args, got)
		}
	}
}

// A write that fails is the exit code, even where the command did not look.
func TestLostOutput(t *testing.T) {
	for _, test := range []struct {
		err  error
		says string
	}{
		{syscall.EPIPE, ""},
		{syscall.ENOSPC, "bctl: standard output: no space left on device\n"},
		{&os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}, "bctl: standard output: no space left on device\n"},
	} {
		var stderr bytes.Buffer
		if code := run(context.Background(), []string{"bctl", "--help"}, failing{test.err}, &stderr); code != exitCannot || stderr.String() != test.says {
			t.Errorf("%v: exit %d, said %q", test.err, code, stderr.String())
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestPanic(t *testing.T) {
	var stderr bytes.Buffer
	if code := reportPanic(&stderr, "bctl", "index out of range"); code != exitCannot || !strings.HasPrefix(stderr.String(), "bctl: a bug in bctl: index") {
		t.Errorf("exit %d, %s", code, stderr.String())
	}
}

func TestUseColor(t *testing.T) {
	t.Setenv("TERM", "xterm")
	for _, test := range []struct {
		when, env string
		want      bool
	}{{"auto", "", false}, {"always", "", true}, {"never", "", false}, {"always", "1", true}} {
		t.Setenv("NO_COLOR", test.env)
		probe(func(c *cli.Context) error {
			if got := useColor(c, c.App.Writer); got != test.want {
				t.Errorf("--color %s, NO_COLOR=%s: %v", test.when, test.env, got)
			}
			if s := progressOf(c); s == nil || outputFormat(c) != render.Table {
				t.Error("no progress starter")
			}
			return nil
		}, "probe", "--color", test.when)
	}
}

// The first signal ends the work and gives 32.
func TestSignal(t *testing.T) {
	if code := waitForSignal(io.Discard); code != exitInterrupted {
		t.Errorf("exit %d, want %d", code, exitInterrupted)
	}
}

// waitForSignal is withSignals over a program that waits for one and sends it to itself.
func waitForSignal(stderr io.Writer) int {
	ctx, stop := signalContext()
	defer stop()
	go func() { _ = syscall.Kill(os.Getpid(), syscall.SIGTERM) }()
	select {
	case <-ctx.Done():
		return report(stderr, "bctl", ctx.Err(), nil)
	case <-time.After(10 * time.Second):
		return exitCannot
	}
}

// A reader that goes away ends a real process in silence.
func TestClosedStdout(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	defer w.Close()
	cmd := process(t, "bctl", "--help")
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &stderr
	err = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != exitCannot || stderr.Len() > 0 {
		t.Errorf("exit %d (%v), said %q", code, err, stderr.String())
	}
}
