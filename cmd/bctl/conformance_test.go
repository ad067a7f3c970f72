// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/lab/imgtest"
)

// The conformance suite: what every command must do with every bad device and every bad command line.

// A subject is a way to run a command on a device.
type subject struct {
	name  string   // argv[0]
	args  []string // before the device
	extra bool     // takes more than one device
}

func (s subject) String() string { return strings.Join(append([]string{s.name}, s.args...), " ") }

func (s subject) run(args ...string) apptest.Result {
	return runAs(s.name, append(slices.Clone(s.args), args...)...)
}

// apart are commands that do not take devices alone; their own tests say what they do with bad ones.
var apart = []string{"alloc-bench", "check-pair", "completion", "demo", "detach", "domain", "explain", "export", "generate", "hold", "image", "metadata-size", "release", "report", "super", "undo", "uuid", "writeback"}

// writers change a sane device.
var writers = []string{"format", "rewrite-prios"}

// onScreens are commands that have nothing to say where there is no terminal; their own tests give them one.
var onScreens = []string{"explore"}

// ways to give a device that are not "COMMAND DEVICE".
var ways = map[string][]string{"format": {"format", "-C"}}

// otherSubjects are the other names that keep to bctl's exit codes (bcache-super-show keeps to bcache-tools').
var otherSubjects = []subject{
	{name: "make-bcache", args: []string{"-C"}, extra: true},
	{name: "mkfs.bcache", args: []string{"-C"}, extra: true},
	{name: "fsck.bcache", extra: true},
}

// subjects are all commands there are, so that a new one is tested from its first day.
func subjects() []subject {
	var all []subject
	for _, cmd := range allCommands() {
		if slices.Contains(apart, cmd.Name) {
			continue
		}
		args := []string{cmd.Name}
		if way := ways[cmd.Name]; way != nil {
			args = way
		}
		all = append(all, subject{"bctl", args, severalDevices(cmd)})
	}
	return append(all, otherSubjects...)
}

// severalDevices says whether a command takes more than one.
func severalDevices(cmd *cli.Command) bool {
	return strings.Contains(cmd.ArgsUsage, "...") || ways[cmd.Name] != nil
}

// eachSubject runs a test on all of them.
func eachSubject(t *testing.T, test func(t *testing.T, s subject)) {
	for _, s := range subjects() {
		t.Run(strings.ReplaceAll(s.String(), " ", "_"), func(t *testing.T) { test(t, s) })
	}
}

func TestHelp(t *testing.T) {
	eachSubject(t, func(t *testing.T, s subject) {
		for _, flag := range []string{"--help", "-h"} {
			got := s.run(flag)
			if got.Code != 0 || got.Stderr != "" {
				t.Errorf("%s: exit %d, said %q", flag, got.Code, got.Stderr)
			}
			for _, want := range []string{"Usage: ", "Flags", "Examples:", "Exit codes"} {
				if !strings.Contains(got.Stdout, want) {
					t.Errorf("%s: no %q in\n%s", flag, want, got.Stdout)
				}
			}
		}
	})
}

// Help fits 80 columns, but for the commands of examples, which nobody could copy otherwise.
func TestHelpFits(t *testing.T) {
	t.Setenv("COLUMNS", "80")
	for _, cmd := range allCommands() {
		for line := range strings.Lines(bctl(cmd.Name, "--help").Stdout) {
			line = strings.TrimSuffix(line, "\n")
			if utf8.RuneCountInString(line) > 80 && !strings.HasPrefix(line, "    bctl ") && !strings.HasPrefix(line, "    source ") {
				t.Errorf("%s --help: %q", cmd.Name, line)
			}
		}
	}
}

// Errors are one object on stderr if JSON is asked for, however that is spelled and whatever else is wrong.
func TestErrorsAsJSON(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing\n")
	for _, test := range []struct {
		args []string
		code string
		exit int
	}{
		{[]string{"show-super", "-J", missing}, "failed", app.ExitCannot},
		{[]string{"show-super", missing, "--js"}, "failed", app.ExitCannot},
		{[]string{"--format", "json", "fsck", missing}, "failed", app.ExitCannot},
		{[]string{"fsck", "-qJ", missing}, "failed", app.ExitCannot},
		{[]string{"fsck", "--frobnicate", "--json"}, "usage", app.ExitUsage},
		{[]string{"fsk", "--format=json"}, "usage", app.ExitUsage},
		{[]string{"-J"}, "usage", app.ExitUsage},
	} {
		got := bctl(test.args...)
		var told struct {
			Error struct {
				Code, Message, Hint string
				Exit                int
			}
		}
		if err := json.Unmarshal([]byte(got.Stderr), &told); err != nil || strings.Count(got.Stderr, "\n") != 1 {
			t.Errorf("%q: said %q: %v", test.args, got.Stderr, err)
		}
		if e := told.Error; e.Code != test.code || e.Exit != test.exit || got.Code != test.exit || e.Message == "" || test.exit == app.ExitUsage && e.Hint == "" && !slices.Contains(test.args, "--frobnicate") {
			t.Errorf("%q: exit %d, %+v", test.args, got.Code, e)
		}
		if test.code == "failed" && !strings.Contains(told.Error.Message, missing) {
			t.Errorf("%q: the path is not as it was given in %q", test.args, told.Error.Message)
		}
	}
	if got := bctl("fsck", "--", "--json"); strings.HasPrefix(got.Stderr, "{") {
		t.Errorf("a device called --json: %q", got.Stderr)
	}
}

// What other tools call a command leads to it.
func TestOtherNamesOfCommands(t *testing.T) {
	for typed, want := range map[string]string{"check": "fsck", "repair": "fsck", "ls": "bctl list", "fsk": "fsck"} {
		apptest.WantLine(t, typed, bctl(typed, "x"), app.ExitUsage, "unknown command "+typed, "\nhint: ", want)
	}
}

// The commands apart keep to this at least.
func TestApart(t *testing.T) {
	for _, name := range apart {
		if got := bctl(name, "--help"); got.Code != 0 || !strings.Contains(got.Stdout, "Examples:") {
			t.Errorf("%s --help: exit %d, %s", name, got.Code, got.Stdout)
		}
		apptest.WantLine(t, name, bctl(name, "--frobnicate"), app.ExitUsage, "--frobnicate")
		apptest.WantLine(t, name, bctl(name, "--json", "--format=csv"), app.ExitUsage, "csv")
		if !slices.Contains([]string{"explain", "check-pair", "writeback", "hold", "release"}, name) { // any words may be a message, or devices
			apptest.WantLine(t, name, bctl(name, "a", "b", "c", "d"), app.ExitUsage)
		}
	}
}

func TestBadCommandLine(t *testing.T) {
	img := filepath.Join(t.TempDir(), "a.img")
	content := bytes.Repeat([]byte("bcache"), 20000)
	if err := os.WriteFile(img, content, 0o600); err != nil {
		t.Fatal(err)
	}
	eachSubject(t, func(t *testing.T, s subject) {
		if !slices.Contains(s.args, "list") { // it looks at the host's
			apptest.WantLine(t, "no device", s.run(), app.ExitUsage)
		}
		apptest.WantLine(t, "unknown flag", s.run("--frobnicate", img), app.ExitUsage, "--frobnicate")
		apptest.WantLine(t, "late unknown flag", s.run(img, "--frobnicate"), app.ExitUsage, "--frobnicate")
		apptest.WantLine(t, "unknown letter", s.run(img, "-0"), app.ExitUsage, "-0")
		if s.name == "bctl" {
			apptest.WantLine(t, "bad format", s.run(img, "--format", "xml"), app.ExitUsage, "xml")
			apptest.WantLine(t, "json and csv", s.run("--format=csv", img, "--json"), app.ExitUsage, "csv")
			apptest.WantLine(t, "flag without value", s.run(img, "--color"), app.ExitUsage, "--color")
			apptest.WantLine(t, "flag with value", s.run(img, "--json=yes"), app.ExitUsage, "--json")
		}
		if !s.extra {
			apptest.WantLine(t, "two devices", s.run(img, img), app.ExitUsage, img)
		}
	})
	if now, err := os.ReadFile(img); err != nil || !bytes.Equal(now, content) {
		t.Errorf("a bad command line changed the device (%v)", err)
	}
}

func TestBadDevice(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	unreadable := file("unreadable", make([]byte, 1<<20))
	if err := os.Chmod(unreadable, 0); err != nil {
		t.Fatal(err)
	}
	devices := []struct{ what, path string }{
		{"missing", filepath.Join(dir, "missing")},
		{"below a file", filepath.Join(file("plain", nil), "x")},
		{"directory", dir},
		{"empty", file("empty", nil)},
		{"one byte", file("byte", []byte{0})},
		{"a superblock's half", file("half", make([]byte, 4096+2048))},
		{"strange name", file("h", nil)},
		{"fifo", fifo},
		{"character device", "/dev/zero"},
		{"unreadable", unreadable},
	}
	eachSubject(t, func(t *testing.T, s subject) {
		for _, d := range devices {
			if d.path == unreadable && os.Geteuid() == 0 {
				continue // root reads everything
			}
			before, _ := os.ReadFile(regular(d.path))
			apptest.WantLine(t, d.what, s.run(d.path), app.ExitCannot, d.path)
			if s.name == "bctl" {
				apptest.WantLine(t, d.what+" as JSON", s.run(d.path, "--json"), app.ExitCannot, d.path)
			}
			if after, _ := os.ReadFile(regular(d.path)); !bytes.Equal(before, after) {
				t.Errorf("%s: it was changed", d.what)
			}
		}
	})
}

// regular is path, or the name of nothing where reading it would never end.
func regular(path string) string {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return os.DevNull
	}
	return path
}

// A device may have any name.
func TestDeviceNames(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"help", "h", "-n", "--json", "-"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		eachSubject(t, func(t *testing.T, s subject) {
			apptest.WantLine(t, name, s.run("--", name), app.ExitCannot, name)
		})
	}
}

// What was interrupted before it began does nothing and says so.
func TestInterrupted(t *testing.T) {
	img := imgtest.Open(t, "empty-registered").Cache
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, s := range subjects() {
		if slices.Contains(s.args, "-C") || slices.Contains(s.args, "show-super") {
			continue // over before anybody could
		}
		var stdout, stderr bytes.Buffer
		start := time.Now()
		code := run(ctx, append(append([]string{s.name}, s.args...), img), &stdout, &stderr)
		apptest.WantLine(t, s.String(), apptest.Result{Code: code, Stderr: stderr.String()}, app.ExitInterrupted, "interrupted")
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s: took %v", s, d)
		}
	}
}

// Output that cannot be written is an error, told unless nobody is there to read it.
func TestOutputFails(t *testing.T) {
	image := imgtest.Open(t, "empty-registered")
	img, before := image.Cache, image.Sum()
	for _, s := range subjects() {
		if slices.Contains(s.args, "-C") || s.name == "bctl" && slices.Contains(append(writers, onScreens...), s.args[0]) {
			continue
		}
		for _, format := range []string{"table", "json", "csv"} {
			if s.name != "bctl" && format != "table" {
				continue
			}
			args := append(append([]string{s.name}, s.args...), img)
			if s.name == "bctl" {
				args = append(args, "--format", format)
			}
			for err, says := range map[error]int{syscall.EPIPE: 0, syscall.ENOSPC: 1} {
				var stderr bytes.Buffer
				code := run(context.Background(), args, failing{err}, &stderr)
				if lines := strings.Count(stderr.String(), "\n"); code == 0 || lines != says {
					t.Errorf("%s --format %s, %v: exit %d, said %q", s, format, err, code, stderr.String())
				}
			}
		}
	}
	if image.Sum() != before {
		t.Error("the device was changed")
	}
}
