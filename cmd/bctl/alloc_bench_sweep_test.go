// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"bctl/cmd/bctl/app"
	"bctl/cmd/bctl/app/apptest"
)

// popularTrace is requests of 4 KiB of which half go to a tenth of the blocks, by four volumes.
func popularTrace(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("fio version 3 iolog\n")
	x := uint64(1)
	for i := range n {
		x = x*6364136223846793005 + 1442695040888963407
		block := x >> 33 % 60000
		if x>>20&1 == 0 {
			block /= 10
		}
		fmt.Fprintf(&b, "%d v%d %s %d 4096\n", i*20000, x>>60&3, [...]string{"read", "read", "write"}[i%3], block*4096*2)
	}
	return traceFile(t, b.String())
}

// What is shown fits, the best row is marked, and a sentence says what a larger cache would gain.
func TestTraceTable(t *testing.T) {
	path := popularTrace(t, 60000)
	got := bctl("alloc-bench", "--trace", path, "--policy", "lru,fifo,exact-lru,belady", "--bucket", "16k", "--cache-size", "16M,32M,64M,128M")
	if got.Code != 0 {
		t.Fatal(got.Stderr)
	}
	marked := 0
	for _, line := range strings.Split(got.Stdout, "\n") {
		if strings.Contains(line, " * ") {
			marked++
		}
		if f := strings.Fields(line); len(f) > 0 && (f[0] == "lru" || f[0] == "policy") && len(line) > 80 {
			t.Errorf("%d characters: %s", len(line), line)
		}
	}
	if marked != 1 || !strings.Contains(got.Stdout, "advice") || !strings.Contains(got.Stdout, "64M would lose") || !strings.Contains(got.Stdout, "working set") {
		t.Errorf("%d rows are marked:\n%s", marked, got.Stdout)
	}
	if wide := bctl("alloc-bench", "--trace", path, "--wide"); !strings.Contains(wide.Stdout, "waits_push") {
		t.Errorf("--wide shows %s", wide.Stdout)
	}
	two := bctl("alloc-bench", "--trace", path, "--columns", "cache_hits,policy")
	if !strings.Contains(two.Stdout, "cache_hits  policy\n") {
		t.Errorf("--columns shows %s", two.Stdout)
	}
}

// No cache misses less than belady, and none of the kernel's less than exact-lru by much.
func TestTraceReferences(t *testing.T) {
	rows := benchResults(t, "--trace", popularTrace(t, 30000), "--policy", "lru,exact-lru,belady", "--bucket", "16k", "--cache-size", "32M,64M")
	if len(rows) != 6 || rows[2]["policy"] != "exact-lru" || rows[4]["policy"] != "belady" {
		t.Fatalf("%v", rows)
	}
	for i := range 2 {
		lru, exact, best := rows[i]["miss_ratio"].(float64), rows[2+i]["miss_ratio"].(float64), rows[4+i]["miss_ratio"].(float64)
		if !(best <= exact && exact <= lru+0.005) {
			t.Errorf("lru misses %v, exact-lru %v, belady %v", lru, exact, best)
		}
	}
}

// The kernel's counters add up, and those of volumes to those of all.
func TestTraceVolumes(t *testing.T) {
	path := popularTrace(t, 20000)
	requests := 0.0
	for _, volumes := range []string{"0-1", "2", "3-9"} {
		got := bctl("alloc-bench", "--trace", path, "--volumes", volumes, "--json-lines", "--policy", "lru,fifo", "--sequential-cutoff", "0")
		lines := strings.Split(strings.TrimSpace(got.Stdout), "\n")
		if got.Code != 0 || len(lines) != 2 {
			t.Fatalf("exit %d, %s %s", got.Code, got.Stdout, got.Stderr)
		}
		var r map[string]any
		if err := json.Unmarshal([]byte(lines[0]), &r); err != nil {
			t.Fatal(err)
		}
		requests += r["requests"].(float64)
		sum := 0.0
		for _, key := range []string{"cache_hits", "cache_misses", "cache_bypass_hits", "cache_bypass_misses"} {
			sum += r[key].(float64)
		}
		if sum != r["reads"] || r["volumes"] == nil || r["policy"] != "lru" {
			t.Errorf("%s: %v reads in the counters, %v", volumes, sum, r)
		}
	}
	if requests != 20000 {
		t.Errorf("the volumes have %v requests", requests)
	}
}

// A sample says about the same, and how far it may be off; seeds say how far they are apart; sizes follow the working set.
func TestTraceSample(t *testing.T) {
	path := popularTrace(t, 60000)
	args := []string{"--trace", path, "--policy", "lru,fifo", "--bucket", "16k", "--cache-size", "64M,128M"}
	full := benchResults(t, args...)
	sampled := benchResults(t, append(args, "--sample", "0.5")...)
	for i := range full {
		a, b := full[i]["miss_ratio"].(float64), sampled[i]["miss_ratio"].(float64)
		if math.Abs(a-b) > 0.02 || sampled[i]["miss_ratio_error"] == nil || sampled[i]["cache_bytes"] != full[i]["cache_bytes"] || sampled[i]["requests"] != full[i]["requests"] {
			t.Errorf("all miss %v, the sample %v: %v", a, b, sampled[i])
		}
	}
	if again := benchResults(t, append(args, "--sample", "0.5")...); asJSON(t, again) != asJSON(t, sampled) {
		t.Error("a second run has other figures")
	}
	seeds := benchResults(t, "--trace", path, "--policy", "random", "--bucket", "16k", "--cache-size", "64M", "--seeds", "3")
	if low, high := seeds[0]["miss_ratio_min"], seeds[0]["miss_ratio_max"]; len(seeds) != 1 || low == nil || low.(float64) >= high.(float64) {
		t.Errorf("three seeds: %v", seeds)
	}
	auto := benchResults(t, "--trace", path, "--bucket", "16k", "--cache-size", "auto")
	if len(auto) != 6 || auto[5]["cache_bytes"].(float64) < 100<<20 || auto[5]["cache_bytes"].(float64) > 300<<20 {
		t.Errorf("sizes: %v", auto)
	}
	cut := benchResults(t, "--trace", path, "--interval", "7000")
	if n := len(cut[0]["intervals"].([]any)); n != 9 {
		t.Errorf("%d intervals", n)
	}
	if n := len(benchResults(t, "--trace", path, "--interval", "5m")[0]["intervals"].([]any)); n != 4 {
		t.Errorf("%d intervals of five minutes", n)
	}
}

// A sample of everything has the figures of everything, of requests of any place and length; and both sum the trace up.
func TestTraceSampleOfAll(t *testing.T) {
	var b strings.Builder
	b.WriteString("fio version 3 iolog\n")
	x := uint64(1)
	for i := range 20000 {
		x = x*6364136223846793005 + 1442695040888963407
		fmt.Fprintf(&b, "%d v%d %s %d %d\n", i*3000, x>>60&3, [...]string{"read", "read", "write", "trim"}[x>>50%16/5], x>>33%200000*512, (1+x>>20%200)*512)
	}
	path := traceFile(t, b.String())
	for _, mode := range []string{"writethrough", "writeback"} {
		args := []string{"--trace", path, "--policy", "all", "--bucket", "16k", "--cache-size", "32M", "--cache-mode", mode}
		full := benchResults(t, args...)
		all := benchResults(t, append(args, "--sample", "1")...)
		for i := range full {
			if all[i]["miss_ratio_error"] != 0.0 {
				t.Errorf("off by %v", all[i]["miss_ratio_error"])
			}
			delete(all[i], "miss_ratio_error")
			if asJSON(t, all[i]) != asJSON(t, full[i]) {
				t.Errorf("everything:\n%s\na sample of everything:\n%s", asJSON(t, full[i]), asJSON(t, all[i]))
			}
		}
		if full[0]["bypassed"] == 0.0 || full[0]["bypassed"] == full[0]["requests"] {
			t.Errorf("%v bypassed", full[0]["bypassed"])
		}
	}
}

func TestTraceSweepRefused(t *testing.T) {
	for args, says := range map[string]string{
		"--sample 0": "--sample", "--sample 2": "--sample", "--sample 0.5 --interval 5": "--interval", "--volumes 3-1": "3-1", "--interval soon": "soon",
		"--columns none": "none", "--columns policy --wide": "--wide", "--plot-metric seed": "--plot", "--cache-size auto,1G": "auto",
		"--seeds 0": "--seeds", "--writeback-percent 5": "writeback", "--gc-ms -1": "--gc-ms",
	} {
		apptest.WantLine(t, args, bctl(append([]string{"alloc-bench", "--trace", "x"}, strings.Fields(args)...)...), app.ExitUsage, says)
	}
	apptest.WantLine(t, "no trace", bctl("alloc-bench", "--policy", "belady"), app.ExitUsage, "--trace")
	apptest.WantLine(t, "no trace", bctl("alloc-bench", "--sample", "0.5"), app.ExitUsage, "--trace")
}

// A kernel's tracepoints are replayed, and what it did stands beside the model.
func TestTraceCompare(t *testing.T) {
	path := traceDir + "/tracepoints.txt"
	got := bctl("alloc-bench", "--trace", path, "--cache-size", "64M", "--bucket", "64k", "--cache-mode", "writeback", "--compare")
	if got.Code != 0 || !strings.Contains(got.Stdout, "difference") || !strings.Contains(got.Stdout, "cache_misses") || !strings.Contains(got.Stdout, "tracepoints") {
		t.Errorf("exit %d, %s%s", got.Code, got.Stdout, got.Stderr)
	}
	apptest.WantLine(t, "no tracepoints", bctl("alloc-bench", "--trace", traceDir+"/msr.csv", "--compare"), app.ExitUsage, "tracepoints")
}

// What a row is worth is said: advice names nothing that no device can be set to, and no more than a few buckets say little.
func TestTraceAdvice(t *testing.T) {
	path := traceDir + "/fio-v3.log"
	for _, c := range []struct {
		args           string
		stdout, stderr string
	}{
		{"--cache-size 64M --bucket 64k --policy clock,lru", "lru *", "never filled"},
		{"--cache-size 128M --bucket 64k,128k --policy lru", "advice  128M in 64k with lru", ""},
		{"--cache-size 64M --bucket 64k --volumes 9", "lru", "no request is to these volumes"},
		{"--cache-size 64M --bucket 64k --sample 0.01", "±", "a sample with 10 buckets of 64M says little: take --sample 0.016 or more"},
		{"--cache-size 8M --bucket 64k", "", "hint: smaller buckets with --bucket, or a larger --cache-size"},
	} {
		got := bctl(strings.Fields("alloc-bench --trace " + path + " " + c.args)...)
		if got.Code != 0 != (c.stdout == "") || !strings.Contains(got.Stdout, c.stdout) || !strings.Contains(got.Stderr, c.stderr) {
			t.Errorf("%s: exit %d\n%s%s", c.args, got.Code, got.Stdout, got.Stderr)
		}
	}
}
