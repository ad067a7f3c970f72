// SPDX-License-Identifier: GPL-2.0-only

package mkfs

import (
	"fmt"
	"io"
	"iter"

	"github.com/urfave/cli/v2"

	"bctl/cmd/bctl/app"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/ui/render"
	"bctl/superblock"
)

// A formattedRow is a device as it was formatted, in show-super's words.
type formattedRow struct {
	Device            string         `json:"device"`
	Type              string         `json:"type"`
	Version           uint64         `json:"version"`
	UUID              string         `json:"uuid"`
	SetUUID           string         `json:"set_uuid"`
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
}

func newFormattedRow(t *target) formattedRow {
	s := t.super
	r := formattedRow{
		Device: t.path, Type: "cache", Version: s.Version, UUID: s.UUID.String(), SetUUID: s.SetUUID.String(),
		Label: superblock.Label(s.Label), SizeBytes: t.size, BlockSectors: s.BlockSize, Erased: []string{},
	}
	if t.backing {
		r.Type, r.CacheMode, r.DataOffsetSectors = "backing", ref(s.CacheMode().String()), ref(superblock.DataOffset(s))
	} else {
		r.BucketSectors, r.NBuckets, r.FirstBucket = ref(superblock.BucketSectors(s)), &s.Nbuckets, &s.FirstBucket
		r.Discard, r.Replacement = ref(s.Discard()), ref(s.Replacement().String())
	}
	for _, z := range t.zero {
		r.Erased = append(r.Erased, z.what)
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
func showFormatted(c *cli.Context, o formatOptions, done []*target, err error) error {
	if len(done) == 0 {
		return err
	}
	if o.dryRun && app.OutputFormat(c) != render.JSON {
		o.note("dry run: nothing was written")
	}
	view := render.View[formattedRow]{
		Head: []render.Field{{Key: "dry_run", Value: o.dryRun}, {Key: "set_uuid", Value: o.super.SetUUID.String(), Name: "set uuid"}},
		Key:  "devices",
		Rows: rowsOf(done),
		Columns: []render.Column[formattedRow]{
			{Name: "device", Cell: func(r formattedRow) string { return r.Device }},
			{Name: "type", Cell: func(r formattedRow) string { return r.Type }},
			{Name: "version", Num: true, Cell: func(r formattedRow) string { return fmt.Sprint(r.Version) }},
			{Name: "uuid", Cell: func(r formattedRow) string { return r.UUID }},
			{Name: "label", Cell: func(r formattedRow) string { return r.Label }},
			{Name: "block", Num: true, Cell: func(r formattedRow) string { return fmt.Sprint(r.BlockSectors) }},
			{Name: "bucket", Num: true, Cell: func(r formattedRow) string { return orDash(r.BucketSectors) }},
			{Name: "nbuckets", Num: true, Cell: func(r formattedRow) string { return orDash(r.NBuckets) }},
			{Name: "first_bucket", Num: true, Cell: func(r formattedRow) string { return orDash(r.FirstBucket) }},
			{Name: "replacement", Cell: func(r formattedRow) string { return orDash(r.Replacement) }},
			{Name: "cache_mode", Cell: func(r formattedRow) string { return orDash(r.CacheMode) }},
			{Name: "data_offset", Num: true, Cell: func(r formattedRow) string { return orDash(r.DataOffsetSectors) }},
		},
		Limit: -1,
	}
	verb := "erased"
	if o.dryRun {
		verb = "would erase"
	}
	for _, t := range done {
		for _, z := range t.zero {
			o.note(fmt.Sprintf("%s: %s %s", t.path, verb, z.what))
		}
	}
	if shown := render.Write(c.App.Writer, app.OutputFormat(c), view); err == nil {
		err = shown
	}
	return afterSome(done, err)
}

// afterSome says what an error left behind.
func afterSome(done []*target, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w (%d of the devices were formatted before, %s the last)", err, len(done), done[len(done)-1].path)
}

func rowsOf(done []*target) iter.Seq2[formattedRow, error] {
	return func(yield func(formattedRow, error) bool) {
		for _, t := range done {
			if !yield(newFormattedRow(t), nil) {
				return
			}
		}
	}
}

// printMakeBcache is make-bcache's lines for a device, byte for byte.
func printMakeBcache(w io.Writer, t *target) {
	s := t.super
	fmt.Fprintf(w, "UUID:\t\t\t%v\nSet UUID:\t\t%v\nversion:\t\t%d\n", s.UUID, s.SetUUID, s.Version)
	if t.backing {
		fmt.Fprintf(w, "block_size:\t\t%d\ndata_offset:\t\t%d\n", s.BlockSize, superblock.DataOffset(s))
		return
	}
	fmt.Fprintf(w, "nbuckets:\t\t%d\nblock_size:\t\t%d\nbucket_size:\t\t%d\n", s.Nbuckets, s.BlockSize, superblock.BucketSectors(s))
	fmt.Fprintf(w, "nr_in_set:\t\t%d\nnr_this_dev:\t\t%d\nfirst_bucket:\t\t%d\n", s.NrInSet, s.NrThisDev, s.FirstBucket)
}
