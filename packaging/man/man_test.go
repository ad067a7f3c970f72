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

// The pages are there, one a command, and nothing is lost of what the manual says.
func TestPages(t *testing.T) {
	dir := t.TempDir()
	if err := writePages("../../docs", dir, "2026-01-02"); err != nil {
		t.Fatal(err)
	}
	manual, err := os.ReadFile("../../docs/bctl.8.md")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"bctl.8", "fsck.bcache.8", "mkfs.bcache.8", "bcache-ondisk.5", "bctl-image.5", "bctl-messages.7", "bctl-writing.7"}
	for line := range strings.Lines(string(manual)) {
		if command, ok := strings.CutPrefix(strings.TrimSpace(line), "## bctl "); ok {
			want = append(want, "bctl-"+command+".8")
		}
	}
	var all bytes.Buffer
	for _, name := range want {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.Contains(text, []byte("\n.SH NAME\n")) || !bytes.Contains(text, []byte("\n.SH SEE ALSO\n")) {
			t.Errorf("%s: no name, or nothing to see also", name)
		}
		all.Write(text)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(want) {
		t.Errorf("%d pages, want %d (%v)", len(entries), len(want), err)
	}
	printed := strings.Join(strings.Fields(strings.NewReplacer(`\-`, "-", `\fB`, "", `\fR`, "", `\&`, "").Replace(all.String())), " ")
	for line := range strings.Lines(string(manual)) {
		if text, ok := strings.CutPrefix(line, "- `-"); ok {
			flag, meaning, _ := strings.Cut(strings.TrimSpace(text), "`: ")
			for _, part := range []string{"-" + flag, strings.ReplaceAll(meaning, "`", "")} {
				if !strings.Contains(printed, strings.Join(strings.Fields(part), " ")) {
					t.Errorf("no page says %q", part)
				}
			}
		}
	}
	lint(t, dir, entries)
}

// lint asks mandoc.
func lint(t *testing.T, dir string, entries []os.DirEntry) {
	mandoc, err := exec.LookPath("mandoc")
	if err != nil {
		t.Skip("no mandoc here (Debian: mandoc)")
	}
	for _, e := range entries {
		if out, err := exec.Command(mandoc, "-T", "lint", filepath.Join(dir, e.Name())).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("mandoc: %v\n%s", err, out)
		}
	}
}

func TestRoff(t *testing.T) {
	p := page{"x-y", 8, "does", "## A `b`\n\n.dot at the begin\n\n    code \\ -x\n\n    more\n\n- `-f, --flag F`: what\n  it does\n\n1. one\n\n| a | b |\n| --- | --- |\n| `k` | v \\| w |\n"}
	var b bytes.Buffer
	p.write(&b, "2026-01-02")
	want := `.\" SPDX-License-Identifier: GPL-2.0-only
.TH X-Y 8 2026-01-02 bctl "bctl manual"
.SH NAME
x\-y \- does
.SH A \fBB\fR
\&.dot at the begin
.PP
.RS 4
.EX
code \e \-x
\&
more
.EE
.RE
.TP
\fB\-f, \-\-flag F\fR
what
it does
.IP 1. 4
one
.TP
\fBk\fR
v | w
`
	if b.String() != want {
		t.Errorf("%s\nwant\n%s", b.String(), want)
	}
}
