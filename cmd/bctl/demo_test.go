// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
)

// demoSteps is how many command lines the demo runs.
const demoSteps = 8

// The demo runs every command it prints, and leaves nothing behind.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	got := bctl("demo")
	if got.Code != 0 || got.Stderr != "" {
		t.Errorf("exit %d, said %q", got.Code, got.Stderr)
	}
	if n := strings.Count("\n"+got.Stdout, "\n$ bctl "); n != demoSteps {
		t.Errorf("%d commands, want %d:\n%s", n, demoSteps, got.Stdout)
	}
	for _, want := range []string{"cache device", "demo", "1024", "free"} {
		if !strings.Contains(got.Stdout, want) {
			t.Errorf("no %q in\n%s", want, got.Stdout)
		}
	}
	wantEmpty(t, dir)
}

func TestDemoRefuses(t *testing.T) {
	apptest.WantLine(t, "a device", bctl("demo", "/dev/null"), app.ExitUsage, "/dev/null")
	apptest.WantLine(t, "JSON", bctl("demo", "--json"), app.ExitUsage, "json")
}

// An interrupted demo stops at the step it is at, and cleans up.
func TestDemoInterrupted(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var stdout, stderr strings.Builder
	if code := run(ctx, []string{"bctl", "demo"}, &stdout, &stderr); code != app.ExitInterrupted || stderr.String() != "bctl: interrupted\n" {
		t.Errorf("exit %d, said %q", code, stderr.String())
	}
	wantEmpty(t, dir)
}

func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}
