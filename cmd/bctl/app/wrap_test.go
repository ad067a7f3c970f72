// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestReflow(t *testing.T) {
	const text = `Runs a thing on a model of
a device.

    --script FILE   prints every decision that the kernel
                    would make
    neither         a benchmark

Examples:

    bctl alloc-bench --script a/very/long/path/that/does/not/fit.txt
`
	want := `Runs a thing on a model of a
device.

    --script FILE   prints every
                    decision
                    that the
                    kernel would
                    make
    neither         a benchmark

Examples:

    bctl alloc-bench --script a/very/long/path/that/does/not/fit.txt
`
	if got := reflow(text, 32); got != want {
		t.Errorf("%s", got)
	}
	wide := strings.Replace(strings.Replace(text, "of\na", "of a", 1), "kernel\n                    would", "kernel would", 1)
	if got := reflow(text, 200); got != wide {
		t.Errorf("%s", got)
	}
}

// Whatever the text: no line is wider than it has to be, and no word is lost.
func FuzzReflow(f *testing.F) {
	f.Add("a b  c\n    d  e\n       f", 12)
	f.Fuzz(func(t *testing.T, text string, width int) {
		width = max(leastWidth, width%200)
		got := reflow(text, width)
		if strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(text), " ") {
			t.Errorf("%q became %q", text, got)
		}
		for line := range strings.Lines(got) {
			line = strings.TrimSuffix(line, "\n")
			if indentOf(line) == 0 && utf8.RuneCountInString(line) > width && strings.Contains(strings.TrimSpace(line), " ") {
				t.Errorf("%q has %d columns of %d", line, utf8.RuneCountInString(line), width)
			}
		}
	})
}
