// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"bctl/internal/finding"
)

// Shells are those that completion is written for, and how: from the same flags and commands as help.
var Shells = []struct {
	Name  string
	write func(io.Writer, *grammar)
}{
	{"bash", writeBash},
	{"fish", writeFish},
	{"zsh", writeZsh},
}

const completionDescription = `Writes the completion of bctl for a shell: commands, flags, the values of flags that have few, and devices.

Examples:

    bctl completion bash > /usr/share/bash-completion/completions/bctl
    bctl completion zsh > /usr/share/zsh/vendor-completions/_bctl
    bctl completion fish > /usr/share/fish/vendor_completions.d/bctl.fish
    source <(bctl completion bash)
`

// CompletionCommand is completion, of the commands of tool.
func CompletionCommand(tool func() Tool) *cli.Command {
	return &cli.Command{
		Name:        "completion",
		Usage:       "write the completion of commands and flags for a shell",
		ArgsUsage:   "SHELL",
		Description: completionDescription,
		Action: Action(func(_ context.Context, args *Args, io *IO) error {
			var names []string
			for _, s := range Shells {
				names = append(names, s.Name)
			}
			if err := args.AtMost(1); err != nil {
				return err
			}
			shell := strings.Join(args.Operands(), "")
			if !slices.Contains(names, shell) {
				return WithHint(Usagef("no completion for %q", shell), "bctl completion %s", strings.Join(names, "|"))
			}
			return tool().WriteCompletion(io.Out, shell)
		}),
	}
}

// WriteCompletion writes the completion for a shell of Shells; nothing for others.
func (t Tool) WriteCompletion(w io.Writer, shell string) error {
	out := &output{w: w}
	for _, s := range Shells {
		if s.Name == shell {
			g := newGrammar(t.app())
			for _, n := range t.Names {
				if n.Command != nil {
					g.programs = append(g.programs, programWord(n))
				}
			}
			s.write(out, g)
		}
	}
	return out.err
}

// A grammar is what can be typed.
type grammar struct {
	name     string
	global   []word // flags
	commands []commandWord
	programs []commandWord // other names of the binary, with flags of their own
}

// names are all that the binary answers to.
func (g *grammar) names() []string {
	list := []string{g.name}
	for _, p := range g.programs {
		list = append(list, p.name)
	}
	return list
}

type commandWord struct {
	name, usage string
	flags       []word
	devices     bool     // what stands beside the flags are devices
	operands    []string // the first is one of these
}

// A word is a flag.
type word struct {
	letters, longs []string
	usage, arg     string   // arg is the name of its value, "" if it takes none
	values         []string // that the value is one of, or several with commas
	device         bool     // the value is one
}

func newGrammar(app *cli.App) *grammar {
	g := &grammar{name: app.Name, global: flagWords(app.Flags)}
	for _, c := range app.Commands {
		if c.Hidden {
			continue
		}
		g.commands = append(g.commands, commandWord{c.Name, c.Usage, flagWords(c.Flags), takesDevices(c), operandsOf(c)})
	}
	return g
}

// programWord is what can be typed behind another name of the binary.
func programWord(n Name) commandWord {
	c := n.Command()
	return commandWord{name: n.Name, usage: n.Usage, flags: flagWords(withHelp(c.Flags)), devices: takesDevices(c)}
}

func takesDevices(c *cli.Command) bool {
	return slices.ContainsFunc([]string{"DEV", "CACHE", "BACKING"}, func(what string) bool { return strings.Contains(c.ArgsUsage, what) })
}

// operandsOf are the words that the first operand is one of: shells, finding codes, or verbs, which a command's usage
// begins with.
func operandsOf(c *cli.Command) (list []string) {
	first, _, _ := strings.Cut(c.ArgsUsage, " ")
	switch {
	case first == "SHELL":
		for _, s := range Shells {
			list = append(list, s.Name)
		}
	case strings.HasPrefix(first, "[CODE"):
		for _, family := range finding.Table() {
			for _, row := range family {
				list = append(list, string(row.Code))
			}
		}
	case strings.Contains(first, "|") && first == strings.ToLower(first):
		list = strings.Split(first, "|")
	}
	return list
}

// flagWords are the flags that help shows.
func flagWords(flags []cli.Flag) (words []word) {
	for _, f := range flags {
		if v, ok := f.(cli.VisibleFlag); ok && !v.IsVisible() {
			continue
		}
		doc, ok := f.(cli.DocGenerationFlag)
		if !ok {
			continue
		}
		var w word
		w.usage, w.arg = unquoteUsage(doc)
		w.arg = strings.TrimSpace(w.arg)
		for _, name := range f.Names() {
			if len(name) == 1 {
				w.letters = append(w.letters, name)
			} else {
				w.longs = append(w.longs, name)
			}
		}
		if c, ok := f.(interface{ choices() []string }); ok {
			w.values = c.choices()
		}
		_, w.device = f.(deviceListFlag)
		w.device = w.device || slices.Contains([]string{"DEVICE", "BACKING", "CACHE"}, w.arg)
		words = append(words, w)
	}
	return words
}

// spelled are all spellings of flags, with their dashes; letters only where there is no long one, or all of them.
func spelled(words []word, letters bool) (list []string) {
	for _, w := range words {
		for _, name := range w.longs {
			list = append(list, "--"+name)
		}
		if letters || len(w.longs) == 0 {
			for _, name := range w.letters {
				list = append(list, "-"+name)
			}
		}
	}
	return list
}
