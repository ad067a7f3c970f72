// SPDX-License-Identifier: GPL-2.0-only

package mkfs

import (
	"fmt"
	"io"
	"iter"

	"bctl/cmd/bctl/app"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/ui/render"
	"bctl/superblock"
)

// A formattedRow is a device as it was formatted, in show-super's words.
type formattedRow struct {
	Device            string         `json:"device"`
	Type              string         `json:"type"`
	Version           uint64         `json:"version"`
	UUID              *string        `json:"uuid"` // nil in a dry run that will not use it
	SetUUID           *string        `json:"set_uuid"`
	Label             string         `json:"label"`
	SizeBytes         int64          `json:"size_bytes"`
	BlockSectors      uint16         `json:"block_sectors"`
	BucketSectors     *ondisk.Sector `json:"bucket_sectors"`
	NBuckets          *uint64        `json:"nbuckets"`
	FirstBucket       *uint16        `json:"first_bucket"`
	Discard           *bool          `json:"discard"`
	Replacement       *string        `json:"replacement"`
	CacheMode         *string        `json:"cache_mode"`
	DataOffsetSectors *ondisk.Sector `json:"data_offset_sectors"`
	Erased            []string       `json:"erased"`

	Replaces *change.Evidence `json:"replaces"` // what was bcache's there
	UndoFile *string          `json:"undo_file"`
}

// usedUUID is a uuid that is or will be written: a dry run has made up those that were not given.
func (o *formatOptions) usedUUID(u ondisk.UUID, given bool) *string {
	if o.dryRun && !given {
		return nil
	}
	return ref(u.String())
}

func (o *formatOptions) row(t *change.Formatted) formattedRow {
	s := t.Super
	r := formattedRow{
		Device: t.Path, Type: "cache", Version: s.Version, UUID: o.usedUUID(s.UUID, !o.super.UUID.IsZero()), SetUUID: o.usedUUID(s.SetUUID, o.setGiven),
		Label: superblock.Label(s.Label), SizeBytes: t.Size, BlockSectors: s.BlockSize, Erased: append([]string{}, t.Erased...), Replaces: t.Replaces,
	}
	if t.Undo != "" {
		r.UndoFile = &t.Undo
	}
	if t.Backing {
		r.Type, r.CacheMode, r.DataOffsetSectors = "backing", ref(s.CacheMode().String()), ref(superblock.DataOffset(s))
	} else {
		r.BucketSectors, r.NBuckets, r.FirstBucket = ref(superblock.BucketSectors(s)), &s.Nbuckets, &s.FirstBucket
		r.Discard, r.Replacement = ref(s.Discard()), ref(s.Replacement().String())
	}
	return r
}

func ref[T any](v T) *T { return &v }

// orDash is a field that not every row has.
func orDash[T any](p *T) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprint(*p)
}

// showFormatted is the one summary, of the devices that were written before an error too.
func showFormatted(io *app.IO, o formatOptions, done []*change.Formatted, err error) error {
	if len(done) == 0 {
		return err
	}
	if o.dryRun && io.Format != render.JSON {
		o.note("dry run: nothing was written")
	}
	set := o.usedUUID(o.super.SetUUID, o.setGiven)
	view := render.View[formattedRow]{
		Head: []render.Field{{Key: "dry_run", Value: o.dryRun}, {Key: "set_uuid", Value: set, Name: "set uuid", Text: orDash(set)}},
		Key:  "devices",
		Rows: rowsOf(o, done),
		Columns: []render.Column[formattedRow]{
			{Name: "device", Cell: func(r formattedRow) string { return r.Device }},
			{Name: "type", Cell: func(r formattedRow) string { return r.Type }},
			{Name: "version", Num: true, Cell: func(r formattedRow) string { return fmt.Sprint(r.Version) }},
			{Name: "uuid", Cell: func(r formattedRow) string { return orDash(r.UUID) }},
			{Name: "label", Cell: func(r formattedRow) string { return r.Label }},
			{Name: "block", Num: true, Cell: func(r formattedRow) string { return fmt.Sprint(r.BlockSectors) }},
			{Name: "bucket", Num: true, Cell: func(r formattedRow) string { return orDash(r.BucketSectors) }},
			{Name: "nbuckets", Num: true, Cell: func(r formattedRow) string { return orDash(r.NBuckets) }},
			{Name: "first_bucket", Num: true, Cell: func(r formattedRow) string { return orDash(r.FirstBucket) }},
			{Name: "replacement", Cell: func(r formattedRow) string { return orDash(r.Replacement) }},
			{Name: "cache_mode", Cell: func(r formattedRow) string { return orDash(r.CacheMode) }},
			{Name: "data_offset", Num: true, Cell: func(r formattedRow) string { return orDash(r.DataOffsetSectors) }},
			{Name: "replaces", Cell: replaced},
		},
		Limit: -1,
	}
	verb := "erased"
	if o.dryRun {
		verb = "would erase"
	}
	for _, t := range done {
		if t.Replaces != nil && t.Replaces.Data() != "" {
			o.note(fmt.Sprintf("%s: %s %v: %s", t.Path, verb, t.Replaces, t.Replaces.Data()))
		}
		for _, what := range t.Erased {
			o.note(fmt.Sprintf("%s: %s %s", t.Path, verb, what))
		}
	}
	if shown := render.Write(io.Out, io.Format, view); err == nil {
		err = shown
	}
	for _, t := range done {
		if t.Undo != "" && io.Format == render.Table {
			fmt.Fprintf(io.Out, "to take it back: %s\n", app.UndoneBy(t.Undo, t.Path))
		}
	}
	return afterSome(done, err)
}

// replaced is what was bcache's on a device.
func replaced(r formattedRow) string {
	if r.Replaces == nil {
		return "-"
	}
	return r.Replaces.String()
}

// afterSome says what an error left behind.
func afterSome(done []*change.Formatted, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w (%d of the devices were formatted before, %s the last)", err, len(done), done[len(done)-1].Path)
}

func rowsOf(o formatOptions, done []*change.Formatted) iter.Seq2[formattedRow, error] {
	return func(yield func(formattedRow, error) bool) {
		for _, t := range done {
			if !yield(o.row(t), nil) {
				return
			}
		}
	}
}

// printMakeBcache is make-bcache's lines for a device, byte for byte.
func printMakeBcache(w io.Writer, t *change.Formatted, o formatOptions) {
	r := o.row(t)
	fmt.Fprintf(w, "UUID:\t\t\t%s\nSet UUID:\t\t%s\nversion:\t\t%d\n", orDash(r.UUID), orDash(r.SetUUID), r.Version)
	if t.Backing {
		fmt.Fprintf(w, "block_size:\t\t%d\ndata_offset:\t\t%d\n", r.BlockSectors, *r.DataOffsetSectors)
		return
	}
	fmt.Fprintf(w, "nbuckets:\t\t%d\nblock_size:\t\t%d\nbucket_size:\t\t%d\n", *r.NBuckets, r.BlockSectors, *r.BucketSectors)
	fmt.Fprintf(w, "nr_in_set:\t\t%d\nnr_this_dev:\t\t%d\nfirst_bucket:\t\t%d\n", t.Super.NrInSet, t.Super.NrThisDev, *r.FirstBucket)
}
