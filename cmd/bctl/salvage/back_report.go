// SPDX-License-Identifier: GPL-2.0-only

package salvage

import (
	"fmt"

	"bctl/cmd/bctl/app"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/blockdev"
	"bctl/internal/finding"
	"bctl/internal/ui/render"
	"bctl/internal/writeback"
)

// backReport is what writeback tells.
type backReport struct {
	copied  int64
	seconds float64
	keys    int64
	others  []writeback.Left // once the cache is forgotten
	isClear bool
	files   []undoFile
	states  map[uint32]bool
	lost    map[uint32]map[string]int64
}

// An undoFile is a file, and of what device.
type undoFile struct {
	File   string `json:"file"`
	Device string `json:"device"`
}

func (r *backReport) cleaned(t *writeback.Target, is bool) {
	if r.states == nil {
		r.states = map[uint32]bool{}
	}
	r.states[t.Inode] = is
}

// A backRow is a volume.
type backRow struct {
	Inode   uint32        `json:"inode"`
	UUID    *string       `json:"uuid"`
	Label   string        `json:"label"`
	Device  *string       `json:"device"` // nil: not given
	Dirty   ondisk.Sector `json:"dirty_sectors"`
	Copy    ondisk.Sector `json:"copy_sectors"`
	Clean   ondisk.Sector `json:"clean_sectors"` // of what is copied
	Runs    int64         `json:"runs"`
	Unread  ondisk.Sector `json:"unread_sectors"`
	Unknown ondisk.Sector `json:"unknown_sectors"`
	Newer   ondisk.Sector `json:"newer_sectors"`
	Old     ondisk.Sector `json:"reused_sectors"`
	Does    string        `json:"action"`
	Why     string        `json:"why,omitempty"`
}

// What is done with a volume.
const (
	wouldCopy = "would be copied"
	isCopied  = "copied"
	isCleared = "copied and cleared"
	partly    = "copied in part"
	keeps     = "kept"
)

func sectors(bytes int64) ondisk.Sector { return ondisk.Sector(bytes / ondisk.SectorBytes) }

func (b *back) rows() (rows []*backRow, left bool) {
	row := func(v *inspect.Volume) *backRow {
		return &backRow{Inode: v.Inode, UUID: writeback.NameOf(v), Label: v.Label(), Dirty: v.DirtySectors}
	}
	for _, t := range b.targets {
		r, c := row(t.Volume), b.job.Counts(t)
		name := t.Dev.Path()
		r.Device, r.Copy, r.Clean, r.Runs = &name, sectors(c.Copy), sectors(c.Clean), c.Runs
		r.Unknown, r.Newer, r.Old = sectors(c.Unknown), sectors(c.Newer), sectors(c.Old)
		if r.Unread = sectors(b.report.lost[t.Inode][writeback.WhyUnread]); !b.o.yes {
			r.Unread = sectors(c.Unread)
		}
		switch {
		case !b.o.yes:
			r.Does = wouldCopy
		case r.Unread+r.Unknown+r.Newer > 0:
			r.Does = partly
		case b.report.isClear:
			r.Does = isCleared
		default:
			r.Does = isCopied
		}
		left = left || r.Unread+r.Unknown+r.Newer > 0
		rows = append(rows, r)
	}
	others := b.report.others
	if b.c != nil {
		others = writeback.Others(b.c, b.targets)
	}
	for _, l := range others {
		r := row(l.Volume)
		r.Does, r.Why = keeps, l.Why
		rows = append(rows, r)
	}
	return rows, left
}

// tell writes the report. It ends with ExitDamage where something of the given devices is left.
func (b *back) tell() error {
	rows, left := b.rows()
	r := &b.report
	fields := []render.Field{
		{Key: "device", Value: b.o.cache, Name: "cache"},
		{Key: "dry_run", Value: !b.o.yes},
		{Key: "copied_bytes", Value: r.copied, Name: app.OptionalName("copied", b.o.yes), Text: fmt.Sprintf("%s in %.1f s, %s", size(r.copied), r.seconds, rate(r.copied, r.seconds))},
		{Key: "seconds", Value: r.seconds},
		{Key: "verified", Value: b.o.yes && b.o.verify, Name: app.OptionalName("read back", b.o.yes && b.o.verify), Text: "and equal" + b.fromMemory()},
		{Key: "cleared", Value: r.isClear},
		{Key: "cleared_keys", Value: r.keys, Name: app.OptionalName("keys made clean", r.isClear)},
		{Key: "undo_files", Value: append([]undoFile{}, r.files...)},
		{Key: "failed_file", Value: b.o.failed, Name: app.OptionalName("what is left", b.o.failed != "" && left)},
	}
	for _, f := range r.files {
		fields = append(fields, render.Field{Name: "to take it back", Text: app.UndoneBy(f.File, f.Device)})
	}
	err := render.Write(b.io.Out, b.io.Format, render.View[*backRow]{
		Head: fields, Key: "volumes", Limit: -1, Columns: backColumns,
		Rows: func(yield func(*backRow, error) bool) {
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
			}
		},
	})
	switch {
	case err != nil:
		return err
	case left:
		can := "could"
		if !b.o.yes {
			can = "can"
		}
		return app.WithHint(app.Damaged("not all of the dirty data of the given devices %s be copied", can), "%s", b.advice())
	case b.found.Count(finding.Damage) > 0:
		return app.WithHint(app.Damaged("%s is damaged: there may be dirty data that nothing leads to", b.o.cache), "bctl fsck %s", app.Quote(b.o.cache))
	case !b.o.yes:
		b.io.Note("nothing was written: --yes does it")
	case !b.o.clear && r.copied > 0:
		b.io.Note("in the cache they are dirty still: with --clear too they, and the devices' state, become clean")
	}
	return nil
}

// fromMemory names devices of which what was read back need not be what the medium holds.
func (b *back) fromMemory() (names string) {
	for _, t := range b.targets {
		if d, ok := t.Dev.(*blockdev.Device); ok && !d.PastCache() {
			names += ", " + t.Dev.Path()
		}
	}
	if names != "" {
		names = ", by way of the page cache, as it cannot be read past it: " + names[2:]
	}
	return names
}

// newer reports whether something was left alone because the cache has other data of the device under its new number.
func (b *back) newer() bool {
	for _, t := range b.targets {
		if b.job.Counts(t).Newer > 0 {
			return true
		}
	}
	return false
}

func (b *back) advice() string {
	switch {
	case b.found.Count(finding.Damage) > 0:
		return "bctl fsck says what is damaged, and repairs it"
	case b.newer():
		return fmt.Sprintf("the cache holds other data of %s under its new number, which were left alone; bctl uuid relink --merge --inode %d %s %s lists them",
			b.o.to, b.o.inode, app.Quote(b.o.cache), app.Quote(b.o.to))
	case b.o.failed == "":
		return "--failed FILE lists it"
	}
	return ""
}

var backColumns = []render.Column[*backRow]{
	{Name: "inode", Num: true, Cell: func(r *backRow) string { return fmt.Sprint(r.Inode) }},
	{Name: "uuid", Cell: func(r *backRow) string {
		if r.UUID == nil {
			return "-"
		}
		return *r.UUID
	}},
	{Name: "device", Cell: func(r *backRow) string {
		if r.Device == nil {
			return "-"
		}
		return *r.Device
	}},
	{Name: "dirty", Num: true, Cell: func(r *backRow) string { return size(r.Dirty.Bytes()) }, Raw: func(r *backRow) string { return fmt.Sprint(r.Dirty) }},
	{Name: "runs", Num: true, Cell: func(r *backRow) string { return fmt.Sprint(r.Runs) }},
	{Name: "unread", Num: true, Cell: func(r *backRow) string { return size(r.Unread.Bytes()) }, Raw: func(r *backRow) string { return fmt.Sprint(r.Unread) }},
	{Name: "unknown", Num: true, Cell: func(r *backRow) string { return size(r.Unknown.Bytes()) }, Raw: func(r *backRow) string { return fmt.Sprint(r.Unknown) }},
	{Name: "newer", Num: true, Cell: func(r *backRow) string { return size(r.Newer.Bytes()) }, Raw: func(r *backRow) string { return fmt.Sprint(r.Newer) }},
	{Name: "action", Cell: func(r *backRow) string {
		if r.Why == "" {
			return r.Does
		}
		return r.Does + ": " + r.Why
	}, Raw: func(r *backRow) string { return r.Does }},
}
