// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"fmt"

	"bctl/alloc/blktrace"
	"bctl/cmd/bctl/app"
	"bctl/internal/ui/render"
)

// A compared is a count of a row beside the kernel's.
type compared struct {
	row           traceRow
	name          string
	kernel, model uint64
}

// difference is in percent of the kernel's.
func (c compared) difference() string {
	if c.kernel == 0 {
		return "-"
	}
	return fmt.Sprintf("%+.1f %%", 100*(float64(c.model)-float64(c.kernel))/float64(c.kernel))
}

// writeCompared is the second table of --compare: what the kernel's tracepoints count, and the model. What the kernel
// counts none of was not traced.
func writeCompared(io *app.IO, rows []traceRow, k *blktrace.KernelCount) error {
	var list []compared
	for _, r := range rows {
		for _, c := range []compared{
			{r, "cache_hits", k.Hits, r.Hits},
			{r, "cache_misses", k.Misses, r.Misses},
			{r, "cache_bypass_hits", k.BypassHits, r.BypassHits},
			{r, "cache_bypass_misses", k.BypassMisses, r.BypassMisses},
			{r, "written_sectors", k.Written, r.Written},
			{r, "buckets_allocated", k.Allocated, r.Allocated},
			{r, "gc_runs", k.GCs, r.GCRuns},
		} {
			if c.kernel > 0 || c.name == "cache_hits" || c.name == "cache_misses" {
				list = append(list, c)
			}
		}
	}
	fmt.Fprintln(io.Out)
	return render.Write(io.Out, render.Table, render.View[compared]{
		Columns: []render.Column[compared]{
			{Name: "policy", Cell: func(c compared) string { return c.row.Policy }},
			{Name: "cache_bytes", Num: true, Cell: func(c compared) string { return app.SizeText(c.row.CacheBytes) }},
			{Name: "counter", Cell: func(c compared) string { return c.name }},
			{Name: "kernel", Num: true, Cell: func(c compared) string { return fmt.Sprint(c.kernel) }},
			{Name: "model", Num: true, Cell: func(c compared) string { return fmt.Sprint(c.model) }},
			{Name: "difference", Num: true, Cell: compared.difference},
		},
		Limit: -1,
		Rows: func(yield func(compared, error) bool) {
			for _, c := range list {
				if !yield(c, nil) {
					return
				}
			}
		},
	})
}
