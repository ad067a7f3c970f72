// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"math/bits"
	"slices"

	"bctl/alloc"
	"bctl/alloc/blktrace"
	"bctl/alloc/cachesim"
	"bctl/cmd/bctl/app"
	"bctl/internal/ui/render"
)

// autoParts are the fractions of the working set that --cache-size auto tries.
var autoParts = []int64{32, 16, 8, 4, 2, 1}

// sizeUp reads the trace for its working set.
func (o *benchOptions) sizeUp(ctx context.Context, t *trace, io *app.IO) error {
	counter := io.Progress("bytes of trace, for its working set", t.bytes)
	defer counter.Done()
	r, err := blktrace.Join(t.spec, t.sources(counter)...)
	if err != nil {
		return err
	}
	defer r.Close()
	z := cachesim.NewSummarizer(o.path.Rate)
	err = cachesim.Each(ctx, o.source(r), 0, o.ops, func(batch []blktrace.Request) error {
		z.Add(batch)
		return nil
	}, func() {})
	if err != nil {
		return o.traceError(t, err)
	}
	s := z.Summary()
	t.summary = &s
	for _, part := range autoParts {
		o.sizes = append(o.sizes, roundSize(int64(s.Footprint)*512/part))
	}
	return nil
}

// roundSize rounds up to a size that people can read: four binary digits.
func roundSize(n int64) int64 {
	step := int64(1) << max(20, bits.Len64(uint64(n))-4)
	return (n + step - 1) / step * step
}

// writeTrace shows the rows.
func (o *benchOptions) writeTrace(io *app.IO, t *trace, rows []traceRow) error {
	best := bestOf(rows)
	if o.lines {
		return o.writeLines(io, t, rows)
	}
	view := render.View[traceRow]{
		Head: o.traceHead(t), Key: "results", Columns: o.shownColumns(best), Limit: -1,
		Rows: func(yield func(traceRow, error) bool) {
			for _, r := range rows {
				if !yield(r, nil) {
					return
				}
			}
		},
		Tail: func() []render.Field {
			text := advice(rows, best)
			return []render.Field{{Key: "advice", Value: nullIfEmpty(text), Name: app.OptionalName("advice", text != ""), Text: text}}
		},
	}
	if k := t.kernel.Load(); o.compare && k != nil {
		view.Head = append(view.Head, render.Field{Key: "kernel", Value: k})
	}
	if err := render.Write(io.Out, o.format, view); err != nil || o.format != render.Table {
		return err
	}
	if k := t.kernel.Load(); o.compare && k != nil {
		if err := writeCompared(io, rows, k); err != nil {
			return err
		}
	}
	if !o.interval.given() {
		return nil
	}
	return writeIntervals(io, rows)
}

// traceHead is what is true of all rows.
func (o *benchOptions) traceHead(t *trace) []render.Field {
	head := []render.Field{
		{Key: "trace", Value: t.name(), Name: "trace"},
		{Key: "trace_format", Value: t.found.String(), Name: "format"},
		{Key: "device", Value: nullIfEmpty(o.name), Name: app.OptionalName("device", o.name != ""), Text: o.name},
		{Key: "model", Value: o.model.Name, Name: "model"},
		{Key: "seed", Value: o.seed, Name: "seed"},
		{Key: "cache_mode", Value: o.path.Mode.String(), Name: "cache mode"},
		{Key: "sequential_cutoff", Value: o.path.SequentialCutoff, Name: "sequential cutoff", Text: app.SizeText(int64(o.path.SequentialCutoff))},
		{Key: "writeback_percent", Value: o.path.WritebackPercent, Name: app.OptionalName("writeback percent", o.path.Mode == cachesim.Writeback)},
	}
	if o.sample > 0 {
		head = append(head, render.Field{Key: "sample", Value: o.sampleR, Name: "sample"})
	}
	if s := t.summary; s != nil {
		reuse, seq := s.Reuse(), s.SequentialShare()
		head = append(head,
			render.Field{Key: "summary", Value: summaryOf(s), Name: "requests", Text: fmt.Sprintf("%d: %d reads, %d writes, %d trims",
				s.Requests(), s.Reads, s.Writes, s.Trims)},
			render.Field{Name: "data", Text: fmt.Sprintf("%s read, %s written", app.Human(s.ReadSectors), app.Human(s.WriteSectors))},
			render.Field{Name: "working set", Text: fmt.Sprintf("%s; %.0f %% of accesses are to blocks seen before", app.Human(s.Footprint), 100*reuse.Value)},
			render.Field{Name: "sequential", Text: fmt.Sprintf("%.0f %% of requests", 100*seq.Value)})
	}
	return head
}

// showsSummary reports whether there is a place for what the trace is like, and nobody has found that out.
func (o *benchOptions) showsSummary(t *trace) bool {
	return t.summary == nil && !o.lines && o.format != render.CSV
}

// A traceSummary is what a trace is like, for JSON.
type traceSummary struct {
	Requests     uint64   `json:"requests"`
	Reads        uint64   `json:"reads"`
	Writes       uint64   `json:"writes"`
	Trims        uint64   `json:"trims"`
	ReadSectors  uint64   `json:"read_sectors"`
	WriteSectors uint64   `json:"write_sectors"`
	Footprint    uint64   `json:"footprint_sectors"`
	Reuse        *float64 `json:"reuse"`
	Sequential   *float64 `json:"sequential_share"`
}

func summaryOf(s *cachesim.Summary) traceSummary {
	return traceSummary{
		s.Requests(), s.Reads, s.Writes, s.Trims, s.ReadSectors, s.WriteSectors, s.Footprint,
		known(s.Reuse()), known(s.SequentialShare()),
	}
}

// A lineRow is a row that says what it is of.
type lineRow struct {
	Trace   string     `json:"trace"`
	Volumes *[2]uint32 `json:"volumes"`
	Model   string     `json:"model"`
	Seed    uint64     `json:"seed"`
	Mode    string     `json:"cache_mode"`
	Cutoff  uint32     `json:"sequential_cutoff"`
	Sample  *float64   `json:"sample"`
	traceRow
}

// writeLines is --json-lines.
func (o *benchOptions) writeLines(io *app.IO, t *trace, rows []traceRow) error {
	enc := json.NewEncoder(io.Out)
	for _, r := range rows {
		line := lineRow{Trace: t.name(), Model: o.model.Name, Seed: o.seed, Mode: o.path.Mode.String(), Cutoff: o.path.SequentialCutoff, traceRow: r}
		if o.volumes.given {
			line.Volumes = &[2]uint32{o.volumes.low, o.volumes.high}
		}
		if o.sample > 0 {
			line.Sample = &o.sampleR
		}
		if err := enc.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// enough is how much of a miss ratio is not worth a larger cache.
const enough = 0.01

// alike is how far miss ratios are apart between which nobody can choose: of such rows the first is, lru if it is asked for.
const alike = 0.001

// choosable reports whether a device can be set to what a row is of.
func (r *traceRow) choosable() bool {
	return r.MissRatio != nil && r.BucketBytes > 0 && r.Policy != alloc.Clock.String()
}

// bestOf is the row to choose: the smallest cache that misses hardly more than the best one does.
func bestOf(rows []traceRow) string {
	var best *traceRow
	least := 2.0
	for i := range rows {
		if r := &rows[i]; r.choosable() {
			least = min(least, *r.MissRatio)
		}
	}
	for i := range rows {
		r := &rows[i]
		if !r.choosable() || *r.MissRatio > least+enough {
			continue
		}
		if best == nil || r.CacheBytes < best.CacheBytes || r.CacheBytes == best.CacheBytes && *r.MissRatio < *best.MissRatio-alike {
			best = r
		}
	}
	if best == nil || len(rows) < 2 {
		return ""
	}
	return best.id()
}

// advice is a sentence about the best row and its next larger neighbour.
func advice(rows []traceRow, best string) string {
	i := slices.IndexFunc(rows, func(r traceRow) bool { return r.id() == best })
	if i < 0 {
		return ""
	}
	b := rows[i]
	text := app.SizeText(b.CacheBytes)
	if slices.ContainsFunc(rows, func(r traceRow) bool { return r.BucketBytes != b.BucketBytes && r.BucketBytes > 0 }) {
		text += " in " + app.SizeText(b.BucketBytes)
	}
	text += fmt.Sprintf(" with %s: %.2f", b.Policy, *b.MissRatio)
	var next, before *traceRow
	for k := range rows {
		r := &rows[k]
		if r.Policy != b.Policy || r.BucketBytes != b.BucketBytes || r.MissRatio == nil {
			continue
		}
		if r.CacheBytes > b.CacheBytes && (next == nil || r.CacheBytes < next.CacheBytes) {
			next = r
		}
		if r.CacheBytes < b.CacheBytes && (before == nil || r.CacheBytes > before.CacheBytes) {
			before = r
		}
	}
	switch {
	case next != nil && next.CacheBytes == 2*b.CacheBytes:
		text += fmt.Sprintf("; doubling gains %s", points(*b.MissRatio-*next.MissRatio))
	case next != nil:
		text += fmt.Sprintf("; %s gains %s", app.SizeText(next.CacheBytes), points(*b.MissRatio-*next.MissRatio))
	case before != nil:
		text += fmt.Sprintf("; %s would lose %s", app.SizeText(before.CacheBytes), points(*before.MissRatio-*b.MissRatio))
	}
	return text
}

// points is a difference of miss ratios in words.
func points(d float64) string {
	switch {
	case d < 0.0005:
		return "nothing"
	case d < 0.0995:
		return fmt.Sprintf("%.1f points", 100*d)
	}
	return fmt.Sprintf("%.0f points", 100*d)
}

// writeIntervals is the second table of --interval.
func writeIntervals(io *app.IO, rows []traceRow) error {
	type row struct {
		of traceRow
		in intervalRow
	}
	fmt.Fprintln(io.Out)
	return render.Write(io.Out, render.Table, render.View[row]{
		Columns: []render.Column[row]{
			{Name: "policy", Cell: func(r row) string { return r.of.Policy }},
			{Name: "cache_bytes", Num: true, Cell: func(r row) string { return app.SizeText(r.of.CacheBytes) }},
			{Name: "bucket_bytes", Num: true, Cell: func(r row) string { return app.SizeText(r.of.BucketBytes) }},
			{Name: "start_seconds", Num: true, Cell: func(r row) string { return fmt.Sprintf("%.3f", r.in.Start) }},
			{Name: "requests", Num: true, Cell: func(r row) string { return fmt.Sprint(r.in.Requests) }},
			quotient("miss_ratio", func(r row) *float64 { return r.in.MissRatio }),
		},
		Limit: -1,
		Rows: func(yield func(row, error) bool) {
			for _, r := range rows {
				for _, v := range r.Intervals {
					if !yield(row{r, v}, nil) {
						return
					}
				}
			}
		},
	})
}
