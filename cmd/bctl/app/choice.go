// SPDX-License-Identifier: GPL-2.0-only

package app

import "github.com/urfave/cli/v2"

// Choice is a flag whose value is one of a few, or several of them with commas. Completion proposes them; it is the
// command that refuses others.
func Choice(f *cli.StringFlag, values ...string) cli.Flag { return choiceFlag{f, values} }

// Choices is Choice of a flag that may be given again.
func Choices(f *cli.StringSliceFlag, values ...string) cli.Flag { return choicesFlag{f, values} }

type choiceFlag struct {
	*cli.StringFlag
	values []string
}

type choicesFlag struct {
	*cli.StringSliceFlag
	values []string
}

func (f choiceFlag) choices() []string  { return f.values }
func (f choicesFlag) choices() []string { return f.values }
