// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
	"bctl/internal/lab/imgtest"
)

const traceDir = "../../testdata/traces"

func traceFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trace")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The golden traces through the command: the format is found, every request counted.
func TestTraceFormats(t *testing.T) {
	wants, err := filepath.Glob(filepath.Join(traceDir, "*.want"))
	if err != nil || len(wants) < 7 {
		t.Fatalf("%d traces, %v", len(wants), err)
	}
	for _, want := range wants {
		lines, err := os.ReadFile(want)
		if err != nil {
			t.Fatal(err)
		}
		path := strings.TrimSuffix(want, ".want")
		if _, err := os.Stat(path); err != nil {
			path += ".zst"
		}
		rows := benchResults(t, "--trace", path, "--policy", "all")
		for _, r := range rows {
			if n := bytes.Count(lines, []byte("\n")); r["requests"] != float64(n) {
				t.Errorf("%s: %v requests, want %d", want, r["requests"], n)
			}
		}
		if len(rows) != 3 {
			t.Errorf("%s: %d rows", want, len(rows))
		}
	}
}

// A trace whose figures can be told by hand.
func TestTraceByHand(t *testing.T) {
	path := traceFile(t, `fio version 2 iolog
a add
a read 0 4096
a read 0 4096
a write 4096 4096
a write 0 8192
a read 0 16384
a trim 0 4096
a read 0 4096
`)
	r := benchResults(t, "--trace", path, "--buckets", "600", "--bucket", "16k", "--prio-write-ms", "0")[0]
	for key, want := range map[string]float64{
		"requests": 7, "reads": 4, "writes": 2, "trims": 1, "bypassed": 1,
		"read_miss_ratio":  3.0 / 4,  // the first, the one of 16 KiB, the one behind the trim
		"write_miss_ratio": 1.0 / 2,  // the second one finds all of its blocks
		"miss_ratio":       4.0 / 6,  //
		"byte_miss_ratio":  5.0 / 10, // blocks: 1, 0, 1, 0, 2, 1 of 1, 1, 1, 2, 4, 1
		"data_sectors":     8 * 7,    // 1 + 1 + 2 + 2 + 1 blocks
		"buckets":          600, "bucket_bytes": 16384, "cache_bytes": 600 * 16384,
		"live_sectors_thrown_away": 0, "written_back_sectors": 0,
	} {
		if r[key] != want {
			t.Errorf("%s is %v, want %v", key, r[key], want)
		}
	}
}

// Rows come in the order of the flags, whoever is done first, and repeat.
func TestTraceRows(t *testing.T) {
	var b strings.Builder
	b.WriteString("fio version 3 iolog\n")
	x := uint32(1)
	for i := range 20000 {
		x = x*1664525 + 1013904223
		op := [...]string{"read", "read", "write"}[i%3]
		fmt.Fprintf(&b, "%d a %s %d 4096\n", i*100, op, x>>19<<12)
	}
	path := traceFile(t, b.String())
	args := []string{"--trace", path, "--policy", "all", "--bucket", "16k,32k", "--cache-size", "20M,64M"}
	rows := benchResults(t, args...)
	if len(rows) != 12 {
		t.Fatalf("%d rows", len(rows))
	}
	var order []string
	for _, r := range rows {
		order = append(order, fmt.Sprint(r["policy"], " ", r["bucket_bytes"], " ", r["cache_bytes"]))
	}
	if order[0] != "lru 16384 2.097152e+07" || order[1] != "lru 16384 6.7108864e+07" || order[2] != "lru 32768 2.097152e+07" || order[4] != "fifo 16384 2.097152e+07" {
		t.Errorf("rows are %q", order)
	}
	if again := benchResults(t, args...); asJSON(t, rows) != asJSON(t, again) {
		t.Error("a second run has other figures")
	}
	small, large := rows[0]["miss_ratio"].(float64), rows[1]["miss_ratio"].(float64)
	if small <= large || large == 0 {
		t.Errorf("a cache of 20M misses %v, one of 64M %v", small, large)
	}
	if got := benchResults(t, append(args, "--ops", "100", "--warmup", "40")...); got[0]["requests"] != 60.0 {
		t.Errorf("%v requests of 100, the first 40 uncounted", got[0]["requests"])
	}
}

func TestTracePlot(t *testing.T) {
	dir := t.TempDir()
	for name, begins := range map[string]string{"a.svg": "<?xml", "a.png": "\x89PNG"} {
		path := filepath.Join(dir, name)
		got := bctl("alloc-bench", "--trace", filepath.Join(traceDir, "msr.csv"), "--policy", "all", "--cache-size", "512M,1G", "--plot", path)
		text, err := os.ReadFile(path)
		if got.Code != 0 || err != nil || !strings.HasPrefix(string(text), begins) {
			t.Errorf("%s: exit %d, said %q, %v, %.20q", name, got.Code, got.Stderr, err, text)
		}
	}
	apptest.WantLine(t, "gif", bctl("alloc-bench", "--trace", "x", "--plot", "a.gif"), app.ExitUsage, "a.gif")
	bad := filepath.Join(dir, "no", "a.svg")
	apptest.WantLine(t, "no folder", bctl("alloc-bench", "--trace", filepath.Join(traceDir, "msr.csv"), "--plot", bad), app.ExitCannot, bad)
}

// A trace on a device starts from its buckets, and leaves it alone.
func TestTraceDevice(t *testing.T) {
	img := imgtest.Open(t, "writeback-dirty")
	before := img.Sum()
	r := benchResults(t, "--trace", filepath.Join(traceDir, "fio-v3.log"), img.Cache)[0]
	if r["requests"] != 5.0 || img.Sum() != before {
		t.Errorf("%v, or the device was changed", r)
	}
}

func TestTraceErrors(t *testing.T) {
	path := traceFile(t, "fio version 2 iolog\na read 0 4096\na fly 0 4096\n")
	apptest.WantLine(t, "bad line", bctl("alloc-bench", "--trace", path), app.ExitCannot, path, "line 3", "fly")
	apptest.WantLine(t, "several jobs", bctl("alloc-bench", "--trace", path, "--policy", "all"), app.ExitCannot, path, "line 3", "fly")
	apptest.WantLine(t, "other format", bctl("alloc-bench", "--trace", path, "--trace-format", "msr"), app.ExitCannot, path, "line 1", "columns")
	apptest.WantLine(t, "no format", bctl("alloc-bench", "--trace", traceFile(t, "well\n")), app.ExitCannot, "--trace-format")
	apptest.WantLine(t, "format's name", bctl("alloc-bench", "--trace", path, "--trace-format", "lcz"), app.ExitUsage, "lcz")
	missing := filepath.Join(t.TempDir(), "missing")
	apptest.WantLine(t, "missing", bctl("alloc-bench", "--trace", missing), app.ExitCannot, missing)
	apptest.WantLine(t, "directory", bctl("alloc-bench", "--trace", filepath.Dir(missing)), app.ExitCannot, filepath.Dir(missing))
	apptest.WantLine(t, "small", bctl("alloc-bench", "--trace", path, "--cache-size", "1M"), app.ExitUsage, "1M", "513")
	apptest.WantLine(t, "workload", bctl("alloc-bench", "--trace", path, "--workload", "uniform"), app.ExitUsage, "--workload")
}

// What a trace's writer left in it is skipped and said once, and a cache that never filled too; --quiet says neither.
func TestTraceNotes(t *testing.T) {
	path := traceFile(t, "fio version 3 iolog\n1 a read 0 4096\n2 a sync 0 0\n3 a write 8192 40")
	args := []string{"alloc-bench", "--trace", path, "--policy", "all", "--cache-size", "128M", "--bucket", "128k"}
	got := bctl(args...)
	if got.Code != 0 || strings.Count(got.Stderr, "skipped") != 1 || !strings.Contains(got.Stderr, "1 flush, which moves no data (line 3)") ||
		!strings.Contains(got.Stderr, "3 of 3 caches never filled") || !strings.Contains(got.Stderr, "128M with lru") {
		t.Errorf("exit %d, said %q", got.Code, got.Stderr)
	}
	if got := bctl(append(args, "--quiet")...); got.Code != 0 || got.Stderr != "" {
		t.Errorf("--quiet: exit %d, said %q", got.Code, got.Stderr)
	}
	for _, n := range []string{"2", "3"} {
		apptest.WantLine(t, "warmup", bctl("alloc-bench", "--trace", path, "--warmup", n), app.ExitUsage, "--warmup", "2 requests")
	}
}

// Several files are one trace, whatever their formats and names.
func TestTraceFiles(t *testing.T) {
	odd := filepath.Join(t.TempDir(), "a, b")
	b, err := os.ReadFile(filepath.Join(traceDir, "msr.csv"))
	if err == nil {
		err = os.WriteFile(odd, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	one := benchResults(t, "--trace", odd)[0]["requests"].(float64)
	two := benchResults(t, "--trace", odd, "--trace", filepath.Join(traceDir, "fio-v3.log"))[0]["requests"]
	if two != one+5 {
		t.Errorf("%v requests, want %v", two, one+5)
	}
	bad := traceFile(t, "fio version 2 iolog\na fly 0 4096\n")
	apptest.WantLine(t, "bad second", bctl("alloc-bench", "--trace", odd, "--trace", bad), app.ExitCannot, bad, "line 2", "fly")
	apptest.WantLine(t, "twice stdin", bctl("alloc-bench", "--trace", "-", "--trace", "-"), app.ExitUsage, "-")
}

// A trace may come by a pipe, and be read for several rows.
func TestTraceStdin(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(traceDir, "fio-v3.log"))
	if err != nil {
		t.Fatal(err)
	}
	go func() { w.Write(b); w.Close() }()
	old := os.Stdin
	os.Stdin = r
	defer func() { os.Stdin = old; r.Close() }()
	for _, row := range benchResults(t, "--trace", "-", "--policy", "all") {
		if row["requests"] != 5.0 {
			t.Errorf("%v", row)
		}
	}
}
