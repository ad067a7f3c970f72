// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bctl/internal/finding"
	"bctl/internal/message"
)

var update = flag.Bool("update", false, "write docs/ anew")

// docs are the generated documents. Whoever changes what they come from runs `make docs`.
var docs = []struct {
	path  string
	write func(io.Writer)
}{
	{"docs/bctl.8.md", bctlTool().WriteManual},
	{"docs/findings.md", writeFindings},
	{"docs/messages.md", writeMessages},
	{"packaging/bctl.bash", completion("bash")},
	{"packaging/bctl.fish", completion("fish")},
	{"packaging/bctl.zsh", completion("zsh")},
}

func completion(shell string) func(io.Writer) {
	return func(w io.Writer) { _ = bctlTool().WriteCompletion(w, shell) } // a buffer takes everything
}

func TestDocs(t *testing.T) {
	for _, d := range docs {
		var want bytes.Buffer
		d.write(&want)
		path := filepath.Join("../..", d.path)
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, want.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s is stale, run `make docs` (%v)", d.path, err)
		}
	}
}

// writeFindings lists everything fsck can say.
func writeFindings(w io.Writer) {
	fmt.Fprint(w, `# Findings

Everything that `+"`bctl fsck`"+` can find, from the table it runs on. Codes are never reused, so scripts can match on them.
Only damage makes it exit 4. A warning is legal, but look at it: a crash leaves such things, and so does damage. A
note is worth knowing. A safe repair can lose no data that the user wrote, a lossy one may, and then says which. The last
column names the invariants that a code stands for: K are checked by the kernel too, U by nobody else.
`)
	for _, part := range finding.Table() {
		if len(part) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n## %.2s: %s\n\n| code | severity | found | what it means | repair, and what it gives up | next step | invariants |\n| --- | --- | --- | --- | --- | --- | --- |\n", part[0].Code, structures[string(part[0].Code[:2])])
		for _, r := range part {
			next := cell(r.Advice)
			if r.Command != "" {
				next += " `" + r.Command + "`"
			}
			fmt.Fprintf(w, "| %s | %s | %s | %s | %s: %s | %s | %s |\n", r.Code, r.Severity, cell(r.Title), cell(r.Help),
				r.Fix, cell(r.Cost), next, cell(r.Invariants))
		}
	}
	fmt.Fprint(w, "\n## Invariants\n\nWhat holds on every sound device, and which code says that it does not.\n\n| invariant | holds | codes |\n| --- | --- | --- |\n")
	for _, i := range finding.Invariants() {
		codes := "only a running kernel can see it"
		if cs := finding.CodesFor(i.ID); len(cs) > 0 {
			codes = strings.Trim(fmt.Sprint(cs), "[]")
		}
		fmt.Fprintf(w, "| %s | %s | %s |\n", i.ID, cell(i.Text), codes)
	}
}

// writeMessages lists what `bctl explain` knows of the kernel's log.
func writeMessages(w io.Writer) {
	fmt.Fprint(w, `# Messages

What Linux' bcache says in the kernel's log, as `+"`bctl explain`"+` knows it (`+"`journalctl -k | bctl explain`"+` explains a whole log). An
asterisk stands for anything. The last column names what `+"`bctl fsck`"+` finds on such a device; docs/findings.md explains
the codes.

| message | how bad | what it means | what not to do | next step | findings |
| --- | --- | --- | --- | --- | --- |
`)
	for _, r := range message.All() {
		texts := "`" + cell(r.Text) + "`"
		for _, alias := range r.Aliases {
			texts += ", `" + cell(alias) + "`"
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | `%s` | %s |\n", texts, r.Grade, cell(r.Means), cell(r.Dont), cell(r.Next), cell(r.Codes))
	}
}

// structures says what the letters of a code stand for.
var structures = map[string]string{
	"SB": "superblock", "JR": "journal", "PR": "prio chain", "GN": "gens", "UU": "uuids", "BT": "btree nodes",
	"EX": "extents", "SP": "space", "BD": "backing device",
}

// cell is text that a Markdown table takes.
func cell(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\n", " "), "|", `\|`)
}
