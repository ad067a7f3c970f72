// SPDX-License-Identifier: GPL-2.0-only

package show

import (
	"fmt"
	"io"
	"strings"

	"bctl/cmd/bctl/app"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/ui/render"
)

// volumeRow is one volume in the summary.
type volumeRow struct {
	Inode        uint32                       `json:"inode"`
	UUID         *string                      `json:"uuid"`
	Label        inspect.Maybe[string]        `json:"label"`
	LiveSectors  inspect.Maybe[ondisk.Sector] `json:"live_sectors"`
	DirtySectors inspect.Maybe[ondisk.Sector] `json:"dirty_sectors"`
	SeenLive     ondisk.Sector                `json:"seen_live_sectors"` // as many as could be read
	SeenDirty    ondisk.Sector                `json:"seen_dirty_sectors"`
}

// writeBucketSummary shows priority_stats in the kernel's own layout, and the volumes below it. What follows from what
// could not be read is unknown.
// cache is nil where not even its sizes are known.
func writeBucketSummary(w io.Writer, format render.Format, name string, cache *inspect.Cache) error {
	var k inspect.Known
	var volumes []*inspect.Volume
	var stats inspect.PriorityStats
	if cache != nil {
		k, volumes, stats = cache.Known(), cache.Volumes, cache.PriorityStats()
	}
	unknown := len(volumes) == 0 && !(k.Names && k.Tree && k.Journal) // there may be some all the same
	fields := append(summaryFields(name, k, stats), render.Field{Name: app.OptionalName("Volumes", unknown), Text: "unknown"})
	rows := func(yield func(volumeRow, error) bool) {
		for _, v := range volumes {
			row := volumeRow{
				v.Inode, v.UUID(), inspect.If(k.Names || v.Slot != nil, v.Label()),
				inspect.If(k.Counts(), v.LiveSectors), inspect.If(k.Counts(), v.DirtySectors), v.LiveSectors, v.DirtySectors,
			}
			if !yield(row, nil) {
				return
			}
		}
	}
	seen := func(n func(volumeRow) ondisk.Sector) func(volumeRow) string {
		return func(v volumeRow) string { return k.Words(uint64(n(v))) }
	}
	return render.Write(w, format, render.View[volumeRow]{
		Head: fields, Key: "volumes", Rows: rows, Unknown: unknown, Limit: -1,
		Columns: []render.Column[volumeRow]{
			{Name: "inode", Num: true, Cell: func(v volumeRow) string { return fmt.Sprint(v.Inode) }},
			{Name: "uuid", Cell: func(v volumeRow) string {
				switch {
				case v.UUID != nil:
					return *v.UUID
				case !k.Names:
					return "unknown"
				}
				return "-"
			}},
			{Name: "label", Cell: func(v volumeRow) string { return v.Label.String() }, Raw: func(v volumeRow) string { return rawOf(v.Label) }},
			{
				Name: "live_sectors", Num: true, Cell: seen(func(v volumeRow) ondisk.Sector { return v.SeenLive }),
				Raw: func(v volumeRow) string { return rawOf(v.LiveSectors) },
			},
			{
				Name: "dirty_sectors", Num: true, Cell: seen(func(v volumeRow) ondisk.Sector { return v.SeenDirty }),
				Raw: func(v volumeRow) string { return rawOf(v.DirtySectors) },
			},
		},
	})
}

func summaryFields(name string, k inspect.Known, s inspect.PriorityStats) []render.Field {
	share := func(key, name string, pct uint64) render.Field {
		f := render.Field{Key: key, Value: inspect.If(k.Counts(), pct), Name: name, Text: "unknown"}
		if k.Counts() {
			f.Text = fmt.Sprintf("%d%%", pct)
		}
		return f
	}
	prios := inspect.If(k.Gens && k.Tree && k.Journal, s.Quantiles)
	quantiles := "unknown"
	if prios.Known {
		quantiles = "[" + strings.Trim(fmt.Sprint(s.Quantiles), "[]") + "]"
	}
	average, per := inspect.If(prios.Known, s.AveragePrio), inspect.If(prios.Known, s.SectorsPerQuantile)
	return []render.Field{
		{Key: "device", Value: name},
		{
			Key: "complete", Value: k.All(), Name: app.OptionalName("Complete", !k.All()),
			Text: "no: not all of the cache could be read",
		},
		share("unused_pct", "Unused", s.UnusedPct),
		share("clean_pct", "Clean", s.CleanPct),
		share("dirty_pct", "Dirty", s.DirtyPct),
		share("metadata_pct", "Metadata", s.MetadataPct),
		{Key: "average_prio", Value: average, Name: "Average", Text: average.String()},
		{Key: "sectors_per_quantile", Value: per, Name: "Sectors per Q", Text: per.String()},
		{Key: "quantiles", Value: prios, Name: "Quantiles", Text: quantiles},
	}
}

// rawOf is a value for CSV: empty where it is unknown.
func rawOf[T any](m inspect.Maybe[T]) string {
	if !m.Known {
		return ""
	}
	return m.String()
}
