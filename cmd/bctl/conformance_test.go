// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
	"bctl/internal/workers"
)

// The conformance suite: what every command must do with every bad device and every bad command line.

// A subject is a way to run a command on a device.
type subject struct {
	name   string   // argv[0]
	args   []string // before the device
	behind []string // behind it: what else the command needs
	extra  bool     // takes more than one device
	page   bool     // what it writes has one form: it refuses --json
}

func (s subject) String() string { return strings.Join(append([]string{s.name}, s.args...), " ") }

// line is the command line on a device, or with other arguments in its place.
func (s subject) line(args ...string) []string {
	return append(append(slices.Clone(s.args), args...), s.behind...)
}

func (s subject) run(args ...string) apptest.Result { return runAs(s.name, s.line(args...)...) }

// apart are commands that take no device: their own tests say what they do with what they take.
var apart = []string{"completion", "demo", "explain", "generate", "metadata-size"}

// writers change a sane device, or keep it for themselves.
var writers = []string{"format", "rewrite-prios", "detach", "hold", "release", "undo", "super", "writeback"}

// onScreens are commands that have nothing to say where there is no terminal; their own tests give them one.
var onScreens = []string{"explore"}

// fileIsFine are commands that have nothing to do for files, whatever these hold: udev does not see them.
var fileIsFine = []string{"hold", "release"}

// hostIsFine are commands that do something where no device is named.
var hostIsFine = []string{"list", "alloc-bench"}

// A way is how a command takes a device that is not "COMMAND DEVICE".
type way struct {
	before, behind []string
	page           bool
}

// waysOf are those ways; dir is a directory with a backing device in it.
func waysOf(dir string) map[string]way {
	back := filepath.Join(dir, "back.img")
	return map[string]way{
		"format": {before: []string{"format", "-C"}}, "check-pair": {behind: []string{back}}, "detach": {behind: []string{back}},
		"domain": {before: []string{"domain", "--metadata"}, page: true}, "export": {before: []string{"export", "-o", "-"}, behind: []string{back}, page: true},
		"image": {before: []string{"image", "-o", "-"}, page: true}, "report": {before: []string{"report", "-o", "-"}, page: true},
		"super": {before: []string{"super", "find"}}, "uuid": {before: []string{"uuid", "list"}}, "writeback": {behind: []string{back}},
	}
}

// otherSubjects are the other names that keep to bctl's exit codes (bcache-super-show keeps to bcache-tools').
var otherSubjects = []subject{
	{name: "make-bcache", args: []string{"-C"}, extra: true},
	{name: "mkfs.bcache", args: []string{"-C"}, extra: true},
	{name: "fsck.bcache", extra: true},
}

// subjects are all commands there are, so that a new one is tested from its first day.
func subjects(t *testing.T) []subject {
	t.Helper()
	dir := t.TempDir()
	ways := waysOf(dir)
	if err := os.WriteFile(filepath.Join(dir, "back.img"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := bctl("format", "-q", "-B", filepath.Join(dir, "back.img")); got.Code != 0 {
		t.Fatal(got)
	}
	var all []subject
	for _, cmd := range allCommands() {
		if slices.Contains(apart, cmd.Name) {
			continue
		}
		w := ways[cmd.Name]
		if w.before == nil {
			w.before = []string{cmd.Name}
		}
		all = append(all, subject{"bctl", w.before, w.behind, severalDevices(cmd), w.page})
	}
	return append(all, otherSubjects...)
}

// severalDevices says whether a command takes more than one.
func severalDevices(cmd *cli.Command) bool {
	return strings.Contains(cmd.ArgsUsage, "...") || strings.Contains(cmd.ArgsUsage, "BACKING") || slices.Contains([]string{"format", "super", "uuid", "undo"}, cmd.Name)
}

// eachSubject runs a test on all of them.
func eachSubject(t *testing.T, test func(t *testing.T, s subject)) {
	for _, s := range subjects(t) {
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
		if s.args == nil || !slices.Contains(hostIsFine, s.args[0]) {
			apptest.WantLine(t, "no device", runAs(s.name, s.args...), app.ExitUsage)
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
	}
	eachSubject(t, func(t *testing.T, s subject) {
		asAnybody(t, func() {
			if s.name != "bctl" || !slices.Contains(fileIsFine, s.args[0]) {
				apptest.WantLine(t, "unreadable", s.run(unreadable), app.ExitCannot, unreadable, "permission denied")
			}
		})
		for _, d := range devices {
			before, _ := os.ReadFile(regular(d.path))
			if s.name == "bctl" && slices.Contains(fileIsFine, s.args[0]) && regular(d.path) == d.path {
				if got := s.run(d.path); got.Code != 0 || !strings.Contains(got.Stdout, d.path) || got.Stderr != "" {
					t.Errorf("%s: %+v", d.what, got)
				}
				continue
			}
			apptest.WantLine(t, d.what, s.run(d.path), app.ExitCannot, d.path)
			if s.name == "bctl" && !s.page {
				apptest.WantLine(t, d.what+" as JSON", s.run(d.path, "--json"), app.ExitCannot, d.path)
			}
			if after, _ := os.ReadFile(regular(d.path)); !bytes.Equal(before, after) {
				t.Errorf("%s: it was changed", d.what)
			}
		}
	})
}

// asAnybody does something on a thread that permission bits bind, root's too. The thread ends with it.
func asAnybody(t *testing.T, do func()) {
	t.Helper()
	var all workers.Group
	all.Go(func() {
		runtime.LockOSThread()
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var caps [2]unix.CapUserData
		err := unix.Capget(&header, &caps[0])
		caps[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
		if err = errors.Join(err, unix.Capset(&header, &caps[0])); err != nil {
			t.Error(err)
			return
		}
		do()
	})
	all.Wait()
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
			if s.name == "bctl" && slices.Contains(fileIsFine, s.args[0]) {
				if got := s.run("--", name); got.Code != 0 || !strings.Contains(got.Stdout, name) {
					t.Errorf("%s: %+v", name, got)
				}
				return
			}
			apptest.WantLine(t, name, s.run("--", name), app.ExitCannot, name)
		})
	}
}

// What was interrupted before it began does nothing and says so.
func TestInterrupted(t *testing.T) {
	img := imgtest.Open(t, "empty-registered").Cache
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, s := range subjects(t) {
		if slices.Contains(s.args, "-C") || slices.Contains(s.args, "show-super") || slices.Contains(s.args, "undo") {
			continue // over before anybody could
		}
		var stdout, stderr bytes.Buffer
		start := time.Now()
		code := run(ctx, append([]string{s.name}, s.line(img)...), &stdout, &stderr)
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
	for _, s := range subjects(t) {
		if slices.Contains(s.args, "-C") || s.name == "bctl" && slices.Contains(append(writers, onScreens...), s.args[0]) {
			continue
		}
		for _, format := range []string{"table", "json", "csv"} {
			if (s.name != "bctl" || s.page) && format != "table" {
				continue
			}
			args := append([]string{s.name}, s.line(img)...)
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

// On a terminal NO_COLOR is obeyed, by what colours at all; and what the device is called, or labelled, cannot speak to
// the terminal.
func TestNoColor(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	t.Setenv("COLUMNS", "")
	img := planted(t, "writeback-crash", func(s *damages.Scene) {
		s.Flip(s.Geo.Start(s.Chain()[0]).Bytes()+5000, 0)
		s.EditSuper(func(sb *ondisk.Super) { copy(sb.Label[:], "evil\x1b[31m\x9b32m\a") })
	})[0]
	odd := filepath.Join(t.TempDir(), "odd\x1b[35m\x9b36m\r\n.img")
	if err := os.Rename(img, odd); err != nil {
		t.Fatal(err)
	}
	painted := map[string]bool{}
	for _, plain := range []string{"", "1"} {
		t.Setenv("NO_COLOR", plain)
		eachSubject(t, func(t *testing.T, s subject) {
			if s.page || s.name == "bctl" && slices.Contains(writers, s.args[0]) || slices.Contains(s.args, "-C") {
				return
			}
			said := onScreen(t, func(screen *os.File) {
				_ = run(t.Context(), append([]string{s.name}, s.line(odd)...), screen, screen)
			})
			if strings.Contains(said, "\x1b[3") && !strings.Contains(said, "\x1b[31m") && plain == "" {
				t.Errorf("other colours than of damage: %q", said)
			}
			if plain != "" && strings.Contains(said, "\x1b[3") {
				t.Errorf("colours: %q", said)
			}
			painted[s.String()+plain] = strings.Contains(said, "\x1b[31m")
			for _, bad := range []string{"[35m", "\x9b", "\a", "\x1b[31m\x9b", "\u009b"} {
				if strings.Contains(said, "\x1b"+bad) || bad[0] != '[' && strings.Contains(said, bad) {
					t.Errorf("%q got through: %q", bad, said)
				}
			}
		})
	}
	if !painted["bctl fsck"] {
		t.Error("nothing is coloured at all: nothing was tested")
	}
}

// onScreen is what a terminal gets.
func onScreen(t *testing.T, do func(screen *os.File)) string {
	t.Helper()
	y, end := newTerminal(t)
	do(end)
	_ = end.Close()
	<-y.over
	return y.all()
}
