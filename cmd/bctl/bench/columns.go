// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"fmt"
	"slices"
	"strconv"

	"bctl/cmd/bctl/app"
	"bctl/internal/ui/render"
)

// A column of alloc-bench: raw numbers for CSV, and for people as they read them.
func numeric[T any](name string, raw func(T) string, cell func(T) string) render.Column[T] {
	if cell == nil {
		cell = raw
	}
	return render.Column[T]{Name: name, Num: true, Cell: cell, Raw: raw}
}

func count[T any](name string, of func(T) uint64) render.Column[T] {
	return numeric(name, func(r T) string { return strconv.FormatUint(of(r), 10) }, nil)
}

// quotient is a ratio with four digits behind the point for people, and - where there is none.
func quotient[T any](name string, of func(T) *float64) render.Column[T] {
	show := func(format byte, digits int, none string) func(T) string {
		return func(r T) string {
			if of(r) == nil {
				return none
			}
			return strconv.FormatFloat(*of(r), format, digits, 64)
		}
	}
	return numeric(name, show('g', -1, ""), show('f', 4, "-"))
}

// onlyRaw is a column for scripts.
func onlyRaw[T any](c render.Column[T]) render.Column[T] {
	c.Cell = nil
	return c
}

// countColumns are those of allocCounts.
func countColumns[T any](of func(T) allocCounts) []render.Column[T] {
	return []render.Column[T]{
		count("invalidated_buckets", func(r T) uint64 { return of(r).Invalidated }),
		count("live_sectors_thrown_away", func(r T) uint64 { return of(r).ThrownAway }),
		count("prio_writes", func(r T) uint64 { return of(r).PrioWrites }),
		count("gc_runs", func(r T) uint64 { return of(r).GCRuns }),
		count("waits_push", func(r T) uint64 { return of(r).Waits.Push }),
		count("waits_gc", func(r T) uint64 { return of(r).Waits.GC }),
		count("waits_prio_blocked", func(r T) uint64 { return of(r).Waits.PrioBlocked }),
		count("waits_bucket", func(r T) uint64 { return of(r).Waits.Bucket }),
		count("reserve_failures", func(r T) uint64 { return of(r).Failures }),
		count("discards", func(r T) uint64 { return of(r).Discards }),
		count("worst_gen_distance", func(r T) uint64 { return uint64(of(r).WorstDistance) }),
	}
}

// benchColumns are those of the benchmark. The bare loop makes no requests.
func benchColumns(bare bool) []render.Column[benchRow] {
	requests := []render.Column[benchRow]{
		count("requests", func(r benchRow) uint64 { return r.Requests }),
		quotient("miss_ratio", func(r benchRow) *float64 { return r.MissRatio }),
	}
	if bare {
		for i := range requests {
			requests[i] = onlyRaw(requests[i])
		}
	}
	columns := []render.Column[benchRow]{
		{Name: "policy", Cell: func(r benchRow) string { return r.Policy }},
		count("buckets", func(r benchRow) uint64 { return uint64(r.Buckets) }),
		count("bucket_sectors", func(r benchRow) uint64 { return uint64(r.BucketSectors) }),
		count("allocations", func(r benchRow) uint64 { return r.Allocations }),
		numeric("allocations_per_second", func(r benchRow) string { return strconv.FormatFloat(r.PerSecond, 'f', 0, 64) }, nil),
		latency("p50_ns", func(l *latencyNS) int64 { return l.P50 }),
		latency("p99_ns", func(l *latencyNS) int64 { return l.P99 }),
		latency("p999_ns", func(l *latencyNS) int64 { return l.P999 }),
		latency("max_ns", func(l *latencyNS) int64 { return l.Max }),
	}
	columns = append(columns, requests...)
	columns = append(columns, countColumns(func(r benchRow) allocCounts { return r.allocCounts })...)
	for i := range columns {
		if !slices.Contains(benchShown, columns[i].Name) {
			columns[i] = onlyRaw(columns[i])
		}
	}
	return columns
}

// benchShown are the columns of the benchmark that people see: those that fit 80 characters.
var benchShown = []string{"policy", "allocations", "allocations_per_second", "p99_ns", "p999_ns", "miss_ratio"}

// latency is a column of nanoseconds, and - where nothing was timed.
func latency(name string, of func(*latencyNS) int64) render.Column[benchRow] {
	show := func(none string) func(benchRow) string {
		return func(r benchRow) string {
			if r.Latency == nil {
				return none
			}
			return strconv.FormatInt(of(r.Latency), 10)
		}
	}
	return numeric(name, show(""), show("-"))
}

// traceColumns are those of --trace. People see what they choose by; scripts get everything.
func traceColumns() []render.Column[traceRow] {
	columns := []render.Column[traceRow]{
		{Name: "policy", Cell: func(r traceRow) string { return r.Policy }},
		numeric("cache_bytes", func(r traceRow) string { return fmt.Sprint(r.CacheBytes) }, func(r traceRow) string { return app.SizeText(r.CacheBytes) }),
		numeric("bucket_bytes", func(r traceRow) string { return fmt.Sprint(r.BucketBytes) }, func(r traceRow) string { return r.orNone(app.SizeText(r.BucketBytes)) }),
		onlyRaw(count("buckets", func(r traceRow) uint64 { return uint64(r.Buckets) })),
		count("requests", func(r traceRow) uint64 { return r.Requests }),
		onlyRaw(count("reads", func(r traceRow) uint64 { return r.Reads })),
		onlyRaw(count("writes", func(r traceRow) uint64 { return r.Writes })),
		onlyRaw(count("trims", func(r traceRow) uint64 { return r.Trims })),
		quotient("read_miss_ratio", func(r traceRow) *float64 { return r.ReadMissRatio }),
		quotient("write_miss_ratio", func(r traceRow) *float64 { return r.WriteMissRatio }),
		quotient("miss_ratio", func(r traceRow) *float64 { return r.MissRatio }),
		quotient("byte_miss_ratio", func(r traceRow) *float64 { return r.ByteMissRatio }),
		onlyRaw(count("bypassed", func(r traceRow) uint64 { return r.Bypassed })),
		onlyRaw(count("cache_hits", func(r traceRow) uint64 { return r.Hits })),
		onlyRaw(count("cache_misses", func(r traceRow) uint64 { return r.Misses })),
		onlyRaw(count("cache_bypass_hits", func(r traceRow) uint64 { return r.BypassHits })),
		onlyRaw(count("cache_bypass_misses", func(r traceRow) uint64 { return r.BypassMisses })),
		onlyRaw(count("bypassed_sectors", func(r traceRow) uint64 { return r.BypassedSectors })),
		onlyRaw(count("written_sectors", func(r traceRow) uint64 { return r.Written })),
		{Name: "written", Num: true, Cell: func(r traceRow) string { return r.orNone(app.Human(r.Written)) }, Raw: func(r traceRow) string { return strconv.FormatUint(r.Written*512, 10) }},
		{Name: "spread", Num: true, Cell: func(r traceRow) string { return r.spreadText("-") }, Raw: func(r traceRow) string { return r.spreadText("") }},
		onlyRaw(count("btree_written_sectors", func(r traceRow) uint64 { return r.BtreeWritten })),
		onlyRaw(count("metadata_written_sectors", func(r traceRow) uint64 { return r.MetadataWritten })),
		onlyRaw(count("dirty_sectors", func(r traceRow) uint64 { return r.Dirty })),
		count("buckets_allocated", func(r traceRow) uint64 { return r.Allocated }),
	}
	for _, c := range countColumns(func(r traceRow) allocCounts { return r.allocCounts }) {
		if c.Name != "invalidated_buckets" && c.Name != "gc_runs" {
			c = onlyRaw(c)
		}
		columns = append(columns, c)
	}
	return append(columns,
		onlyRaw(count("data_sectors", func(r traceRow) uint64 { return r.DataSectors })),
		onlyRaw(count("journal_sectors", func(r traceRow) uint64 { return r.JournalSectors })),
		onlyRaw(count("btree_sectors", func(r traceRow) uint64 { return r.BtreeSectors })),
		onlyRaw(count("prio_sectors", func(r traceRow) uint64 { return r.PrioSectors })),
		onlyRaw(count("written_back_sectors", func(r traceRow) uint64 { return r.WrittenBack })),
		quotient("metadata_write_amplification", func(r traceRow) *float64 { return r.MetadataWA }),
		quotient("total_write_amplification", func(r traceRow) *float64 { return r.TotalWA }),
	)
}
