// SPDX-License-Identifier: GPL-2.0-only

package show

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/ui/render"
)

const showUUIDsDescription = `Shows the slots of the uuid bucket that were ever used. A slot's number is the inode that stands in the keys of its
volume. A detached device leaves an invalid slot, which is never used again: what the cache still holds of it is shown
beside it. Slots that are empty are shown only if keys name them, or with --all.

Examples:

    bctl show-uuids cache.img
    bctl show-uuids --all --json /dev/nvme0n1p3
`

// ShowUUIDsCommand is show-uuids.
func ShowUUIDsCommand() *cli.Command {
	return &cli.Command{
		Name:        "show-uuids",
		Usage:       "show the slots of the uuid bucket: which volume is which inode",
		ArgsUsage:   "DEVICE",
		Description: showUUIDsDescription,
		Flags:       []cli.Flag{&cli.BoolFlag{Name: "all", Usage: "empty slots too"}},
		Action: app.Action(func(ctx context.Context, args *app.Args, io *app.IO) error {
			path, err := args.Device()
			if err != nil {
				return err
			}
			return app.ShowCache(ctx, path, io, func(cache *inspect.Cache) error {
				return render.Write(io.Out, io.Format, uuidView(path, cache, args.Bool("all")))
			})
		}),
	}
}

func uuidView(path string, cache *inspect.Cache, all bool) render.View[inspect.SlotRow] {
	k := cache.Known()
	var bucket any
	if cache.Journal != nil && cache.Journal.Newest != nil && cache.UUIDs != nil {
		bucket = cache.Geo.BucketOf(cache.Journal.Newest.UUIDBucket.Ptr[0].Offset())
	}
	free := inspect.If(cache.UUIDs != nil || cache.Journal == nil && k.Names, cache.Geo.NrUUIDs()-len(cache.UUIDs)+cache.UUIDs.Count(uuids.Empty))
	rows := cache.SlotRows(all)
	return render.View[inspect.SlotRow]{
		Head: append([]render.Field{
			{Key: "device", Value: path},
			{Key: "bucket", Value: bucket},
			{Key: "slots", Value: cache.Geo.NrUUIDs(), Name: "Slots"},
			{Key: "free", Value: free, Name: "Free", Text: free.String()},
		}, knownFields(cache, k.All(), inspect.Everything)...),
		Key: "uuids",
		Rows: func(yield func(inspect.SlotRow, error) bool) {
			for i := range rows {
				if !yield(rows[i], nil) {
					return
				}
			}
		},
		Columns: uuidColumns(k),
		Limit:   -1,
	}
}

func uuidColumns(k inspect.Known) []render.Column[inspect.SlotRow] {
	reg := func(name string, of func(inspect.SlotRow) *uint32) render.Column[inspect.SlotRow] {
		return render.Column[inspect.SlotRow]{
			Name: name,
			Cell: func(r inspect.SlotRow) string { return dayText(of(r)) },
			Raw:  func(r inspect.SlotRow) string { return numberText(of(r)) },
		}
	}
	seen := func(name string, sum func(inspect.SlotRow) ondisk.Sector, is func(inspect.SlotRow) inspect.Maybe[ondisk.Sector]) render.Column[inspect.SlotRow] {
		return render.Column[inspect.SlotRow]{
			Name: name, Num: true,
			Cell: func(r inspect.SlotRow) string { return k.Words(uint64(sum(r))) },
			Raw:  func(r inspect.SlotRow) string { return rawOf(is(r)) },
		}
	}
	return []render.Column[inspect.SlotRow]{
		{Name: "inode", Num: true, Int: func(r inspect.SlotRow) uint64 { return uint64(r.Inode) }},
		{Name: "state", Cell: func(r inspect.SlotRow) string { return r.State.Value }, Has: func(r inspect.SlotRow) bool { return r.State.Known }},
		{Name: "uuid", Cell: func(r inspect.SlotRow) string { return textOr(r.UUID, "-") }, Raw: func(r inspect.SlotRow) string { return textOr(r.UUID, "") }},
		{Name: "label", Cell: func(r inspect.SlotRow) string { return textOr(r.Label, "") }},
		{Name: "flash_only", Cell: func(r inspect.SlotRow) string {
			if r.FlashOnly == nil {
				return "-"
			}
			return app.YesNo(*r.FlashOnly)
		}, Raw: func(r inspect.SlotRow) string { return numberText(r.FlashOnly) }},
		{Name: "sectors", Num: true, Cell: func(r inspect.SlotRow) string { return numberText(r.Sectors) }},
		reg("first_registered", func(r inspect.SlotRow) *uint32 { return r.FirstReg }),
		reg("last_registered", func(r inspect.SlotRow) *uint32 { return r.LastReg }),
		reg("invalidated", func(r inspect.SlotRow) *uint32 { return r.Invalidated }),
		seen("live_sectors", func(r inspect.SlotRow) ondisk.Sector { return r.SeenLive }, func(r inspect.SlotRow) inspect.Maybe[ondisk.Sector] { return r.Live }),
		seen("dirty_sectors", func(r inspect.SlotRow) ondisk.Sector { return r.SeenDirty }, func(r inspect.SlotRow) inspect.Maybe[ondisk.Sector] { return r.Dirty }),
	}
}

// numberText is what a pointer leads to; nothing where it leads nowhere.
func numberText[T any](p *T) string {
	if p == nil {
		return ""
	}
	return fmt.Sprint(*p)
}

// dayText is a time in seconds since 1970; 0 is never.
func dayText(t *uint32) string {
	if t == nil || *t == 0 {
		return "-"
	}
	return time.Unix(int64(*t), 0).UTC().Format("2006-01-02")
}
