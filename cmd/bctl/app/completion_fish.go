// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"fmt"
	"io"
	"strings"
)

// writeFish: of /dev only block devices are proposed, and the folders in it; elsewhere files.
func writeFish(w io.Writer, g *grammar) {
	fmt.Fprintf(w, `# fish completion of %[1]s, written by %[1]s completion fish
function __%[1]s_devices
	set -l typed (commandline -ct)
	if string match -qr '^/dev/[^/]*/' -- $typed; or not string match -q '/dev*' -- $typed
		__fish_complete_path $typed
	end
	for d in /sys/class/block/*
		echo /dev/(string split -r -m1 / $d)[2]
	end
	string match -q '/dev*' -- $typed; and printf '%%s\n' /dev/*/
end
`, g.name)
	for _, f := range g.global {
		fishFlag(w, g.name, g.name, "", f)
	}
	for _, c := range g.commands {
		fishCommand(w, g.name, c)
	}
	for _, p := range g.programs {
		if p.devices {
			fmt.Fprintf(w, "complete -c %s -f -a '(__%s_devices)'\n", p.name, g.name)
		}
		for _, f := range p.flags {
			fishFlag(w, g.name, p.name, "", f)
		}
	}
}

// fishCommand writes a command: its name, what stands behind it, and its flags.
func fishCommand(w io.Writer, tool string, c commandWord) {
	fmt.Fprintf(w, "complete -c %s -n __fish_use_subcommand -f -a %s -d %s\n", tool, c.name, quoteFish(c.usage))
	within := "__fish_seen_subcommand_from " + c.name
	words := strings.Join(c.operands, " ")
	if c.devices {
		only := within
		if len(c.operands) > 0 { // behind the verb
			only += "; and __fish_seen_subcommand_from " + words
		}
		fmt.Fprintf(w, "complete -c %s -n '%s' -f -a '(__%s_devices)'\n", tool, only, tool)
	}
	if len(c.operands) > 0 {
		fmt.Fprintf(w, "complete -c %s -n '%s; and not __fish_seen_subcommand_from %s' -f -a %s\n", tool, within, words, quoteFish(words))
	}
	for _, f := range c.flags {
		fishFlag(w, tool, tool, " -n '"+within+"'", f)
	}
}

// fishFlag writes a flag of a program, under a condition.
func fishFlag(w io.Writer, tool, program, condition string, f word) {
	line := "complete -c " + program + condition
	for _, name := range f.letters {
		line += " -s " + name
	}
	for _, name := range f.longs {
		line += " -l " + name
	}
	switch {
	case f.arg == "":
	case f.device:
		line += " -x -a '(__" + tool + "_devices)'"
	case len(f.values) > 0:
		line += " -x -a " + quoteFish(strings.Join(f.values, " "))
	default:
		line += " -r -F"
	}
	fmt.Fprintf(w, "%s -d %s\n", line, quoteFish(f.usage))
}

func quoteFish(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
