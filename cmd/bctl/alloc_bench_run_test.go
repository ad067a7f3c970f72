// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/lab/imgtest"
)

// benchResults runs alloc-bench with --json and returns its rows without the times, which differ from run to run.
func benchResults(t *testing.T, args ...string) []map[string]any {
	t.Helper()
	got := bctl(append([]string{"alloc-bench", "--json", "--quiet"}, args...)...)
	if got.Code != 0 || got.Stderr != "" {
		t.Fatalf("%v: exit %d, said %q", args, got.Code, got.Stderr)
	}
	var object struct {
		Results []map[string]any `json:"results"`
	}
	if err := json.Unmarshal([]byte(got.Stdout), &object); err != nil || len(object.Results) == 0 {
		t.Fatalf("%v: %v in %s", args, err, got.Stdout)
	}
	checkKeys(t, strings.Join(args, " "), map[string]any{"results": any(toAny(object.Results))})
	for _, row := range object.Results {
		delete(row, "allocations_per_second")
		delete(row, "latency_ns")
	}
	return object.Results
}

func toAny(rows []map[string]any) (list []any) {
	for _, r := range rows {
		list = append(list, r)
	}
	return list
}

func asJSON(t *testing.T, x any) string {
	t.Helper()
	b, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every workload gives the same counts for the same seed, and others for another.
func TestBenchRepeats(t *testing.T) {
	small := []string{"--buckets", "1024", "--bucket", "16k", "--ops", "20000", "--policy", "all"}
	for _, load := range []string{
		"alloc", "alloc --prios random", "alloc --prios rescale", "sequential --streams 3", "uniform", "zipf:0.8", "mixed --cache-mode writeback",
	} {
		args := append(append([]string{"--workload"}, strings.Fields(load)...), small...)
		first := benchResults(t, args...)
		if again := benchResults(t, args...); asJSON(t, first) != asJSON(t, again) {
			t.Errorf("%s: %v\nand then\n%v", load, first, again)
		}
		if len(first) != 3 || first[0]["policy"] != "lru" || first[2]["policy"] != "random" {
			t.Errorf("%s: rows %v", load, first)
		}
		for _, r := range first {
			if r["allocations"].(float64) == 0 || r["invalidated_buckets"].(float64) == 0 || r["prio_writes"].(float64) == 0 {
				t.Errorf("%s: nothing happened: %v", load, r)
			}
		}
		other := benchResults(t, append(args, "--seed", "7")...)
		if load == "uniform" && asJSON(t, first) == asJSON(t, other) {
			t.Errorf("%s: the seed changes nothing", load)
		}
	}
}

func TestBenchSeconds(t *testing.T) {
	rows := benchResults(t, "--seconds", "0.02", "--buckets", "600")
	if rows[0]["allocations"].(float64) < 1 {
		t.Errorf("%v", rows)
	}
}

func TestBenchFormats(t *testing.T) {
	args := []string{"alloc-bench", "--ops", "1000", "--buckets", "600", "--policy", "lru,fifo"}
	table, csv := bctl(args...), bctl(append(args, "--csv")...)
	if table.Code != 0 || !strings.Contains(table.Stdout, "p999_ns") || !strings.Contains(table.Stdout, "\nfifo") {
		t.Errorf("exit %d, %s", table.Code, table.Stdout)
	}
	if lines := strings.Count(csv.Stdout, "\n"); csv.Code != 0 || lines != 3 {
		t.Errorf("exit %d, %d lines of CSV: %s", csv.Code, lines, csv.Stdout)
	}
}

func TestBenchBadFlags(t *testing.T) {
	for _, test := range []struct{ args, says string }{
		{"--policy mru", "mru"},
		{"--buckets 12", "513"},
		{"--buckets x", "--buckets"},
		{"--bucket 3k", "power of two"},
		{"--bucket 512k,1M", "--trace"},
		{"--ops 0", "--ops \"0\": not a whole number from 1"},
		{"--ops 5 --seconds 1", "--seconds"},
		{"--seconds -1", "--seconds"},
		{"--workload nosuch", "nosuch"},
		{"--workload zipf:1", "THETA"},
		{"--workload uniform:0.5", "THETA"},
		{"--workload uniform --prios ties", "--prios"},
		{"--prios hot", "hot"},
		{"--workload uniform --write-ratio 1.5", "--write-ratio"},
		{"--write-ratio 0.5", "--workload alloc"},
		{"--workload mixed --streams 0", "--streams"},
		{"--workload mixed --cache-mode writeback --writeback-percent 41", "--writeback-percent"},
		{"--workload mixed --writeback-percent 5", "--cache-mode writeback"},
		{"--workload mixed --cache-mode fast", "fast"},
		{"--workload mixed --sequential-cutoff 4G", "--sequential-cutoff"},
		{"--workload mixed --tasks two", "two"},
		{"--sequential-cutoff 4M", "--workload alloc"},
		{"--plot x.svg", "--trace"},
		{"--cache-size 1G", "--trace"},
		{"--model newest", "newest"},
		{"--csv --json", "--csv"},
	} {
		apptest.WantLine(t, test.args, bctl(append([]string{"alloc-bench"}, strings.Fields(test.args)...)...), app.ExitUsage, test.says)
	}
}

// A device is where the model starts from, and is only read.
func TestBenchDevice(t *testing.T) {
	for _, name := range imgtest.Names(t) {
		img := imgtest.Open(t, name)
		before := img.Sum()
		for _, load := range []string{"alloc", "zipf"} {
			rows := benchResults(t, "--workload", load, "--policy", "all", "--ops", "5000", "--warmup", "0", img.Cache)
			for _, r := range rows {
				if r["allocations"].(float64) == 0 {
					t.Errorf("%s, %s: nothing happened: %v", name, load, r)
				}
			}
		}
		if img.Sum() != before {
			t.Errorf("%s: the device was changed", name)
		}
	}
	img := imgtest.Open(t, "empty-registered").Cache
	apptest.WantLine(t, "buckets of its own", bctl("alloc-bench", "--buckets", "1024", img), app.ExitUsage, "--buckets")
	missing := filepath.Join(t.TempDir(), "missing")
	apptest.WantLine(t, "missing", bctl("alloc-bench", missing), app.ExitCannot, missing)
}

// What was interrupted says so, in every mode.
func TestBenchInterrupted(t *testing.T) {
	img := imgtest.Open(t, "writeback-dirty")
	before := img.Sum()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, args := range [][]string{
		{}, {"--workload", "zipf"}, {"--trace", filepath.Join(traceDir, "msr.csv")}, {img.Cache}, {"--commit", img.Cache},
	} {
		var stdout, stderr bytes.Buffer
		code := run(ctx, append([]string{"bctl", "alloc-bench"}, args...), &stdout, &stderr)
		apptest.WantLine(t, strings.Join(args, " "), apptest.Result{Code: code, Stdout: stdout.String(), Stderr: stderr.String()}, app.ExitInterrupted, "interrupted")
	}
	if img.Sum() != before {
		t.Error("the image was changed")
	}
}
