// SPDX-License-Identifier: GPL-2.0-only

package script

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"bctl/alloc"
)

const casesDir = "../../testdata/alloc"

// echoed are the two outputs that were recorded with every op of the script
// echoed behind "> ". The language has no such line, and the 4.6 outputs of the
// same scripts have none: they are compared without.
var echoed = map[string]bool{"random-limit.out": true, "random-policy.out": true}

// TestCases runs every script that was also run through the kernel's own
// alloc.c, and wants the same bytes.
func TestCases(t *testing.T) {
	scripts, err := filepath.Glob(filepath.Join(casesDir, "*.txt"))
	if err != nil || len(scripts) < 50 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	for _, m := range alloc.Models() {
		for _, script := range scripts {
			want := strings.TrimSuffix(script, ".txt") + ".out"
			if m.Name == "4.6" || m.Name == "7.2" {
				want = strings.TrimSuffix(script, ".txt") + ".v" + strings.ReplaceAll(m.Name, ".", "") + ".out"
				if _, err := os.Stat(want); err != nil {
					continue // no output of that kernel was recorded for it
				}
			}
			if m.Name == "6.12" && hasOp(t, script, "gc_start") {
				continue // what it has of its own is while gc runs; the slow model has that, too
			}
			t.Run(m.Name+"/"+filepath.Base(script), func(t *testing.T) {
				compareCase(t, m, script, want)
			})
		}
	}
}

// hasOp reports whether a script has an op.
func hasOp(t *testing.T, script, op string) bool {
	t.Helper()
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(text, []byte("\n"+op))
}

func compareCase(t *testing.T, m alloc.Model, script, want string) {
	in, err := os.Open(script)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	wanted, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	if echoed[filepath.Base(want)] {
		wanted = withoutEcho(wanted)
	}
	var got bytes.Buffer
	if err := Run(in, &got, m); err != nil {
		t.Fatal(err)
	}
	if d := firstDifference(got.String(), string(wanted)); d != "" {
		t.Error(d)
	}
}

func withoutEcho(out []byte) []byte {
	var kept []byte
	for line := range bytes.Lines(out) {
		if !bytes.HasPrefix(line, []byte("> ")) {
			kept = append(kept, line...)
		}
	}
	return kept
}

// firstDifference shows where two texts part, or is empty.
func firstDifference(got, want string) string {
	if got == want {
		return ""
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	n := 0
	for n < len(g) && n < len(w) && g[n] == w[n] {
		n++
	}
	tail := func(l []string) string { return strings.Join(l[max(0, n-3):min(len(l), n+3)], "\n\t") }
	return "first difference, line " + strconv.Itoa(n+1) + ":\n got\t" + tail(g) + "\nwant\t" + tail(w)
}
