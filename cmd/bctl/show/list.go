// SPDX-License-Identifier: GPL-2.0-only

package show

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/inspect/sets"
	"bctl/internal/bcache/journal"
	"bctl/internal/bcache/uuids"
	"bctl/internal/disk"
	"bctl/internal/disk/blockdev"
	"bctl/internal/finding"
	"bctl/internal/ui/render"
	"bctl/superblock"
)

const listDescription = `Shows the bcache devices of this host, or of the devices and files that are given, as sets: the cache, the backing
devices that belong to it, flash-only volumes, and what is missing, with its uuid. It only reads: superblocks, and of a
cache that the kernel does not have the journal, the slots and the btree, for these say how much is dirty. With --quick
the btree is left alone, and how much is dirty is unknown. Of a device that the kernel runs, it is the kernel's word.

A backing device in state none belongs to no set: it can be used alone.

Examples:

    bctl list
    bctl list cache.img back.img
    bctl list --json-lines | jq -r 'select(.missing) | .uuid'
`

// ListCommand is list.
func ListCommand() *cli.Command {
	return &cli.Command{
		Name:        "list",
		Aliases:     []string{"scan"},
		Usage:       "show the bcache devices of the host, which belong together, and what is missing",
		ArgsUsage:   "[DEVICE...]",
		Description: listDescription,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "quick", Usage: "read no btree: how much is dirty stays unknown"},
			&cli.BoolFlag{Name: "json-lines", Usage: "write a JSON object a line, one for each device"},
		},
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o := listOptions{names: args.Operands(), quick: args.Bool("quick"), lines: args.Bool("json-lines")}
			if o.lines && io.Format != render.Table {
				return app.Usagef("--json-lines contradicts --format %s", io.Format)
			}
			return list(ctx, o, io)
		}),
	}
}

// listOptions is a command line of list.
type listOptions struct {
	names []string // none: the host's
	quick bool
	lines bool
}

func list(ctx context.Context, o listOptions, io *app.IO) error {
	l := &lister{ctx: ctx, o: o, io: io}
	if err := l.find(); err != nil {
		return err
	}
	groups := sets.Group(l.found)
	if err := l.write(groups); err != nil {
		return err
	}
	switch {
	case len(l.unread) > 0 && len(l.found) == 0 && len(o.names) == 0:
		return fmt.Errorf("no bcache devices found, but %d could not be read, the first: %w", len(l.unread), l.unread[0])
	case len(l.unread) > 0:
		return fmt.Errorf("%d devices could not be read, the first: %w", len(l.unread), l.unread[0])
	case l.damaged != "":
		return app.WithHint(app.Damaged("%s is damaged", l.damaged), "see bctl fsck %s", app.Quote(l.damaged))
	case len(l.found) == 0:
		io.Note("no bcache devices found")
	}
	return nil
}

type lister struct {
	ctx     context.Context
	o       listOptions
	io      *app.IO
	found   []sets.Device
	unread  []error
	damaged string // the first that is
}

// find reads the devices that were named, or those of the host that are bcache's.
func (l *lister) find() error {
	if len(l.o.names) > 0 {
		for i, name := range l.o.names {
			if slices.Contains(l.o.names[:i], name) {
				return app.Usagef("%s is named twice", name)
			}
		}
		for _, name := range l.o.names {
			if err := l.read(name); err != nil {
				return err
			}
		}
		return nil
	}
	nodes, err := disk.List()
	if err != nil {
		return err
	}
	for _, n := range nodes {
		err := l.read(n.Path)
		switch {
		case l.ctx.Err() != nil:
			return err
		case errors.Is(err, superblock.ErrNotBcache):
		case err != nil:
			l.unread = append(l.unread, err)
		}
	}
	l.dropLower(nodes)
	return nil
}

// dropLower leaves out what only shows through: a path of a multipath device, a half of a mirror.
func (l *lister) dropLower(nodes []blockdev.Node) {
	below := map[string][]string{}
	for _, n := range nodes {
		below[n.Path] = n.Below
	}
	l.found = slices.DeleteFunc(l.found, func(lower sets.Device) bool {
		return slices.ContainsFunc(l.found, func(upper sets.Device) bool {
			return upper.Super != nil && lower.Super.UUID == upper.Super.UUID && slices.Contains(below[upper.Name], lower.Name)
		})
	})
}

// read reads one device. Errors: it cannot be read, or is none of bcache's.
func (l *lister) read(name string) error {
	dev, err := disk.Open(name)
	if err != nil {
		return err
	}
	defer dev.Close()
	d := sets.Device{Name: name, Kernel: disk.Registered(dev)}
	if len(l.o.names) > 0 {
		d.Super, err = superblock.ReadDevice(dev, dev.Size())
	} else {
		d.Super, err = superblock.Read(dev)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	faults := superblock.Unrecognised(d.Super)
	if len(faults) > 0 {
		d.Trouble = "superblock: " + faults[0].Error()
	} else if !d.Super.IsBacking() {
		err = l.inside(&d, dev)
	}
	if d.Trouble != "" && l.damaged == "" {
		l.damaged = name
	}
	l.found = append(l.found, d)
	return err
}

// inside reads what a cache holds, or the slots alone. Errors: the context's.
func (l *lister) inside(d *sets.Device, dev disk.Device) error {
	if l.o.quick || d.Kernel != nil { // what the kernel runs is changing
		d.Inside.Slots, d.Inside.Named = slots(dev, d)
		return nil
	}
	var found finding.Collector
	c, err := app.OpenCache(l.ctx, d.Name, dev, l.io, &found)
	switch n := found.Count(finding.Damage); {
	case l.ctx.Err() != nil:
		return l.ctx.Err()
	case err != nil:
		d.Trouble = err.Error()
		return nil
	case n > 0:
		d.Trouble = "damaged: " + app.Plural(n, "finding") + " of damage"
	}
	d.Inside = sets.Of(c)
	return nil
}

// slots reads the uuid bucket that the newest journal entry leads to. A cache that was never registered has none.
func slots(dev disk.Device, d *sets.Device) (uuids.Table, bool) {
	if !d.Super.Sync() {
		return nil, true
	}
	g, err := superblock.NewGeometry(d.Super)
	if err != nil {
		return nil, false
	}
	log, err := journal.Scan(dev, &g, 2, func(finding.Finding) {})
	if err != nil || journal.UUIDFault(&g, &log.Newest.UUIDBucket.Bkey) != "" {
		return nil, false
	}
	t, err := uuids.Read(dev, &g, log.Newest.UUIDBucket.Ptr[0].Offset(), log.Newest.Version)
	return t, err == nil
}

// write shows the sets in the form that is asked for.
func (l *lister) write(groups []sets.Set) error {
	switch {
	case l.o.lines:
		enc := json.NewEncoder(l.io.Out)
		enc.SetEscapeHTML(false)
		for _, s := range groups {
			for _, r := range s.Rows {
				if err := enc.Encode(r); err != nil {
					return err
				}
			}
		}
		return nil
	case l.io.Format == render.Table:
		return writeSets(l.io.Out, groups)
	}
	return render.WriteRefs(l.io.Out, l.io.Format, l.view(groups))
}
