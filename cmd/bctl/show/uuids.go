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
	"bctl/superblock"
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

// A uuidRow is a slot, or the keys of an inode that has none. What no slot says is nil.
type uuidRow struct {
	Inode       uint32                       `json:"inode"`
	State       inspect.Maybe[string]        `json:"state"` // valid, invalid or empty
	UUID        *string                      `json:"uuid"`
	Label       *string                      `json:"label"`
	FlashOnly   *bool                        `json:"flash_only"`
	Sectors     *uint64                      `json:"sectors"` // of a flash-only volume
	FirstReg    *uint32                      `json:"first_registered"`
	LastReg     *uint32                      `json:"last_registered"`
	Invalidated *uint32                      `json:"invalidated"`
	Live        inspect.Maybe[ondisk.Sector] `json:"live_sectors"`
	Dirty       inspect.Maybe[ondisk.Sector] `json:"dirty_sectors"`

	seenLive, seenDirty ondisk.Sector
}

func uuidView(path string, cache *inspect.Cache, all bool) render.View[uuidRow] {
	k := cache.Known()
	var bucket any
	if cache.Journal != nil && cache.Journal.Newest != nil && cache.UUIDs != nil {
		bucket = cache.Geo.BucketOf(cache.Journal.Newest.UUIDBucket.Ptr[0].Offset())
	}
	free := inspect.If(cache.UUIDs != nil || cache.Journal == nil && k.Names, cache.Geo.NrUUIDs()-len(cache.UUIDs)+cache.UUIDs.Count(uuids.Empty))
	rows := uuidRows(cache, all)
	return render.View[uuidRow]{
		Head: append([]render.Field{
			{Key: "device", Value: path},
			{Key: "bucket", Value: bucket},
			{Key: "slots", Value: cache.Geo.NrUUIDs(), Name: "Slots"},
			{Key: "free", Value: free, Name: "Free", Text: free.String()},
		}, knownFields(cache, k.All(), inspect.Everything)...),
		Key: "uuids",
		Rows: func(yield func(uuidRow, error) bool) {
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

// uuidRows are the slots in order, and the inodes that keys name.
func uuidRows(cache *inspect.Cache, all bool) (rows []uuidRow) {
	volumes := map[uint32]*inspect.Volume{}
	last := len(cache.UUIDs)
	for _, v := range cache.Volumes {
		volumes[v.Inode] = v
		last = max(last, int(v.Inode)+1)
	}
	k := cache.Known()
	for i := range uint32(last) {
		v, state := volumes[i], cache.UUIDs.State(i)
		if v == nil && state == uuids.Empty && !(all && int(i) < len(cache.UUIDs)) {
			continue
		}
		row := uuidRow{Inode: i, State: inspect.If(cache.UUIDs != nil, state.String())}
		if v != nil {
			row.seenLive, row.seenDirty = v.LiveSectors, v.DirtySectors
		}
		row.Live, row.Dirty = inspect.If(k.Counts(), row.seenLive), inspect.If(k.Counts(), row.seenDirty)
		if state != uuids.Empty {
			row.slot(&cache.UUIDs[i])
		}
		rows = append(rows, row)
	}
	return rows
}

func (r *uuidRow) slot(u *ondisk.UUIDEntry) {
	id, label, flash := u.UUID.String(), superblock.Label(u.Label), u.FlashOnly()
	r.UUID, r.Label, r.FlashOnly = &id, &label, &flash
	r.Sectors, r.FirstReg, r.LastReg, r.Invalidated = &u.Sectors, &u.FirstReg, &u.LastReg, &u.Invalidated
}

func uuidColumns(k inspect.Known) []render.Column[uuidRow] {
	reg := func(name string, of func(uuidRow) *uint32) render.Column[uuidRow] {
		return render.Column[uuidRow]{
			Name: name,
			Cell: func(r uuidRow) string { return dayText(of(r)) },
			Raw:  func(r uuidRow) string { return numberText(of(r)) },
		}
	}
	seen := func(name string, sum func(uuidRow) ondisk.Sector, is func(uuidRow) inspect.Maybe[ondisk.Sector]) render.Column[uuidRow] {
		return render.Column[uuidRow]{
			Name: name, Num: true,
			Cell: func(r uuidRow) string { return k.Words(uint64(sum(r))) },
			Raw:  func(r uuidRow) string { return rawOf(is(r)) },
		}
	}
	return []render.Column[uuidRow]{
		{Name: "inode", Num: true, Int: func(r uuidRow) uint64 { return uint64(r.Inode) }},
		{Name: "state", Cell: func(r uuidRow) string { return r.State.Value }, Has: func(r uuidRow) bool { return r.State.Known }},
		{Name: "uuid", Cell: func(r uuidRow) string { return textOr(r.UUID, "-") }, Raw: func(r uuidRow) string { return textOr(r.UUID, "") }},
		{Name: "label", Cell: func(r uuidRow) string { return textOr(r.Label, "") }},
		{Name: "flash_only", Cell: func(r uuidRow) string {
			if r.FlashOnly == nil {
				return "-"
			}
			return app.YesNo(*r.FlashOnly)
		}, Raw: func(r uuidRow) string { return numberText(r.FlashOnly) }},
		{Name: "sectors", Num: true, Cell: func(r uuidRow) string { return numberText(r.Sectors) }},
		reg("first_registered", func(r uuidRow) *uint32 { return r.FirstReg }),
		reg("last_registered", func(r uuidRow) *uint32 { return r.LastReg }),
		reg("invalidated", func(r uuidRow) *uint32 { return r.Invalidated }),
		seen("live_sectors", func(r uuidRow) ondisk.Sector { return r.seenLive }, func(r uuidRow) inspect.Maybe[ondisk.Sector] { return r.Live }),
		seen("dirty_sectors", func(r uuidRow) ondisk.Sector { return r.seenDirty }, func(r uuidRow) inspect.Maybe[ondisk.Sector] { return r.Dirty }),
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
