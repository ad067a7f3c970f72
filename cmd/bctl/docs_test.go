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

	"github.com/urfave/cli/v2"

	"bctl/internal/finding"
)

var update = flag.Bool("update", false, "write docs/ anew")

// docs are the generated documents. Whoever changes what they come from runs `make docs`.
var docs = []struct {
	path  string
	write func(io.Writer)
}{
	{"docs/bctl.8.md", writeManual},
	{"docs/findings.md", writeFindings},
	{"packaging/bctl.bash", writeCompletion},
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

// writeManual walks the live commands. It says what --help says, in Markdown.
func writeManual(w io.Writer) {
	app := bctlApp()
	fmt.Fprintf(w, "# %s(8)\n\n%s\n\n## Synopsis\n\n    %s [global flags] %s\n\n", app.Name, app.Usage, app.Name, app.ArgsUsage)
	fmt.Fprintf(w, "%s\n\n## Global flags\n\n", strings.TrimSpace(app.Description))
	flagList(w, app.Flags)
	for _, cmd := range app.Commands {
		if cmd.Hidden {
			continue
		}
		synopsis := strings.TrimSpace(app.Name + " " + cmd.Name + " [flags] " + cmd.ArgsUsage)
		fmt.Fprintf(w, "## %s %s\n\n%s\n\n    %s\n\n", app.Name, cmd.Name, cmd.Usage, synopsis)
		fmt.Fprintf(w, "%s\n\n", strings.TrimSpace(cmd.Description))
		flagList(w, cmd.Flags)
	}
	fmt.Fprint(w, "## Other names\n\nThe binary goes by its name, so links to it replace these programs:\n\n")
	for _, name := range otherNames {
		fmt.Fprintf(w, "- `%s`: %s\n", name[0], name[1])
	}
	fmt.Fprint(w, "\n## Exit codes\n\nThose of fsck(8), for every command:\n\n| code | meaning |\n| --- | --- |\n")
	for _, e := range exitTable {
		fmt.Fprintf(w, "| %d | %s |\n", e.code, cell(e.text))
	}
	fmt.Fprint(w, "\n## Environment\n\n- `NO_COLOR`: if set, `--color auto` means never\n")
}

// flagList is a list item a flag.
func flagList(w io.Writer, flags []cli.Flag) {
	for _, l := range flagLines(flags) {
		fmt.Fprintf(w, "- `%s`: %s\n", strings.TrimSpace(l[0]), l[1])
	}
	if len(flags) > 0 {
		fmt.Fprintln(w)
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

// structures says what the letters of a code stand for.
var structures = map[string]string{
	"SB": "superblock", "JR": "journal", "PR": "prio chain", "GN": "gens", "UU": "uuids", "BT": "btree nodes",
	"EX": "extents", "SP": "space", "BD": "backing device",
}

// cell is text that a Markdown table takes.
func cell(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\n", " "), "|", `\|`)
}
