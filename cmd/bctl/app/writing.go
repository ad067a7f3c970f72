// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"bctl/internal/change"
	"bctl/internal/hint"
)

// WriteFlags are the flags of every command that writes to a device.
func WriteFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "check everything, show what would change, and write nothing"},
		&cli.StringFlag{Name: "undo", Usage: "keep what stood there before in `FILE`; by default a new one in the state directory"},
		&cli.BoolFlag{Name: "no-undo", Usage: "keep nothing"},
	}
}

// Write reads what WriteFlags say.
func (a *Args) Write(io *IO) (change.Options, error) {
	o := change.Options{Command: a.Command(), DryRun: a.Bool("dry-run"), Undo: a.String("undo"), NoUndo: a.Bool("no-undo"), Note: io.Tell}
	switch {
	case a.Given("undo") && o.NoUndo:
		return o, Usagef("--undo contradicts --no-undo")
	case a.Given("undo") && o.Undo == "":
		return o, Usagef("--undo: no file given")
	}
	return o, nil
}

// Tell is Note of a text.
func (io *IO) Tell(text string) { io.Note("%s", text) }

// UndoneBy is the command that takes back what was kept in an undo file.
func UndoneBy(file, device string) string {
	return fmt.Sprintf("bctl undo %s %s", Quote(file), Quote(device))
}

// Quote is a word as a shell takes it.
func Quote(s string) string { return hint.Quote(s) }
