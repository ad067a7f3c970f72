// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// writeHelp writes the help of cmd, or of the app if it is nil. docs.go writes the manual from the same parts.
func writeHelp(w io.Writer, app *cli.App, cmd *cli.Command) error {
	var b bytes.Buffer
	width := widthOf(w)
	if width == 0 {
		width = helpWidth
	}
	width = min(max(width, leastWidth), widestWidth)
	name, usage, args, text, flags := app.Name, app.Usage, app.ArgsUsage, app.Description, app.Flags
	if cmd != nil {
		name, usage, text, flags = app.Name+" "+cmd.Name, cmd.Usage, cmd.Description, cmd.Flags
		args = strings.TrimSpace("[flags] " + cmd.ArgsUsage)
	}
	fmt.Fprintf(&b, "%s - %s\n\nUsage: %s %s\n\n%s", name, fill(strings.Fields(usage), width, len(name)+3, 4), name, args, reflow(text, width))
	if cmd == nil && len(app.Commands) > 0 {
		fmt.Fprint(&b, "\nCommands:\n")
		columns(&b, commandLines(app), width)
	}
	if len(flags) > 0 {
		fmt.Fprint(&b, "\nFlags:\n")
		columns(&b, flagLines(flags), width)
	}
	if cmd != nil {
		title := "Flags of all commands"
		if len(flags) == 0 {
			title = "Flags"
		}
		fmt.Fprintf(&b, "\n%s:\n", title)
		columns(&b, flagLines(app.Flags), width)
	}
	fmt.Fprint(&b, "\nExit codes, as fsck(8)'s:\n")
	columns(&b, exitLines(), width)
	_, err := w.Write(b.Bytes())
	return err
}

// commandLines is a name and a usage for each command that is shown.
func commandLines(app *cli.App) [][2]string {
	var lines [][2]string
	for _, cmd := range app.Commands {
		if !cmd.Hidden {
			lines = append(lines, [2]string{cmd.Name, cmd.Usage})
		}
	}
	return lines
}

// exitLines is the exit table.
func exitLines() [][2]string {
	var lines [][2]string
	for _, e := range exitTable {
		lines = append(lines, [2]string{fmt.Sprintf("%2d", e.code), e.text})
	}
	return lines
}

// flagLines is the spellings and the meaning of each flag that is shown.
func flagLines(flags []cli.Flag) [][2]string {
	var lines [][2]string
	for _, f := range flags {
		if v, ok := f.(cli.VisibleFlag); ok && !v.IsVisible() {
			continue
		}
		doc, ok := f.(cli.DocGenerationFlag)
		if !ok {
			continue
		}
		usage, arg := unquoteUsage(doc)
		if def := strings.Trim(doc.GetDefaultText(), `"`); def != "" && doc.TakesValue() && def != "0" {
			usage += " (default: " + def + ")"
		}
		lines = append(lines, [2]string{spellings(f.Names()) + arg, usage})
	}
	return lines
}

// spellings lists the names of a flag, letters first.
func spellings(names []string) string {
	names = slices.Clone(names)
	slices.SortStableFunc(names, func(a, b string) int { return min(len(a), 2) - min(len(b), 2) })
	for i, name := range names {
		names[i] = FlagName(name)
	}
	s := strings.Join(names, ", ")
	if !strings.HasPrefix(s, "--") {
		return s
	}
	return "    " + s
}

// unquoteUsage takes the value's name, `NAME`, out of a flag's usage text.
func unquoteUsage(doc cli.DocGenerationFlag) (usage, arg string) {
	usage = doc.GetUsage()
	before, rest, ok := strings.Cut(usage, "`")
	name, after, closed := strings.Cut(rest, "`")
	switch {
	case ok && closed:
		return before + name + after, " " + name
	case doc.TakesValue():
		return usage, " VALUE"
	}
	return usage, ""
}

// columns writes pairs in two columns, within total; what is too wide for the first gets a line of its own.
func columns(w io.Writer, lines [][2]string, total int) {
	width := 0
	for _, l := range lines {
		width = max(width, min(len(l[0]), 28, total/3))
	}
	for _, l := range lines {
		if len(l[0]) > width {
			fmt.Fprintf(w, "  %s\n", l[0])
			l[0] = ""
		}
		fmt.Fprintf(w, "  %-*s  %s\n", width, l[0], fill(strings.Fields(l[1]), total, width+4, width+4))
	}
}
