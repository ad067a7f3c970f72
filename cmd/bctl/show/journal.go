// SPDX-License-Identifier: GPL-2.0-only

package show

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/inspect"
	"bctl/internal/finding"
	"bctl/internal/ui/render"
	"bctl/superblock"
)

const showJournalDescription = `Shows the journal: the entries that the kernel would replay, oldest first, where each stands, and the buckets that it
leads to (btree root, uuid bucket, head of the prio chain). Nothing but the ring is read.

An entry is the newest (registration starts from it), live (its keys are replayed), unseen (valid, but the kernel does
not find it), old (done with) or damaged (it has the set's magic, and is no valid entry). The last three are shown by
--all.

--rewind lists those of which root, uuid bucket and prio chain can still be read. The cost is what would differ from the
best that can be put together today: extents, and dirty and clean sectors, that would be gone; dirty sectors that were
done with, and would be dirty again; and whether a part of the tree cannot be read, so that nobody knows what was there.

Examples:

    bctl show-journal cache.img
    bctl show-journal --all --json /dev/nvme0n1p3
    bctl show-journal --keys cache.img
    bctl show-journal --rewind --limit 3 cache.img
`

func ShowJournalCommand() *cli.Command {
	return &cli.Command{
		Name:        "show-journal",
		Usage:       "show the journal's entries, their keys, and those to rewind to",
		ArgsUsage:   "DEVICE",
		Description: showJournalDescription,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "keys", Usage: "each key of the entries, as the kernel prints keys"},
			&cli.BoolFlag{Name: "all", Usage: "every entry of the ring, by place: old and damaged ones too"},
			&cli.BoolFlag{Name: "rewind", Usage: "the entries that fsck --rewind can take the cache back to, the newest first, and what each would cost"},
			&cli.StringFlag{Name: "limit", Usage: "with --rewind at most `N` entries (default 8), for each takes a walk through the tree"},
		},
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			o, err := readJournal(args)
			if err != nil {
				return err
			}
			if o.device, err = args.Device(); err != nil {
				return err
			}
			return showJournal(ctx, o, io)
		}),
	}
}

// journalOptions is a command line of show-journal.
type journalOptions struct {
	device    string
	keys, all bool
	rewind    int // how many candidates; 0: none are looked for
}

func showJournal(ctx context.Context, o journalOptions, io *app.IO) error {
	dev, err := app.OpenDevice(io, o.device)
	if err != nil {
		return err
	}
	defer dev.Close()
	s, err := superblock.ReadDevice(dev, dev.Size())
	if err == nil && s.IsBacking() {
		err = fmt.Errorf("a backing device, it has no journal")
	}
	var found finding.Collector
	var ring *inspect.Ring
	if err == nil {
		ring, err = inspect.OpenRing(ctx, dev, s, inspect.Options{Size: dev.Size(), Sink: found.Add})
	}
	if err != nil {
		return fmt.Errorf("%s: %w", o.device, err)
	}
	if o.rewind > 0 {
		err = render.Write(io.Out, io.Format, rewindView(ctx, o, dev, io))
	} else if o.keys {
		err = render.Write(io.Out, io.Format, journalKeysView(o, ring, io))
	} else {
		err = render.Write(io.Out, io.Format, journalView(o, ring, io))
	}
	if err != nil {
		return err
	}
	if n := found.Count(finding.Damage); n > 0 {
		return app.WithHint(app.Damaged("%s: the journal is damaged (%d findings)", o.device, n), "see bctl fsck %s", app.Quote(o.device))
	}
	return nil
}

// journalHead is what both views begin with.
func journalHead(o journalOptions, ring *inspect.Ring) []render.Field {
	head := []render.Field{
		{Key: "device", Value: o.device},
		{Key: "journal_buckets", Value: ring.Geo.NJournal},
		{Key: "first_bucket", Value: ring.Geo.FirstBucket},
	}
	if ring.Log == nil {
		return append(head, render.Field{Name: "journal", Text: "none: the cache was never registered"})
	}
	return head
}

func journalView(o journalOptions, ring *inspect.Ring, io *app.IO) render.View[inspect.JournalRow] {
	return limited(render.View[inspect.JournalRow]{
		Head: journalHead(o, ring), Key: "entries", Rows: ring.Rows(o.all),
		Columns: []render.Column[inspect.JournalRow]{
			{Name: "state", Cell: func(r inspect.JournalRow) string { return r.State }},
			{Name: "seq", Num: true, Int: func(r inspect.JournalRow) uint64 { return r.Seq }},
			{Name: "last_seq", Num: true, Int: func(r inspect.JournalRow) uint64 { return r.LastSeq }},
			{Name: "bucket", Num: true, Int: func(r inspect.JournalRow) uint64 { return uint64(r.Bucket) }},
			{Name: "bucket_offset_sectors", Num: true, Int: func(r inspect.JournalRow) uint64 { return uint64(r.Offset) }},
			{Name: "bytes", Num: true, Int: func(r inspect.JournalRow) uint64 { return uint64(r.Bytes) }},
			{Name: "keys", Num: true, Int: func(r inspect.JournalRow) uint64 { return uint64(r.Keys.Value) }, Has: func(r inspect.JournalRow) bool { return r.Keys.Known }},
			{Name: "root", Num: true, Int: func(r inspect.JournalRow) uint64 { return uint64(r.Root.Value) }, Has: func(r inspect.JournalRow) bool { return r.Root.Known }},
			{Name: "level", Num: true, Int: func(r inspect.JournalRow) uint64 { return uint64(r.Level.Value) }, Has: func(r inspect.JournalRow) bool { return r.Level.Known }},
			{Name: "uuids", Num: true, Int: func(r inspect.JournalRow) uint64 { return uint64(r.UUIDs.Value) }, Has: func(r inspect.JournalRow) bool { return r.UUIDs.Known }},
			{Name: "prios", Num: true, Int: func(r inspect.JournalRow) uint64 { return uint64(r.Prios.Value) }, Has: func(r inspect.JournalRow) bool { return r.Prios.Known }},
			{Name: "trouble", Cell: func(r inspect.JournalRow) string { return r.Trouble }},
		},
	}, 0, io)
}

func journalKeysView(o journalOptions, ring *inspect.Ring, io *app.IO) render.View[inspect.JournalKeyRow] {
	return limited(render.View[inspect.JournalKeyRow]{
		Head: journalHead(o, ring), Key: "keys", Rows: ring.Keys(o.all),
		Columns: []render.Column[inspect.JournalKeyRow]{
			{Name: "seq", Num: true, Int: func(r inspect.JournalKeyRow) uint64 { return r.Seq }},
			{Name: "number", Num: true, Int: func(r inspect.JournalKeyRow) uint64 { return uint64(r.Number) }},
			{Name: "inode", Num: true, Int: func(r inspect.JournalKeyRow) uint64 { return uint64(r.Inode) }},
			{Name: "offset_sectors", Num: true, Int: func(r inspect.JournalKeyRow) uint64 { return uint64(r.Offset) }},
			{Name: "sectors", Num: true, Int: func(r inspect.JournalKeyRow) uint64 { return uint64(r.Size) }},
			{Name: "dirty", Cell: func(r inspect.JournalKeyRow) string { return app.YesNo(r.Dirty) }, Raw: func(r inspect.JournalKeyRow) string { return fmt.Sprint(r.Dirty) }},
			{Name: "key", Cell: func(r inspect.JournalKeyRow) string { return r.Key }},
		},
	}, 0, io)
}
