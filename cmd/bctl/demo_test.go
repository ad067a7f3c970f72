// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"context"
	"os"
	"strings"
	"testing"
)

// The demo runs every command it prints, and leaves nothing behind.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	got := bctl("demo")
	if got.code != 0 || got.stderr != "" {
		t.Errorf("exit %d, said %q", got.code, got.stderr)
	}
	if n := strings.Count("\n"+got.stdout, "\n$ bctl "); n != len(demoSteps) {
		t.Errorf("%d commands, want %d:\n%s", n, len(demoSteps), got.stdout)
	}
	for _, want := range []string{"cache device", "demo", "1024", "free"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("no %q in\n%s", want, got.stdout)
		}
	}
	wantEmpty(t, dir)
}

func TestDemoRefuses(t *testing.T) {
	wantLine(t, "a device", bctl("demo", "/dev/null"), exitUsage, "/dev/null")
	wantLine(t, "JSON", bctl("demo", "--json"), exitUsage, "json")
}

// An interrupted demo stops at the step it is at, and cleans up.
func TestDemoInterrupted(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var stdout, stderr strings.Builder
	if code := run(ctx, []string{"bctl", "demo"}, &stdout, &stderr); code != exitInterrupted || stderr.String() != "bctl: interrupted\n" {
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
