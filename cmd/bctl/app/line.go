// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"flag"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
	"github.com/xrash/smetrics"
)

// cli stops reading flags at the first operand, takes -nfv for one flag and lets the last of two values win. So
// the command line is read here, as getopt_long reads it, and cli gets what it cannot misread:
//
//	bctl --global=value ... COMMAND --flag=value ... -- OPERAND ...

// A deviceListFlag takes all operands that follow it, up to the next one of its kind: make-bcache's
// `-C /dev/a -B /dev/b /dev/c`. Its value is c.StringSlice(name).
type deviceListFlag struct{ *cli.StringSliceFlag }

// DeviceList is a flag that takes all operands that follow it, up to the next one of its kind. Its value is
// c.StringSlice(name).
func DeviceList(name, alias, usage string) cli.Flag {
	return deviceListFlag{&cli.StringSliceFlag{Name: name, Aliases: []string{alias}, Usage: usage, KeepSpace: true}}
}

// Apply tells cli the first name alone: for the others it would copy the paths by way of JSON, which mangles those
// that are no UTF-8.
func (f deviceListFlag) Apply(set *flag.FlagSet) error {
	bare := *f.StringSliceFlag
	bare.Aliases = nil
	return bare.Apply(set)
}

// An option is what the line reader knows of a cli.Flag.
type option struct {
	names  []string // the first is the one cli is told
	value  bool     // takes one
	list   bool     // may be given again
	devs   bool     // deviceListFlag
	global bool
}

func newOption(f cli.Flag, global bool) *option {
	o := &option{names: f.Names(), global: global}
	if doc, ok := f.(cli.DocGenerationFlag); ok {
		o.value = doc.TakesValue()
	}
	if slice, ok := f.(cli.DocGenerationSliceFlag); ok {
		o.list = slice.IsSliceFlag()
	}
	_, o.devs = f.(deviceListFlag)
	return o
}

// FlagName is a flag as people type it.
func FlagName(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// A line is a command line that has been read.
type line struct {
	cmd      *cli.Command // nil: none was named
	global   []string     // --flag=value before the command's name
	local    []string     // and after it
	operands []string
	seen     map[*option][]string // the values; "" of a flag that takes none

	app     *cli.App
	options []*option // the command's come first, and hide the app's
	devs    *option   // the deviceListFlag that operands go to
}

// parseLine reads the arguments after argv[0]. All errors are usageErrors.
func parseLine(app *cli.App, args []string) (*line, error) {
	l := &line{app: app, seen: map[*option][]string{}}
	for _, f := range app.Flags {
		l.options = append(l.options, newOption(f, true))
	}
	for len(args) > 0 {
		var err error
		if args, err = l.next(args); err != nil {
			return nil, err
		}
	}
	for o, values := range l.seen {
		if o.devs && len(values) == 0 && !l.given("help") {
			return nil, Usagef("%s: no device given", FlagName(o.names[0]))
		}
	}
	return l, nil
}

// next reads what args begins with and returns the rest.
func (l *line) next(args []string) ([]string, error) {
	arg, rest := args[0], args[1:]
	switch {
	case arg == "--":
		for _, operand := range rest {
			if err := l.operand(operand); err != nil {
				return nil, err
			}
		}
		return nil, nil
	case strings.HasPrefix(arg, "--"):
		return l.long(arg[2:], rest)
	case len(arg) > 1 && arg[0] == '-':
		return l.short(arg[1:], rest)
	}
	return rest, l.operand(arg)
}

// operand takes one: it is the command's name, a device of a deviceListFlag, or an argument.
func (l *line) operand(arg string) error {
	switch {
	case l.cmd == nil && l.app.Commands != nil:
		return l.command(arg)
	case l.devs != nil:
		return l.set(l.devs, l.devs.names[0], arg)
	}
	l.operands = append(l.operands, arg)
	return nil
}

// command enters a command, whose flags are known from here on. "help" is none: it asks for --help of the next. Nor is
// "version".
func (l *line) command(name string) error {
	if name == "help" || name == "version" {
		l.seen[l.find(name)[0]] = []string{""}
		return nil
	}
	l.cmd = l.app.Command(name)
	if l.cmd == nil {
		return WithHint(Usagef("unknown command %s", name), "%s", l.meant(name))
	}
	var own []*option
	for _, f := range l.cmd.Flags {
		own = append(own, newOption(f, false))
	}
	l.options = append(own, l.options...)
	return nil
}

// meant is what somebody meant who typed the name of no command.
func (l *line) meant(name string) string {
	if hint := meantOf(l.app)[name]; hint != "" {
		return hint
	}
	var names []string
	for _, c := range l.app.VisibleCommands() {
		names = append(names, c.Name)
	}
	other := meantOf(l.app)
	near := nearest(name, slices.Concat(names, slices.Sorted(maps.Keys(other))))
	if hint := other[near]; hint != "" {
		return hint
	}
	return didYouMean(name, names)
}

// long reads --name, --name=value, or --name and the value in rest.
func (l *line) long(arg string, rest []string) ([]string, error) {
	name, value, attached := strings.Cut(arg, "=")
	o, err := l.choose(name)
	if err != nil {
		return nil, err
	}
	name = "--" + name
	switch {
	case o.devs && attached:
		l.devs = o
		return rest, l.set(o, name, value)
	case o.devs:
		return rest, l.collect(o)
	case !o.value && attached:
		return nil, Usagef("%s takes no value", name)
	case !o.value:
		return rest, l.set(o, name, "")
	case attached:
		return rest, l.set(o, name, value)
	case len(rest) == 0:
		return nil, Usagef("%s needs a value", name)
	}
	return rest[1:], l.set(o, name, rest[0])
}

// short reads a bundle, -nfv, whose last flag may have its value attached, -b512k, or in rest.
func (l *line) short(bundle string, rest []string) ([]string, error) {
	for tail := bundle; tail != ""; {
		_, n := utf8.DecodeRuneInString(tail) // what is no UTF-8 is a letter of one byte
		letter := tail[:n]
		tail = tail[n:]
		name, found := "-"+letter, l.find(letter)
		if len(found) == 0 {
			return nil, WithHint(Usagef("unknown flag %s", name), "%s", l.longHint(bundle))
		}
		o := found[0]
		var err error
		switch {
		case o.devs:
			err = l.collect(o)
		case !o.value:
			err = l.set(o, name, "")
		case strings.HasPrefix(tail, "="): // getopt would make the = part of the value
			return nil, WithHint(Usagef("%s: the value comes without =", name+tail), "write %s %s", name, tail[1:])
		case tail != "":
			return rest, l.set(o, name, tail)
		case len(rest) == 0:
			return nil, Usagef("%s needs a value", name)
		default:
			return rest[1:], l.set(o, name, rest[0])
		}
		if err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// longHint helps those who write -json for --json.
func (l *line) longHint(bundle string) string {
	name, _, _ := strings.Cut(bundle, "=")
	if len(name) > 1 && len(l.find(name)) > 0 {
		return "did you mean --" + bundle + "?"
	}
	return ""
}

// collect lets o take the operands that follow.
func (l *line) collect(o *option) error {
	l.devs = o
	l.seen[o] = append(l.seen[o], []string{}...)
	return nil
}

// set gives o a value, or tells that it has another one already.
func (l *line) set(o *option, name, value string) error {
	if before, again := l.seen[o]; again && !o.list {
		if before[0] != value {
			return Usagef("%s is given twice: %s and %s", name, before[0], value)
		}
		return nil
	}
	l.seen[o] = append(l.seen[o], value)
	word := "--" + o.names[0]
	if o.value {
		word += "=" + value
	}
	if o.global {
		l.global = append(l.global, word)
	} else {
		l.local = append(l.local, word)
	}
	return nil
}

// find returns the options of exactly that name, the command's first.
func (l *line) find(name string) []*option {
	var found []*option
	for _, o := range l.options {
		if slices.Contains(o.names, name) {
			found = append(found, o)
		}
	}
	return found
}

// choose finds the option of a long name or of an unambiguous beginning of one.
func (l *line) choose(name string) (*option, error) {
	if found := l.find(name); len(found) > 0 && len(name) > 1 {
		return found[0], nil
	}
	var begin, all []string
	var match []*option
	for _, o := range l.options {
		for _, long := range o.names {
			if len(long) == 1 || l.find(long)[0] != o {
				continue
			}
			all = append(all, "--"+long)
			if name == "" || !strings.HasPrefix(long, name) {
				continue
			}
			begin = append(begin, "--"+long)
			if !slices.Contains(match, o) {
				match = append(match, o)
			}
		}
	}
	switch len(match) {
	case 0:
		return nil, WithHint(Usagef("unknown flag --%s", name), "%s", didYouMean("--"+name, all))
	case 1:
		return match[0], nil
	}
	return nil, Usagef("--%s is ambiguous: %s", name, strings.Join(begin, ", "))
}

// given says whether a flag is on the line.
func (l *line) given(name string) bool {
	for o := range l.seen {
		if o.names[0] == name {
			return true
		}
	}
	return false
}

// value is the value of a flag that is on the line, or "".
func (l *line) value(name string) string {
	for o, values := range l.seen {
		if o.names[0] == name && len(values) > 0 {
			return values[len(values)-1]
		}
	}
	return ""
}

// argv is the line as cli is to read it.
func (l *line) argv(name string) []string {
	argv := append([]string{name}, l.global...)
	if l.cmd != nil {
		argv = append(argv, l.cmd.Name)
		argv = append(argv, l.local...)
	}
	if l.cmd != nil || l.app.Commands == nil {
		argv = append(append(argv, "--"), l.operands...)
	}
	return argv
}

// didYouMean proposes the nearest of names, or all that begin so.
func didYouMean(typed string, names []string) string {
	if near := nearest(typed, names); near != "" {
		return "did you mean " + near + "?"
	}
	var begin []string
	for _, name := range names {
		if letters := strings.TrimLeft(typed, "-"); len(letters) > 2 && strings.HasPrefix(name, typed) {
			begin = append(begin, name)
		}
	}
	if len(begin) == 0 {
		return ""
	}
	return "did you mean " + strings.Join(begin, ", ") + "?"
}

// nearest is the name that two slips at most turn into what was typed, or one slip if only the beginning was typed; "" if
// none is.
func nearest(typed string, names []string) (best string) {
	letters := len(strings.TrimLeft(typed, "-"))
	distance := min(3, (letters+1)/2)
	for _, name := range names {
		if d := smetrics.WagnerFischer(typed, name, 1, 1, 1); d < distance && d < len(strings.TrimLeft(name, "-")) {
			best, distance = name, d
		}
	}
	for _, name := range names {
		for n := max(len(typed)-1, 4); best == "" && letters > 3 && n <= min(len(typed)+1, len(name)); n++ {
			if smetrics.WagnerFischer(typed, name[:n], 1, 1, 1) == 1 {
				best = name
			}
		}
	}
	return best
}
