// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What docs/alloc.md shows is what its commands give: the tables, and the picture. -update writes the picture anew.
func TestAllocDocs(t *testing.T) {
	if testing.Short() {
		t.Skip("reads the example's million requests three times")
	}
	doc, err := os.ReadFile("../../docs/alloc.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	log, err := exec.Command("go", "run", "../../testdata/traces/example.go").Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "example.log"), log, 0o600); err != nil {
		t.Fatal(err)
	}
	picture, err := os.ReadFile("../../docs/alloc.svg")
	if err != nil && !*update {
		t.Fatal(err)
	}
	to, err := filepath.Abs("../../docs/alloc.svg")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	shown := 0
	for line := range strings.Lines(string(doc)) {
		args, ok := strings.CutPrefix(strings.TrimSpace(line), "$ bctl ")
		if !ok || !strings.Contains(args, "--trace example.log") {
			continue
		}
		shown++
		got := bctl(strings.Fields(args)...)
		if got.Code != 0 {
			t.Fatalf("%s: %s", args, got.Stderr)
		}
		want := "    " + strings.TrimSpace(strings.ReplaceAll(got.Stdout, "\n", "\n    ")) + "\n"
		if !strings.Contains(strings.ReplaceAll(string(doc), "\n\n", "\n    \n"), want) {
			t.Errorf("docs/alloc.md: %s now prints\n%s", args, got.Stdout)
		}
	}
	if shown != 3 {
		t.Errorf("%d commands on the trace, want 3", shown)
	}
	now, err := os.ReadFile("alloc.svg")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		picture = now
		if err := os.WriteFile(to, now, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(now, picture) {
		t.Error("docs/alloc.svg is another picture: go test ./cmd/bctl -run TestAllocDocs -update")
	}
}
