// SPDX-License-Identifier: GPL-2.0-only

// Package apptest runs command lines in a test's process.
package apptest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/inspect"
	"bctl/internal/finding"
	"bctl/superblock"
)

// A Result is what a run left.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// Run runs a command line, args[0] and all.
func Run(tool app.Tool, args ...string) Result {
	var stdout, stderr bytes.Buffer
	code := tool.Run(context.Background(), args, &stdout, &stderr)
	return Result{code, stdout.String(), stderr.String()}
}

// Probe runs bctl with one command, probe, which has those flags and does what action says.
func Probe(action func(context.Context, *app.Args, *app.IO) error, flags []cli.Flag, args ...string) Result {
	return Run(app.Tool{Name: "bctl", Commands: func() []*cli.Command {
		return []*cli.Command{{Name: "probe", Action: app.Action(action), Flags: flags}}
	}}, append([]string{"bctl", "probe"}, args...)...)
}

// WantLine checks the code, and that stderr is one line, and a hint if there is one, that name what they should, and
// stdout is empty.
func WantLine(t *testing.T, what string, got Result, code int, names ...string) {
	t.Helper()
	if got.Code != code {
		t.Errorf("%s: exit %d, want %d", what, got.Code, code)
	}
	if lines := strings.SplitAfter(got.Stderr, "\n"); len(lines) != 2 && !(len(lines) == 3 && strings.HasPrefix(lines[1], "hint: ")) || lines[len(lines)-1] != "" {
		t.Errorf("%s: said %q, want one line and a hint", what, got.Stderr)
	}
	if got.Stdout != "" {
		t.Errorf("%s: wrote %q on stdout", what, got.Stdout)
	}
	for _, name := range names {
		if !strings.Contains(got.Stderr, name) {
			t.Errorf("%s: said %q, which does not name %s", what, got.Stderr, name)
		}
	}
}

// StateIn makes undo files go to a directory of the test.
func StateIn(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	t.Setenv("BCTL_STATE_DIR", dir)
	return dir
}

// UndoFiles are the files in the state directory, which may not be there yet.
func UndoFiles(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, filepath.Join(dir, e.Name()))
	}
	return names
}

// ReadCache opens a cache as the commands do.
func ReadCache(t *testing.T, dev interface {
	io.ReaderAt
	Size() int64
},
) *inspect.Cache {
	t.Helper()
	s, err := superblock.Read(dev)
	if err != nil {
		t.Fatal(err)
	}
	cache, err := inspect.Open(context.Background(), dev, s, inspect.Options{Size: dev.Size(), Sink: func(finding.Finding) {}})
	if err != nil {
		t.Fatal(err)
	}
	return cache
}
