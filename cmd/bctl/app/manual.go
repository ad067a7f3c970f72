// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

// WriteManual walks the live commands. It says what --help says, in Markdown.
func (t Tool) WriteManual(w io.Writer) {
	app := t.app()
	fmt.Fprintf(w, "# %s(8)\n\n%s\n\n## Synopsis\n\n    %s [global flags] %s\n\n", app.Name, app.Usage, app.Name, app.ArgsUsage)
	fmt.Fprintf(w, "%s\n\n## Global flags\n\n", strings.TrimSpace(app.Description))
	flagList(w, app.Flags)
	for _, cmd := range app.Commands {
		if cmd.Hidden {
			continue
		}
		manualSection(w, app.Name+" "+cmd.Name, cmd)
	}
	for _, name := range t.Names {
		if name.Command != nil {
			manualSection(w, name.Name, name.Command())
		}
	}
	fmt.Fprint(w, "## Other names\n\nThe binary goes by its name, so links to it replace these programs:\n\n")
	for _, name := range t.Names {
		fmt.Fprintf(w, "- `%s`: %s\n", name.Name, name.Usage)
	}
	fmt.Fprint(w, "\n## Exit codes\n\nThose of fsck(8), for every command:\n\n| code | meaning |\n| --- | --- |\n")
	for _, e := range exitTable {
		fmt.Fprintf(w, "| %d | %s |\n", e.code, cell(e.text))
	}
	fmt.Fprint(w, manualEnd)
}

// manualEnd is what holds for all commands and stands in no table.
const manualEnd = `
## Messages

Data go to standard output, everything else to standard error. An error is one line, and the way out, if there is one,
a second:

    bctl: /dev/sda1: in use: mounted on /srv
    hint: umount /srv

With ` + "`--json`" + ` an error is one object in one line: ` + "`{\"error\": {\"code\", \"message\", \"hint\", \"exit\"}}`" + `. The code is usage,
damaged, failed or interrupted.

## Signals

- ` + "`SIGINT`, `SIGTERM`, `SIGHUP`" + `: end in order; a second one kills
- ` + "`SIGUSR1`" + `: write how far the work is to standard error

## Environment

- ` + "`NO_COLOR`" + `: if set, ` + "`--color auto`" + ` means never
- ` + "`COLUMNS`" + `: how wide help and maps are where there is no terminal
- ` + "`BCTL_STATE_DIR`" + `: where undo files go, instead of the state directory
`

// manualSection is one command, under the name that one calls it by.
func manualSection(w io.Writer, name string, cmd *cli.Command) {
	synopsis := strings.TrimSpace(name + " [flags] " + cmd.ArgsUsage)
	fmt.Fprintf(w, "## %s\n\n%s\n\n    %s\n\n", name, cmd.Usage, synopsis)
	fmt.Fprintf(w, "%s\n\n", strings.TrimSpace(cmd.Description))
	flagList(w, cmd.Flags)
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

// cell is text that a Markdown table takes.
func cell(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\n", " "), "|", `\|`)
}
