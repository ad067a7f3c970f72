// SPDX-License-Identifier: GPL-2.0-only

// Package explore is the command that shows a cache on a whole terminal: its set, buckets, btree nodes, keys and what
// fsck finds, as lists to walk through.
//
//	contents.go  what was read of the devices, and what is read when somebody looks: nodes, keys, what is in a bucket
//	list.go      rows that scroll; they are made when they are shown
//	lists.go     the lists of the views; pages.go: what is behind a row
//	model.go     what a key does; search.go: the prompt
//	draw.go      the screen, from the model alone
//
// The model does no I/O: what reads is handed to bubbletea as commands, and comes back as messages. This package owns
// bubbletea.
package explore

import (
	"context"
	"errors"
	"fmt"
	"os"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
	"bctl/internal/disk"
	"bctl/internal/ui/render"
	"bctl/superblock"
)

const description = `Shows a cache on the whole terminal: its set, all buckets, the btree's nodes, the keys of all volumes, and what fsck finds.
Enter opens what is behind a row: a node's keys, what stands in a bucket, a finding's explanation. The devices are only
read. The cache is checked while the screen is up already; nodes and keys are read when they are looked at.

    tab, 1 to 5        the views: sets, buckets, nodes, keys, findings
    up, down, j, k     a row; page up, page down, home, end
    enter, esc         into a row, and back
    /, n               look for text, a bucket's number, or a key INODE:SECTOR; the next one
    ?, q               help, and the end

Examples:

    bctl explore cache.img
    bctl explore /dev/nvme0n1p3 /dev/sda1
`

// ExploreCommand is explore.
func ExploreCommand() *cli.Command {
	return &cli.Command{
		Name:        "explore",
		Usage:       "look through a cache on the whole terminal",
		ArgsUsage:   "DEVICE [BACKING...]",
		Description: description,
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			names := args.Operands()
			if len(names) == 0 {
				return args.Wrong("no device given")
			}
			return explore(ctx, names, io)
		}),
	}
}

// explore runs until somebody leaves. What the check found decides the exit code, as it does for commands that print.
func explore(ctx context.Context, names []string, io *app.IO) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	devs, closeAll, err := app.OpenDevices(io, names, nil)
	defer closeAll()
	if err != nil {
		return err
	}
	for _, d := range devs {
		if _, err := superblock.ReadDevice(d.R, d.Size); err != nil && len(devs) == 1 {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
	}
	screen, err := terminal(io)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	m := newModel(ctx, setup{name: devs[0].Name, colours: io.Colours(), note: inUse(devs), read: func(g *gauge) (*contents, error) { return readAll(ctx, devs, g.start) }})
	profile := colorprofile.ASCII
	if io.Colours() {
		profile = colorprofile.ANSI
	}
	defer app.TakeScreen(ctx)()
	// Signals end the context, as those of every command do; our own panics end here.
	_, err = tea.NewProgram(m, tea.WithContext(ctx), tea.WithoutSignalHandler(), tea.WithInput(io.In), tea.WithOutput(screen), tea.WithColorProfile(profile)).Run()
	stop()
	m.wait()
	if err != nil {
		return err
	}
	return m.outcome()
}

// terminal is where the screen is drawn.
func terminal(io *app.IO) (*os.File, error) {
	screen := io.Terminal()
	switch {
	case io.Format != render.Table:
		return nil, app.WithHint(app.Usagef("explore draws on a terminal: it contradicts --format %s", io.Format), otherWays)
	case screen == nil:
		return nil, app.WithHint(app.Usagef("explore needs a terminal, for what it draws and for what is typed"), otherWays)
	case os.Getenv("TERM") == "dumb" || os.Getenv("TERM") == "":
		return nil, app.WithHint(app.Usagef("explore needs a terminal that can move its cursor, and TERM is %q", os.Getenv("TERM")), otherWays)
	}
	return screen, nil
}

const otherWays = "bctl show-buckets, show-btree, show-extents and fsck print the same; bctl report makes a page for a browser"

// inUse is what is to be said of devices that change while they are looked at.
func inUse(devs []fsck.Device) string {
	for _, d := range devs {
		if dev, ok := d.R.(disk.Device); ok {
			if note := disk.Note(dev); note != "" {
				return note
			}
		}
	}
	return ""
}

// outcome is what the command ends with.
func (m *model) outcome() error {
	switch {
	case m.interrupted:
		return context.Canceled
	case m.failed != nil && !errors.Is(m.failed, context.Canceled):
		return fmt.Errorf("%s: %w", m.o.name, m.failed)
	case m.all != nil && m.all.report.Result == fsck.Damaged:
		return app.WithHint(app.Damaged("%s is damaged", m.o.name), "see bctl fsck %s", app.Quote(m.o.name))
	}
	return nil
}
