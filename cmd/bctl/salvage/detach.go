// SPDX-License-Identifier: GPL-2.0-only

package salvage

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/internal/change"
	"bctl/internal/disk/blockdev"
	"bctl/internal/finding"
	"bctl/internal/hint"
	"bctl/internal/ui/render"
	"bctl/internal/writeback"
)

const detachDescription = `Takes a backing device from its cache for good, as the kernel does: its superblock no longer names the set, so that it
comes up alone, and its slot in the cache is marked. It is refused while the cache holds dirty data of it, and where the
cache is damaged, so that it cannot be told.

Attached again it gets a new slot, and what the cache holds of it now is not used any more. After a power cut that may be
clean data that the device had not flushed: bctl writeback copies them first.

Examples:

    bctl detach --dry-run /dev/nvme0n1p3 /dev/sdb
    bctl detach /dev/nvme0n1p3 /dev/sdb
`

// DetachCommand is bctl detach.
func DetachCommand() *cli.Command {
	return &cli.Command{
		Name:        "detach",
		Usage:       "take a clean backing device from its cache, without the kernel",
		ArgsUsage:   "CACHE BACKING",
		Description: detachDescription,
		Flags:       app.WriteFlags(),
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o, err := readDetach(args, io)
			if err != nil {
				return err
			}
			return detach(ctx, o, io)
		}),
	}
}

type detachOptions struct {
	cache, backing string
	write          change.Options
}

func readDetach(args *app.Args, io *app.IO) (o detachOptions, err error) {
	names := args.Operands()
	switch {
	case len(names) == 0:
		return o, args.Wrong("no device given")
	case len(names) == 1:
		return o, args.Wrong("no backing device given")
	case len(names) > 2:
		return o, args.AtMost(2)
	}
	o.cache, o.backing = names[0], names[1]
	o.write, err = args.Write(io)
	return o, err
}

func detach(ctx context.Context, o detachOptions, to *app.IO) error {
	cache, err := change.Open(o.cache, o.write)
	if err != nil {
		return err
	}
	defer cache.Close()
	back, err := change.Open(o.backing, o.write, cache)
	if err != nil {
		return err
	}
	defer back.Close()
	var found finding.Collector
	c, err := app.OpenCache(ctx, o.cache, cache, to, &found)
	if err != nil {
		return err
	}
	d, err := writeback.Detach(c, found.Findings(), back, time.Now())
	if err != nil {
		return nameCache(err, o.cache)
	}
	undo, err := change.Run(ctx, o.write, detachStages(ctx, d, cache, back)...)
	if err != nil {
		return err
	}
	return tellDetached(d, o, undo, to)
}

// nameCache puts the cache's name into a way out that was found by who does not know it.
func nameCache(err error, cache string) error {
	return app.WithHint(err, "%s", strings.Replace(hint.Of(err), " CACHE ", " "+app.Quote(cache)+" ", 1))
}

// detachStages are the writes in the kernel's order: a cut between leaves a slot that nobody wants.
func detachStages(ctx context.Context, d *writeback.Detached, cache, back *blockdev.Device) (stages []change.Stage) {
	if d.Backing != nil {
		stages = append(stages, change.Stage{Dev: back, Plan: d.Backing})
	}
	return append(stages, change.Stage{Dev: cache, Plan: d.Cache, Prove: func(after io.ReaderAt) error {
		_, err := repair.Prove(ctx, fsck.Device{Name: cache.Path(), R: cache, Size: cache.Size()}, after, false)
		return err
	}})
}

func tellDetached(d *writeback.Detached, o detachOptions, undo []string, to *app.IO) error {
	did := "detached"
	if o.write.DryRun {
		did = "would be detached"
	}
	devices := []string{o.backing, o.cache}[2-max(len(undo), 1):]
	files := []undoFile{}
	fields := []render.Field{
		{Key: "device", Value: o.backing, Name: "backing"},
		{Key: "cache", Value: o.cache, Name: "cache"},
		{Key: "inode", Value: d.Inode, Name: "volume", Text: fmt.Sprintf("%d, %s", d.Inode, did)},
		{Key: "dry_run", Value: o.write.DryRun},
	}
	for i := len(undo) - 1; i >= 0; i-- { // taken back in the opposite order
		files = append(files, undoFile{undo[i], devices[i]})
		fields = append(fields, render.Field{Name: "to take it back", Text: app.UndoneBy(undo[i], devices[i])})
	}
	return render.WriteFields(to.Out, to.Format, append(fields, render.Field{Key: "undo_files", Value: files}))
}
