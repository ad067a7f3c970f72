// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/lab/imgtest"
)

// TestMain lets a test run this binary as bctl itself, and scripts as bctl and as zstd, which not every machine has.
func TestMain(m *testing.M) {
	asBctl := func() { os.Exit(app.Main(bctlTool(), os.Args, os.Stdout, os.Stderr)) }
	if os.Getenv("BCTL_TEST_MAIN") != "" {
		asBctl()
	}
	testscript.Main(withState{m}, map[string]func(){"bctl": asBctl, "fsck.bcache": asBctl, "mkfs.bcache": asBctl, "zstd": unpack})
}

// withState keeps the undo files of tests that do not care for them out of the machine's state directory.
type withState struct{ m *testing.M }

// Run runs the tests.
func (s withState) Run() int {
	dir, err := os.MkdirTemp("", "bctl-state")
	if err != nil {
		return 1
	}
	defer os.RemoveAll(dir)
	os.Setenv("BCTL_STATE_DIR", dir)
	return s.m.Run()
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

// bctl runs a command line in this process.
func bctl(args ...string) apptest.Result {
	return runAs("bctl", args...)
}

func runAs(name string, args ...string) apptest.Result {
	return apptest.Run(bctlTool(), append([]string{name}, args...)...)
}

// versionLine is what scripts may rely on.
var versionLine = regexp.MustCompile(`^bctl (\d+\.\d+\.\d+) \(commit ([0-9a-f]{12}\+?|unknown), (go1\.\S+|devel \S+), \w+/\w+\)\n$`)

func TestHelpAndVersion(t *testing.T) {
	for _, args := range []string{"--help", "-h", "help", "--help --json"} {
		got := bctl(strings.Fields(args)...)
		if got.Code != 0 || got.Stderr != "" || !strings.Contains(got.Stdout, "Usage: bctl COMMAND") || !strings.Contains(got.Stdout, "Exit codes") {
			t.Errorf("bctl %s: exit %d, %s%s", args, got.Code, got.Stderr, got.Stdout)
		}
	}
	for _, args := range []string{"--version", "-V", "version"} {
		if got := bctl(args); !versionLine.MatchString(got.Stdout) || got.Code != 0 {
			t.Errorf("bctl %s: %+v", args, got)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

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
		if code := run(context.Background(), []string{"bctl", "--help"}, failing{test.err}, &stderr); code != app.ExitCannot || stderr.String() != test.says {
			t.Errorf("%v: exit %d, said %q", test.err, code, stderr.String())
		}
	}
}

// A reader that goes away ends a real process in silence, as it ends other tools, whatever it writes.
func TestClosedStdout(t *testing.T) {
	img := imgtest.Open(t, "two-backing-flash").Cache
	for _, args := range [][]string{{"--help"}, {"fsck", img}, {"show-extents", img}, {"show-buckets", "--json", img}, {"list", img, "--format", "csv"}, {"report", img, "-o", "-"}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		cmd := process(t, "bctl", args...)
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = w, &stderr
		err = cmd.Run()
		_ = w.Close()
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGPIPE || stderr.Len() > 0 {
			t.Errorf("%q: %v, said %q", args, err, stderr.String())
		}
	}
}
