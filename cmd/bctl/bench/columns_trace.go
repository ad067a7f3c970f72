// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"slices"
	"strings"

	"bctl/cmd/bctl/app"
	"bctl/internal/ui/render"
)

// fitting are the columns that people see if they ask for no others: they fit 80 characters.
var fitting = []string{"policy", "cache_bytes", "bucket_bytes", "miss_ratio", "bypassed", "written"}

// shownColumns are the columns of a table: those asked for, all, or those that fit. Scripts get everything.
func (o *benchOptions) shownColumns(best string) []render.Column[traceRow] {
	all := traceColumns()
	all[0].Raw = all[0].Cell
	all[0].Cell = func(r traceRow) string {
		if best != "" && r.id() == best {
			return r.Policy + " *"
		}
		return r.Policy
	}
	names := o.columns
	if len(names) == 0 {
		names = fitting
		if o.seeds > 1 || o.sample > 0 {
			names = append(slices.Clone(fitting), "spread")
		}
	}
	for i := range all {
		if all[i].Cell == nil {
			all[i].Cell = all[i].Raw
		}
		if !o.wide && !slices.Contains(names, all[i].Name) {
			if all[i].Raw == nil {
				all[i].Raw = all[i].Cell
			}
			all[i].Cell = nil
		}
	}
	if len(o.columns) > 0 { // in the order asked for
		slices.SortStableFunc(all, func(a, b render.Column[traceRow]) int {
			at := func(c render.Column[traceRow]) int {
				if i := slices.Index(o.columns, c.Name); i >= 0 {
					return i
				}
				return len(o.columns)
			}
			return at(a) - at(b)
		})
	}
	return all
}

// checkColumns refuses names of no column.
func checkColumns(names []string) error {
	var known []string
	for _, c := range traceColumns() {
		known = append(known, c.Name)
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			return app.Usagef("--columns %q: not one of %s", n, strings.Join(known, ", "))
		}
	}
	return nil
}

// metrics are what --plot-metric can draw.
var metrics = []struct {
	name string
	of   func(traceRow) *float64
}{
	{"miss_ratio", func(r traceRow) *float64 { return r.MissRatio }},
	{"read_miss_ratio", func(r traceRow) *float64 { return r.ReadMissRatio }},
	{"write_miss_ratio", func(r traceRow) *float64 { return r.WriteMissRatio }},
	{"byte_miss_ratio", func(r traceRow) *float64 { return r.ByteMissRatio }},
	{"metadata_write_amplification", func(r traceRow) *float64 { return r.MetadataWA }},
	{"total_write_amplification", func(r traceRow) *float64 { return r.TotalWA }},
	{"cache_hits", func(r traceRow) *float64 { return number(r.Hits) }},
	{"written_sectors", func(r traceRow) *float64 { return number(r.Written) }},
	{"dirty_sectors", func(r traceRow) *float64 { return number(r.Dirty) }},
	{"bypassed_sectors", func(r traceRow) *float64 { return number(r.BypassedSectors) }},
}

func number(n uint64) *float64 {
	f := float64(n)
	return &f
}

// metricOf is the one of a name, or nil.
func metricOf(name string) func(traceRow) *float64 {
	for _, m := range metrics {
		if m.name == name {
			return m.of
		}
	}
	return nil
}

func metricNames() (names []string) {
	for _, m := range metrics {
		names = append(names, m.name)
	}
	return names
}
