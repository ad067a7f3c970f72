// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"bctl/internal/bcache/ondisk"
)

// Action makes a command's action of a function that knows nothing of cli.
func Action(run func(ctx context.Context, args *Args, io *IO) error) cli.ActionFunc {
	return func(c *cli.Context) error { return run(c.Context, &Args{c}, newIO(c)) }
}

// Args are the operands and flags of a command, as they were given. A command reads all of them into its options
// before it does anything. Every error is a usage error that names the flag, and what it takes.
type Args struct{ c *cli.Context }

// Command is the command's name.
func (a *Args) Command() string { return a.c.Command.Name }

// Operands are what stands beside the flags.
func (a *Args) Operands() []string { return a.c.Args().Slice() }

// Device is the operand of a command that takes exactly one.
func (a *Args) Device() (string, error) {
	if !a.c.Args().Present() {
		return "", a.Wrong("no device given")
	}
	return a.c.Args().First(), a.AtMost(1)
}

// AtMost refuses operands past the first n.
func (a *Args) AtMost(n int) error {
	if a.c.NArg() <= n {
		return nil
	}
	return a.Wrong("extra argument " + strings.Join(a.Operands()[n:], " "))
}

// Wrong is a usage error whose way out is the command's help.
func (a *Args) Wrong(what string) error {
	return WithHint(Usagef("%s", what), "see %s --help", a.c.Command.HelpName)
}

// Given says whether a flag is on the command line.
func (a *Args) Given(flag string) bool { return a.c.IsSet(flag) }

// Bool is a flag that takes no value.
func (a *Args) Bool(flag string) bool { return a.c.Bool(flag) }

// String is a flag's value, or its default.
func (a *Args) String(flag string) string { return a.c.String(flag) }

// Strings are the values of a flag that may be given again.
func (a *Args) Strings(flag string) []string { return a.c.StringSlice(flag) }

// List is the values of a flag that takes several, given again or with commas; otherwise, if there are none.
func (a *Args) List(flag, otherwise string) (list []string) {
	given := a.Strings(flag)
	if len(given) == 0 && a.Given(flag) { // a flag that is given once, with commas
		given = []string{a.String(flag)}
	}
	for _, values := range given {
		list = append(list, strings.Split(values, ",")...)
	}
	if len(list) == 0 && otherwise != "" {
		list = []string{otherwise}
	}
	return list
}

// Refuse refuses the flags among names: they contradict what.
func (a *Args) Refuse(what string, names ...string) error {
	for _, name := range names {
		if a.Given(name) {
			return Usagef("--%s contradicts %s", name, what)
		}
	}
	return nil
}

// RefuseBut refuses all flags of the command but names.
func (a *Args) RefuseBut(what string, names ...string) error {
	for _, f := range a.c.Command.Flags {
		if slices.Contains(names, f.Names()[0]) {
			continue
		}
		if err := a.Refuse(what, f.Names()[0]); err != nil {
			return err
		}
	}
	return nil
}

// Number reads a whole number, if the flag is given.
func (a *Args) Number(flag string, least, most uint64, set func(uint64)) error {
	if !a.Given(flag) {
		return nil
	}
	n, err := strconv.ParseUint(a.String(flag), 10, 64)
	if err != nil || n < least || n > most {
		return badFlag(flag, a.String(flag), "a whole number"+wholeRange(least, most))
	}
	set(n)
	return nil
}

func wholeRange(least, most uint64) string {
	switch {
	case least == 0:
		return " up to " + strconv.FormatUint(most, 10)
	}
	return " from " + strconv.FormatUint(least, 10) + " to " + strconv.FormatUint(most, 10)
}

// Share reads a number from 0 to 1, if the flag is given.
func (a *Args) Share(flag string, to *float64) error {
	if !a.Given(flag) {
		return nil
	}
	v, err := strconv.ParseFloat(a.String(flag), 64)
	if err != nil || !(v >= 0 && v <= 1) {
		return badFlag(flag, a.String(flag), "a number from 0 to 1")
	}
	*to = v
	return nil
}

// Buckets reads A-B, or A alone, if the flag is given.
func (a *Args) Buckets(flag string, first, last *ondisk.Bucket) error {
	if !a.Given(flag) {
		return nil
	}
	x, y, ok := ParseBuckets(a.String(flag))
	if !ok {
		return badFlag(flag, a.String(flag), "a bucket number or a range A-B")
	}
	*first, *last = x, y
	return nil
}

// Sectors reads A-B, or A alone, if the flag is given: sectors of a volume, of which to is the first behind them.
func (a *Args) Sectors(flag string, from, to *ondisk.Sector) error {
	if !a.Given(flag) {
		return nil
	}
	x, y, ok := ParseBuckets(a.String(flag))
	if !ok {
		return badFlag(flag, a.String(flag), "a sector or a range A-B")
	}
	*from, *to = ondisk.Sector(x), ondisk.Sector(min(uint64(y), uint64(ondisk.MaxKeyOffset)-1)+1)
	return nil
}

// badFlag says what a flag's value is not.
func badFlag(flag, value, want string) error {
	return Usagef("%s %q: not %s", FlagName(flag), value, want)
}
