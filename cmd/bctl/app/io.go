// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/mattn/go-isatty"
	"github.com/urfave/cli/v2"

	"bctl/internal/ui/progress"
	"bctl/internal/ui/render"
)

// IO is where a command's words go, and how they are wanted. A command need not check its writes to Out: the first
// that fails is remembered and becomes the exit code (long work may stop on it).
type IO struct {
	In       io.Reader // standard input
	Out, Err io.Writer // data; and everything else

	Name     string           // of the program, which messages begin with
	Format   render.Format    // --format and --json
	Quiet    bool             // --quiet
	Color    string           // --color: auto, always or never
	Progress progress.Starter // a bar where one belongs; defer Done() on what it starts

	watch *progress.Watch // nil: nobody asks
}

func newIO(c *cli.Context) *IO {
	io := &IO{In: c.App.Reader, Out: c.App.Writer, Err: c.App.ErrWriter, Name: c.App.Name, Format: render.Table, Quiet: c.Bool("quiet"), Color: c.String("color")}
	if f := c.String("format"); f != "" {
		io.Format = render.Format(f)
	}
	if c.Bool("json") {
		io.Format = render.JSON
	}
	io.Progress = progress.Silent
	if !io.Quiet && io.Format == render.Table && IsTerminal(io.Err) {
		io.Progress = progress.On(io.Err)
	}
	io.watch = watchOf(c.Context)
	io.Progress = io.Watched(io.Progress)
	return io
}

// Watched is a Starter of a command's own that answers SIGUSR1 too. Progress does already.
func (io *IO) Watched(s progress.Starter) progress.Starter { return io.watch.Over(s) }

// Note says something that is no error, unless it should be quiet.
func (io *IO) Note(format string, a ...any) {
	if !io.Quiet {
		fmt.Fprintf(io.Err, "%s: %s\n", io.Name, OneLine(fmt.Sprintf(format, a...)))
	}
}

// Colours says whether Out gets colours: --color decides, then NO_COLOR, then whether it is a terminal.
func (io *IO) Colours() bool {
	switch io.Color {
	case "always":
		return true
	case "never":
		return false
	}
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && IsTerminal(io.Out)
}

// Width is how many columns Out has: the terminal's, or $COLUMNS; 0 if nobody knows.
func (io *IO) Width() int { return widthOf(io.Out) }

func widthOf(w io.Writer) int {
	if columns := progress.Width(); columns > 0 && IsTerminal(w) {
		return columns
	}
	columns, _ := strconv.Atoi(os.Getenv("COLUMNS"))
	return max(columns, 0)
}

// IsTerminal says whether w is one; it sees through the writer that Run wraps it in.
func IsTerminal(w io.Writer) bool {
	for out, ok := w.(*output); ok; out, ok = w.(*output) { // demo runs a program in a program
		w = out.w
	}
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// Terminal is the terminal that Out is, if what is typed comes from one too: what a program for the whole screen needs.
// It is nil elsewhere.
func (io *IO) Terminal() *os.File {
	w := io.Out
	for out, ok := w.(*output); ok; out, ok = w.(*output) {
		w = out.w
	}
	f, ok := w.(*os.File)
	if !ok || !isatty.IsTerminal(f.Fd()) || !io.Typed() {
		return nil
	}
	return f
}

// Typed says whether standard input is a terminal, so that somebody would have to type.
func (io *IO) Typed() bool {
	f, ok := io.In.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
