// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"fmt"
	"strings"

	"bctl/cmd/bctl/app"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change/slots"
	"bctl/internal/ui/render"
)

// done says whether it was done.
func (o *uuidOptions) done() string {
	if o.write.DryRun {
		return ", planned: nothing was written"
	}
	return ""
}

// tail are the fields that every report ends with.
func (o *uuidOptions) tail(undo []string) []render.Field {
	return []render.Field{
		{Key: "dry_run", Value: o.write.DryRun},
		{Key: "undo_files", Value: append([]string{}, undo...)},
	}
}

// last says how to take it back, the device that was written last first; or what does it.
func (o *uuidOptions) last(undo []string, tell *app.IO, devices ...string) {
	lastWords(o.write.DryRun, undo, tell, devices...)
}

func lastWords(dry bool, undo []string, tell *app.IO, devices ...string) {
	if dry {
		tell.Note("nothing was written: --yes does it")
	}
	for i := len(undo) - 1; i >= 0; i-- {
		tell.Note("to take it back: %s", app.UndoneBy(undo[i], devices[i]))
	}
}

// tellLinked reports a relink. refused is why it is not done: then it shows the conflicts.
func (o *uuidOptions) tellLinked(tell *app.IO, l *slots.Linked, inode uint32, undo []string, refused error) error {
	what := fmt.Sprintf("slot %d is %s's%s", inode, o.backing, o.done())
	switch {
	case refused != nil:
		what = "nothing"
	case l.Inode != inode:
		what = fmt.Sprintf("the dirty data of inode %d are inode %d's, which is %s%s", inode, l.Inode, o.backing, o.done())
	}
	var differing ondisk.Sector
	for _, x := range l.Conflicts {
		differing += x.Differing
	}
	conflicts := fmt.Sprintf("%s with %d sectors that differ: %s", app.Plural(len(l.Conflicts), "run"), differing, map[slots.Prefer]string{
		slots.PreferNeither: "not decided", slots.PreferOld: "the old data stay", slots.PreferNew: "the new data stay",
		slots.PreferDirty: "the new data stay where they are dirty, the old ones where not",
	}[o.prefer])
	fields := []render.Field{
		{Key: "device", Value: o.cache, Name: "device"},
		{Key: "backing", Value: o.backing},
		{Key: "old_inode", Value: inode},
		{Key: "inode", Value: l.Inode, Name: "linked", Text: what},
		{Key: "dirty_sectors", Value: l.Dirty, Name: "dirty", Text: fmt.Sprintf("%d sectors that the kernel reaches again", l.Dirty)},
		{Key: "clean_sectors", Value: l.Clean, Name: app.OptionalName("dropped", l.Clean > 0), Text: fmt.Sprintf("%d clean sectors: the backing device counts", l.Clean)},
		{Key: "refused", Value: refused != nil},
		{Key: "conflicting_sectors", Value: differing, Name: app.OptionalName("conflicts", len(l.Conflicts) > 0), Text: conflicts},
	}
	view := render.View[slots.Conflict]{
		Head: append(fields, o.tail(undo)...), Key: "conflicts",
		Rows: func(yield func(slots.Conflict, error) bool) {
			for _, x := range l.Conflicts {
				if !yield(x, nil) {
					return
				}
			}
		},
		Columns: []render.Column[slots.Conflict]{
			{Name: "inode", Num: true, Int: func(x slots.Conflict) uint64 { return uint64(x.Inode) }},
			{Name: "offset_sectors", Num: true, Int: func(x slots.Conflict) uint64 { return uint64(x.Offset) }},
			{Name: "sectors", Num: true, Int: func(x slots.Conflict) uint64 { return uint64(x.Sectors) }},
			{Name: "differing_sectors", Num: true, Int: func(x slots.Conflict) uint64 { return uint64(x.Differing) }},
			{Name: "new_dirty", Cell: func(x slots.Conflict) string { return fmt.Sprint(x.NewDirty) }},
		},
		Notes: tell.Err,
	}
	if len(l.Conflicts) == 0 && tell.Format == render.Table {
		view.Rows = nil
	}
	return render.Write(tell.Out, tell.Format, view)
}

// pieceView shows runs of sectors under fields.
func pieceView(fields []render.Field, key string, list []slots.Piece) render.View[slots.Piece] {
	return render.View[slots.Piece]{
		Head: fields, Key: key,
		Rows: func(yield func(slots.Piece, error) bool) {
			for _, x := range list {
				if !yield(x, nil) {
					return
				}
			}
		},
		Columns: []render.Column[slots.Piece]{
			{Name: "inode", Num: true, Int: func(x slots.Piece) uint64 { return uint64(x.Inode) }},
			{Name: "offset_sectors", Num: true, Int: func(x slots.Piece) uint64 { return uint64(x.Offset) }},
			{Name: "sectors", Num: true, Int: func(x slots.Piece) uint64 { return uint64(x.Sectors) }},
		},
	}
}

// piecesText sums runs up, a volume at a time, as they come.
func piecesText(list []slots.Piece) string {
	var parts []string
	for i := 0; i < len(list); {
		inode, sum, n := list[i].Inode, ondisk.Sector(0), 0
		for ; i < len(list) && list[i].Inode == inode; i++ {
			sum += list[i].Sectors
			n++
		}
		parts = append(parts, fmt.Sprintf("%d dirty sectors of inode %d in %s", sum, inode, app.Plural(n, "run")))
	}
	if len(parts) == 0 {
		return "a flash-only volume"
	}
	return strings.Join(parts, ", ")
}
