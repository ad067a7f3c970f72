// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/urfave/cli/v2"

	"bctl/internal/ui/render"
)

// A result is what a run left.
type result struct {
	code           int
	stdout, stderr string
}

// probe runs a command line of bctl with one command, which does what action says.
func probe(action func(context.Context, *Args, *IO) error, args ...string) result {
	tool := Tool{Name: "bctl", Commands: func() []*cli.Command {
		return []*cli.Command{{Name: "probe", Action: Action(action), Flags: []cli.Flag{
			&cli.IntFlag{Name: "count"}, &cli.StringFlag{Name: "label"}, DeviceList("bdev", "B", "backing `DEV`"),
		}}}
	}}
	var stdout, stderr bytes.Buffer
	code := tool.Run(context.Background(), append([]string{"bctl"}, args...), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		err  error
		code int
		says string
	}{
		{nil, 0, ""},
		{ExitWith(0), 0, ""},
		{ExitWith(ExitDamage), 4, ""},
		{fmt.Errorf("x: %w", exitError{ExitRepaired, errors.New("mended")}), 1, "bctl: x: mended\n"},
		{Usagef("no %s", "device"), 16, "bctl: no device\n"},
		{fmt.Errorf("a: %w", WithHint(errors.New("b"), "c\n%d", 1)), 8, "bctl: a: b\nhint: c; 1\n"},
		{WithHint(nil, "c"), 0, ""},
		{jsonError{fmt.Errorf("a: %w", WithHint(Usagef("b\x1b"), "c"))}, 16, `{"error":{"code":"usage","message":"a: b\u001b","hint":"c","exit":16}}` + "\n"},
		{jsonError{ExitWith(4)}, 4, ""},
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
	show := func(_ context.Context, args *Args, io *IO) error {
		dev, err := args.Device()
		if err != nil {
			return err
		}
		fmt.Fprintf(io.Out, "%s %s %v %s %q %q", dev, io.Format, io.Quiet, args.String("count"), args.String("label"), args.Strings("bdev"))
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
	one := func(_ context.Context, args *Args, _ *IO) error { _, err := args.Device(); return err }
	for _, test := range []struct{ args, want string }{
		{"", "no command given\nhint: see bctl --help"},
		{"--quiet", "no command given\nhint: see bctl --help"},
		{"probe", "no device given\nhint: see bctl probe --help"},
		{"probe a b", "extra argument b\nhint: see bctl probe --help"},
		{"probe a --count x", `--count: bad value "x"`},
		{"probe a --format xml", `--format "xml": not table, json or csv`},
		{"probe a --format csv --json", "--json contradicts --format csv"},
		{"probe a --color blue", `--color "blue": not auto, always or never`},
		{"prob a", "unknown command prob\nhint: did you mean probe?"},
	} {
		got := probe(one, strings.Fields(test.args)...)
		want := "bctl: " + test.want + "\n"
		if strings.Contains(test.args, "--json") {
			want = `{"error":{"code":"usage","message":"` + test.want + `","exit":16}}` + "\n"
		}
		if got.code != ExitUsage || got.stderr != want || got.stdout != "" {
			t.Errorf("bctl %s: exit %d, %q %q, want %s", test.args, got.code, got.stdout, got.stderr, test.want)
		}
	}
}

func TestPanic(t *testing.T) {
	var stderr bytes.Buffer
	if code := reportPanic(&stderr, "bctl", "index out of range"); code != ExitCannot || !strings.HasPrefix(stderr.String(), "bctl: a bug in bctl: index") {
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
		probe(func(_ context.Context, _ *Args, io *IO) error {
			if got := io.Colours(); got != test.want {
				t.Errorf("--color %s, NO_COLOR=%s: %v", test.when, test.env, got)
			}
			if io.Progress == nil || io.Format != render.Table {
				t.Error("no progress starter")
			}
			return nil
		}, "probe", "--color", test.when)
	}
}
