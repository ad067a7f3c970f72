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

// A damage is planted before one's eyes, found, repaired where that can be done, and then is there again.
func TestDemoDamage(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	for _, code := range []string{"PR01", "BT04", "EX05", "pr01:2"} {
		got := bctl("demo", "--damage", code)
		code = strings.ToUpper(code[:4])
		if got.Code != 0 {
			t.Errorf("%s: exit %d, said %q", code, got.Code, got.Stderr)
		}
		sound, after, _ := strings.Cut(got.Stdout, "# damage is planted: ")
		found, repaired, mended := strings.Cut(after, "$ bctl rewrite-prios")
		if !mended {
			found, repaired, mended = strings.Cut(after, "$ bctl fsck -y")
		}
		if strings.Contains(sound, code) || !strings.Contains(found, "  "+code+"  ") || strings.HasPrefix(code, "PR") && !mended || code == "EX05" && mended {
			t.Errorf("%s: sound\n%s\nfound\n%s\nrepaired %v", code, sound, found, mended)
		}
		if !mended {
			continue
		}
		clean, again, undone := strings.Cut(repaired, "$ bctl undo")
		clean = clean[strings.LastIndex(clean, "$ bctl fsck "):] // the check after the repair
		if !undone || strings.Contains(clean, "  "+code+"  ") || !strings.Contains(again, "  "+code+"  ") {
			t.Errorf("%s: repaired\n%s\nundone\n%s", code, clean, again)
		}
	}
	apptest.WantLine(t, "no such code", bctl("demo", "--damage", "XX99"), app.ExitUsage, "XX99")
	wantEmpty(t, dir)
}
