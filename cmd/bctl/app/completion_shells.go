// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// writeBash evaluates nothing of what is typed. Where it has no answer bash proposes files.
func writeBash(w io.Writer, g *grammar) {
	var names []string
	for _, c := range g.commands {
		names = append(names, c.name)
	}
	fmt.Fprintf(w, `# bash completion of %[1]s, written by %[1]s completion bash
_%[1]s_devices() {
	local d
	for d in /sys/class/block/*; do
		[[ -e $d ]] && printf '/dev/%%s\n' "${d##*/}"
	done
}
_%[1]s() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} word cmd= at
	local words=%[2]q flags=%[3]q devices= values= verbs=
	case ${COMP_WORDS[0]##*/} in
`, g.name, strings.Join(names, " "), strings.Join(spelled(g.global, false), " "))
	for _, p := range g.programs {
		fmt.Fprintf(w, "\t%s) cmd=%s words= devices=%s flags=%q ;;\n", p.name, p.name, flagOf(p.devices), strings.Join(spelled(p.flags, false), " "))
	}
	fmt.Fprint(w, `	esac
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD-2]}
	fi
	for ((at = 1; at < COMP_CWORD; at++)); do
		[[ -n $cmd ]] && break
		word=${COMP_WORDS[at]}
		case $word in
`)
	for _, c := range g.commands {
		devices := ""
		if c.devices {
			devices = "devices=1 "
		}
		fmt.Fprintf(w, "\t\t%s) cmd=$word words= verbs=%q %sflags+=%q; break ;;\n", c.name, strings.Join(c.operands, " "), devices, strings.Join(append([]string{""}, spelled(c.flags, false)...), " "))
	}
	fmt.Fprint(w, `		esac
	done
	if [[ -n $verbs ]]; then
		for ((at++; at < COMP_CWORD; at++)); do
			[[ ${COMP_WORDS[at]} == -* ]] || verbs=
		done
		[[ -n $verbs ]] && words=$verbs devices=
	fi
	case $cmd:$prev in
`)
	for _, c := range slices.Concat(g.programs, []commandWord{{name: "*", flags: g.global}}, g.commands) {
		bashValues(w, c.name, c.flags)
	}
	bashReply(w, g)
}

// flagOf is a bool as the shells have it.
func flagOf(b bool) string {
	if b {
		return "1"
	}
	return ""
}

// bashReply ends the function: what is proposed of all that was found.
func bashReply(w io.Writer, g *grammar) {
	fmt.Fprintf(w, `	esac
	COMPREPLY=()
	case $values:$cur in
	files:*) return ;;
	devices:*) words= devices=1 ;;
	?*:*) words=$values devices= ;;
	:-*) words=$flags devices= ;;
	esac
	[[ -n $words ]] && COMPREPLY=($(compgen -W "$words" -- "$cur"))
	if [[ -n $devices ]]; then
		case $cur in
		"" | /dev/*) COMPREPLY+=($(compgen -W "$(_%[1]s_devices)" -- "$cur")) ;;
		esac
	fi
}
complete -o bashdefault -o default -F _%[1]s %[2]s
`, g.name, strings.Join(g.names(), " "))
}

// bashValues says what stands behind the flags of a command.
func bashValues(w io.Writer, command string, flags []word) {
	for _, f := range flags {
		values := strings.Join(f.values, " ")
		switch {
		case f.arg == "":
			continue
		case f.device:
			values = "devices"
		case values == "":
			values = "files" // or what nobody can propose
		}
		var patterns []string
		for _, name := range spelled([]word{f}, true) {
			patterns = append(patterns, command+":"+name)
		}
		fmt.Fprintf(w, "\t%s) values=%q ;;\n", strings.Join(patterns, " | "), values)
	}
}

func writeZsh(w io.Writer, g *grammar) {
	fmt.Fprintf(w, `#compdef %[2]s
# zsh completion of %[1]s, written by %[1]s completion zsh
_%[1]s_devices() {
	local -a devices
	devices=(/sys/class/block/*(N:t))
	_alternative 'devices:block device:compadd -p /dev/ -a devices' 'files:file:_files'
}
_%[1]s() {
	local -a global commands own
	local at=2 cmd=
	case $service in
`, g.name, strings.Join(g.names(), " "))
	for _, p := range g.programs {
		fmt.Fprintf(w, "\t%s)\n\t\town=(\n", p.name)
		zshFlags(w, "\t\t\t", g.name, p.flags)
		if p.devices {
			fmt.Fprintf(w, "\t\t\t'*:device:_%s_devices'\n", g.name)
		}
		fmt.Fprint(w, "\t\t)\n\t\t_arguments -S $own\n\t\treturn ;;\n")
	}
	fmt.Fprint(w, `	esac
	global=(
`)
	zshFlags(w, "\t\t", g.name, g.global)
	fmt.Fprint(w, "\t)\n\tcommands=(\n")
	for _, c := range g.commands {
		fmt.Fprintf(w, "\t\t%s\n", quoteZsh(c.name+":"+strings.ReplaceAll(c.usage, ":", `\:`)))
	}
	fmt.Fprint(w, `	)
	while (( at < CURRENT )) && [[ $words[at] == -* ]]; do (( at++ )); done
	(( at < CURRENT )) && cmd=$words[at]
	case $cmd in
`)
	for _, c := range g.commands {
		fmt.Fprintf(w, "\t%s)\n\t\town=(\n", c.name)
		zshFlags(w, "\t\t\t", g.name, c.flags)
		if len(c.operands) > 0 {
			fmt.Fprintf(w, "\t\t\t'1:operand:(%s)'\n", strings.Join(c.operands, " "))
		}
		if c.devices {
			fmt.Fprintf(w, "\t\t\t'*:device:_%s_devices'\n", g.name)
		}
		fmt.Fprint(w, "\t\t) ;;\n")
	}
	fmt.Fprintf(w, `	*)
		_arguments $global
		_describe command commands
		return ;;
	esac
	words=("${(@)words[at,-1]}")
	(( CURRENT -= at - 1 ))
	_arguments -S $global $own
}
_%s "$@"
`, g.name)
}

// zshFlags writes what _arguments takes: '(-J --json)'{-J,--json}'[usage]:value:action'.
func zshFlags(w io.Writer, indent, program string, flags []word) {
	for _, f := range flags {
		message := strings.ReplaceAll(f.arg, ":", `\:`)
		names := spelled([]word{f}, true)
		text := "[" + strings.NewReplacer("[", `\[`, "]", `\]`).Replace(f.usage) + "]"
		switch {
		case f.arg == "":
		case f.device:
			text += ":" + message + ":_" + program + "_devices"
		case len(f.values) > 0:
			text += ":" + message + ":(" + strings.Join(f.values, " ") + ")"
		default:
			text += ":" + message + ":_files"
		}
		for _, name := range names {
			if f.arg != "" && strings.HasPrefix(name, "--") {
				name += "="
			} else if f.arg != "" {
				name += "+"
			}
			fmt.Fprintf(w, "%s%s\n", indent, quoteZsh("("+strings.Join(names, " ")+")"+name+text))
		}
	}
}

func quoteZsh(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
