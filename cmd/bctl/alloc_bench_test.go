// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
)

const allocCases = "../../testdata/alloc"

// The two outputs that were recorded with every op echoed behind "> ", which the language does not have.
var echoedCases = []string{"random-limit.out", "random-policy.out"}

// The command prints for each script what the kernel's own alloc.c decided, byte for byte.
func TestAllocScripts(t *testing.T) {
	scripts, err := filepath.Glob(filepath.Join(allocCases, "*.txt"))
	if err != nil || len(scripts) < 50 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	for _, script := range scripts {
		base := strings.TrimSuffix(script, ".txt")
		other := func(out string) string {
			if _, err := os.Stat(out); err != nil {
				return "" // no output of that kernel was recorded for it
			}
			return out
		}
		for model, out := range map[string]string{
			"": base + ".out", "5.8": base + ".out", "4.6": other(base + ".v46.out"), "7.2": other(base + ".v72.out"),
		} {
			if out == "" {
				continue
			}
			args := []string{"alloc-bench", "--script", script}
			if model != "" {
				args = append(args, "--model", model)
			}
			want, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range echoedCases {
				if filepath.Base(out) == name {
					want = withoutEchoes(want)
				}
			}
			if got := bctl(args...); got.Code != 0 || got.Stderr != "" || got.Stdout != string(want) {
				t.Errorf("%s, model %q: exit %d, said %q, or other decisions", script, model, got.Code, got.Stderr)
			}
		}
	}
}

func withoutEchoes(out []byte) []byte {
	var kept []byte
	for line := range bytes.Lines(out) {
		if !bytes.HasPrefix(line, []byte("> ")) {
			kept = append(kept, line...)
		}
	}
	return kept
}

func TestAllocScriptErrors(t *testing.T) {
	dir := t.TempDir()
	script := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := script("good", "config nbuckets=600\n")
	for _, test := range []struct {
		text string
		says []string
	}{
		{"config nbuckets=12\n", []string{"line 1", "nbuckets"}},
		{"\n# well\nfrobnicate 1\n", []string{"line 3", "frobnicate"}},
		{"touch x\n", []string{"line 1", "touch"}},
		{"config policy=mru\n", []string{"line 1", "mru"}},
		{"unpin 5\n", []string{"line 1", "unpinned"}},
		{strings.Repeat("x", 2<<20), []string{"line 1", "too long"}},
	} {
		path := script("bad", test.text)
		apptest.WantLine(t, test.text[:min(20, len(test.text))], bctl("alloc-bench", "--script", path), app.ExitUsage, append(test.says, path)...)
	}
	missing := filepath.Join(dir, "missing")
	apptest.WantLine(t, "missing", bctl("alloc-bench", "--script", missing), app.ExitCannot, missing)
	apptest.WantLine(t, "directory", bctl("alloc-bench", "--script", dir), app.ExitCannot, dir)
	apptest.WantLine(t, "model", bctl("alloc-bench", "--script", good, "--model", "newest"), app.ExitUsage, "newest", "6.12")
	apptest.WantLine(t, "format", bctl("alloc-bench", "--script", good, "--json"), app.ExitUsage, "json")
	apptest.WantLine(t, "device", bctl("alloc-bench", "--script", good, good), app.ExitUsage, "DEVICE")
}

// Any kernel's version does, and what stands for it is said.
func TestAllocModel(t *testing.T) {
	script := filepath.Join("../../testdata/alloc", "avail.txt")
	got := bctl("alloc-bench", "--script", script, "--model", "6.18.3-amd64")
	want, err := os.ReadFile(strings.TrimSuffix(script, ".txt") + ".v72.out")
	if err != nil || got.Code != 0 || got.Stdout != string(want) || got.Stderr != "bctl: --model 6.18.3-amd64: decides as Linux 7.2, the model nearest to it\n" {
		t.Errorf("exit %d, said %q, or other decisions, %v", got.Code, got.Stderr, err)
	}
}
