// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"context"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/change/slots"
	"bctl/internal/finding"
	"bctl/internal/ui/render"
)

const uuidDescription = `Works on the slots of the uuid bucket. A slot's number is the inode that stands in the keys of its volume.

"list" shows them with what the cache holds of each: an invalid slot with dirty sectors is a volume that the kernel
detached although its data were in the cache alone.

"relink" gives such a volume back to its backing device: the slot gets the device's uuid, the device is marked dirty and
of this set, and the kernel reaches the data again. --inode says which slot, if there is more than one with such data.
Where the device was attached again since, it has a new inode: --merge moves the dirty keys there. Where the cache holds
newer data of the same sectors that differ, they are listed and nothing is done, unless --prefer says which stay: old,
those of the detached volume; new; or dirty, the new ones where they are dirty and the old ones where the new are clean,
for those may only have been read from the backing device since, which lacks the old. What was written to the backing device itself while it ran without the cache cannot
be told from what was there before: the old dirty data then lie over it. Clean data of the old inode are dropped.

"purge" empties slots and drops the keys of their inodes, so that the next volume can have them: those of --inode, or
with --leftover every invalid one without dirty data. Dirty data, and flash-only volumes that live, are given up only
with --discard-dirty. What is lost is listed first.

Nothing is written without --yes. Before anything is, a whole fsck checks the devices as they will be; an undo file takes
it back. The backing device is written first: a cut between leaves one that the kernel does not bring up, and the
command is run again.

Examples:

    bctl uuid list /dev/nvme0n1p3
    bctl uuid relink /dev/nvme0n1p3 /dev/sda1
    bctl uuid relink --merge --inode 0 --yes /dev/nvme0n1p3 /dev/sda1
    bctl uuid purge --leftover --yes /dev/nvme0n1p3
    bctl uuid purge --inode 3 --discard-dirty /dev/nvme0n1p3
`

// UUIDCommand is uuid.
func UUIDCommand() *cli.Command {
	return &cli.Command{
		Name:        "uuid",
		Usage:       "list the slots of volumes, link a detached one to its backing device again, purge slots",
		ArgsUsage:   "list|relink|purge CACHE [BACKING]",
		Description: uuidDescription,
		Flags: append([]cli.Flag{
			&cli.StringSliceFlag{Name: "inode", Usage: "the slot with the number `N`; purge takes several"},
			&cli.BoolFlag{Name: "all", Usage: "list empty slots too"},
			&cli.BoolFlag{Name: "merge", Usage: "relink: move the dirty keys to the inode that the device has now"},
			app.Choice(&cli.StringFlag{Name: "prefer", Usage: "relink --merge: where data differ, `WHICH` stay: old, new or dirty"}, "old", "new", "dirty"),
			&cli.BoolFlag{Name: "leftover", Usage: "purge: every invalid slot without dirty data"},
			&cli.BoolFlag{Name: "discard-dirty", Usage: "purge: give up dirty data"},
		}, yesFlags()...),
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o, err := readUUID(args, io)
			if err != nil {
				return err
			}
			switch o.verb {
			case "list":
				return o.list(ctx, io)
			case "relink":
				return o.relink(ctx, io)
			}
			return o.purge(ctx, io)
		}),
	}
}

// yesFlags are those of a command that only plans unless it is told to write.
func yesFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "write it; otherwise it is only planned, proved and shown"},
	}, app.WriteFlags()...)
}

// readYes reads yesFlags.
func readYes(args *app.Args, io *app.IO) (change.Options, error) {
	o, err := args.Write(io)
	switch {
	case err != nil:
	case o.DryRun && args.Bool("yes"):
		err = app.Usagef("--dry-run contradicts --yes")
	}
	o.DryRun = !args.Bool("yes")
	return o, err
}

// uuidOptions is a command line of uuid.
type uuidOptions struct {
	verb, cache, backing string
	inodes               []uint32
	all, merge           bool
	prefer               slots.Prefer
	leftover, discard    bool
	write                change.Options
}

var uuidVerbs = map[string][]string{ // the flags that each takes
	"list":   {"all"},
	"relink": {"inode", "merge", "prefer", "yes", "dry-run", "undo", "no-undo"},
	"purge":  {"inode", "leftover", "discard-dirty", "yes", "dry-run", "undo", "no-undo"},
}

func readUUID(args *app.Args, io *app.IO) (o uuidOptions, err error) {
	names := args.Operands()
	if len(names) == 0 || uuidVerbs[names[0]] == nil {
		return o, args.Wrong("want list, relink or purge, and a cache device")
	}
	o.verb = names[0]
	if err := args.RefuseBut(o.verb, uuidVerbs[o.verb]...); err != nil {
		return o, err
	}
	switch most := map[string]int{"list": 2, "relink": 3, "purge": 2}[o.verb]; {
	case len(names) == 1:
		return o, args.Wrong("no device given")
	case len(names) > most:
		return o, args.AtMost(most)
	case o.verb == "relink" && len(names) < 3:
		return o, args.Wrong("relink wants a cache and a backing device")
	}
	o.cache = names[1]
	if len(names) == 3 {
		o.backing = names[2]
	}
	o.all, o.merge, o.leftover, o.discard = args.Bool("all"), args.Bool("merge"), args.Bool("leftover"), args.Bool("discard-dirty")
	if err := o.readInodes(args); err != nil {
		return o, err
	}
	if o.prefer, err = readPrefer(args, o.merge); err != nil {
		return o, err
	}
	o.write, err = readYes(args, io)
	o.write.Command = "uuid-" + o.verb
	return o, err
}

func readPrefer(args *app.Args, merge bool) (slots.Prefer, error) {
	which, known := map[string]slots.Prefer{"": slots.PreferNeither, "old": slots.PreferOld, "new": slots.PreferNew, "dirty": slots.PreferDirty}[args.String("prefer")]
	switch {
	case !known:
		return which, app.Usagef("--prefer %q: not old, new or dirty", args.String("prefer"))
	case args.Given("prefer") && which == slots.PreferNeither:
		return which, app.Usagef("--prefer \"\": not old, new or dirty")
	case args.Given("prefer") && !merge:
		return which, app.Usagef("--prefer is about --merge")
	}
	return which, nil
}

func (o *uuidOptions) readInodes(args *app.Args) error {
	for _, text := range args.List("inode", "") {
		n, err := app.ParseNumber(text)
		if err != nil || n > ondisk.MaxInode {
			return app.Usagef("--inode %q: not the number of a slot, up to %d", text, ondisk.MaxInode)
		}
		o.inodes = append(o.inodes, uint32(n))
	}
	switch {
	case o.verb == "relink" && len(o.inodes) > 1:
		return app.Usagef("--inode: relink takes one")
	case o.verb == "purge" && len(o.inodes) > 0 && o.leftover:
		return app.Usagef("--inode contradicts --leftover")
	case o.verb == "purge" && len(o.inodes) == 0 && !o.leftover:
		return app.WithHint(app.Usagef("which slots?"), "give --inode N, or --leftover; bctl uuid list shows them")
	}
	return nil
}

func (o *uuidOptions) list(ctx context.Context, io *app.IO) error {
	return app.ShowCache(ctx, o.cache, io, func(c *inspect.Cache) error {
		k := c.Known()
		rows := c.SlotRows(o.all)
		return render.Write(io.Out, io.Format, render.View[inspect.SlotRow]{
			Head: []render.Field{
				{Key: "device", Value: o.cache},
				{Key: "slots", Value: c.Geo.NrUUIDs(), Name: "Slots"},
			},
			Key: "uuids",
			Rows: func(yield func(inspect.SlotRow, error) bool) {
				for _, r := range rows {
					if !yield(r, nil) {
						return
					}
				}
			},
			Columns: slotColumns(k), Limit: -1,
		})
	})
}

// slotColumns are the slots as people read them: show-uuids has more.
func slotColumns(k inspect.Known) []render.Column[inspect.SlotRow] {
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	return []render.Column[inspect.SlotRow]{
		{Name: "inode", Num: true, Int: func(r inspect.SlotRow) uint64 { return uint64(r.Inode) }},
		{
			Name: "state", Has: func(r inspect.SlotRow) bool { return r.State.Known },
			Cell: func(r inspect.SlotRow) string { return slotState(r) },
			Raw:  func(r inspect.SlotRow) string { return r.State.Value },
		},
		{Name: "uuid", Cell: func(r inspect.SlotRow) string { return text(r.UUID) }},
		{Name: "label", Cell: func(r inspect.SlotRow) string { return text(r.Label) }},
		{Name: "clean_sectors", Num: true, Cell: func(r inspect.SlotRow) string { return k.Words(uint64(r.SeenLive - r.SeenDirty)) }},
		{Name: "dirty_sectors", Num: true, Cell: func(r inspect.SlotRow) string { return k.Words(uint64(r.SeenDirty)) }},
	}
}

// slotState is what a slot is, for people.
func slotState(r inspect.SlotRow) string {
	flash := r.FlashOnly != nil && *r.FlashOnly || r.Sectors != nil && *r.Sectors > 0
	switch {
	case r.State.Value == "valid" && flash:
		return "flash-only"
	case r.State.Value == "valid":
		return "live"
	case r.State.Value == "invalid" && flash:
		return "destroyed"
	case r.State.Value == "invalid":
		return "invalidated"
	}
	return r.State.Value
}

// sound refuses a cache that is damaged other than in what this command is about: its tree is going to be made anew.
func sound(name string, found []finding.Finding) error {
	for _, f := range found {
		if f.Severity == finding.Damage && !strings.HasPrefix(string(f.Code), "UU") && !slices.Contains(borne, f.Code) {
			return app.WithHint(app.Damaged("%s is damaged: %s %s", name, f.Code, f.Message), "repair it first: bctl fsck -p %s", app.Quote(name))
		}
	}
	return nil
}

// borne is damage that a rewrite of tree and slots neither needs nor touches.
var borne = []finding.Code{finding.EXPastBacking}
