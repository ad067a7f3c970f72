// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"bctl/internal/lab/workloads"
)

// A predicted workload is one whose counters alloc-bench predicts.
type predicted struct {
	name string
	workloads.Said
}

// quick are one workload of each kind, short.
func quick() (list []predicted) {
	for i, w := range []struct{ kind, policy, mode string }{
		{"read", "lru", "writethrough"},
		{"read4k", "fifo", "writethrough"},
		{"mixed", "lru", "writeback"},
		{"scan", "random", "writethrough"},
		{"streams", "lru", "writethrough"},
		{"loop", "fifo", "writethrough"},
	} {
		list = append(list, predicted{w.kind, workloads.Said{
			Kind: w.kind, Seed: uint64(51 + i), N: 4000, Policy: w.policy, Bucket: "64k", Size: "40M", Mode: w.mode, Cutoff: "default",
		}})
	}
	return list
}

// TestPredict replays workloads on a kernel and sets its counters beside what alloc-bench says. With
// BCTL_KERNEL_PREDICT=all it is every workload of testdata/predict.
func TestPredict(t *testing.T) {
	t.Parallel()
	all := os.Getenv("BCTL_KERNEL_PREDICT") == "all"
	each(t, func(t *testing.T, k Kernel) {
		if !all {
			predict(t, k, quick())
			return
		}
		names, err := filepath.Glob("../../testdata/predict/*.txt")
		if err != nil || len(names) == 0 {
			t.Fatal("no workloads", err)
		}
		for _, name := range names {
			said, err := workloads.ReadSaid(name)
			if err != nil {
				t.Fatal(err)
			}
			if said.Kind == "loop" && said.Policy != "random" && k.Series == "6.1" {
				continue // what it hits goes by how many requests come in a gc, see docs/alloc.md
			}
			predict(t, k, []predicted{{strings.TrimSuffix(filepath.Base(name), ".txt"), *said}})
		}
	})
}

// predict replays workloads in one boot, each on a set of its own.
func predict(t *testing.T, k Kernel, list []predicted) {
	dir := t.TempDir()
	var disks []Disk
	var script strings.Builder
	for i := range list {
		p := &list[i]
		p.Series = k.Series
		c := formatCase{name: p.name, block: "4k", bucket: p.Bucket, policy: p.Policy, size: bytesOf(t, p.Size), backing: 300 * mib}
		sub := filepath.Join(dir, p.name)
		if err := os.Mkdir(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		f := &formatted{formatCase: &c}
		f.cache, f.back = c.make(t, sub)
		ops := filepath.Join(sub, "ops")
		p.writeOps(t, ops)
		disks = append(append(disks, f.disks(false)...), Disk{Name: fmt.Sprintf("o%d", i), Path: ops})
		fmt.Fprintf(&script, "register %[1]s %[2]s\nattach %[2]s %[1]s\nreplay %[1]s %[2]s o%[3]d %[4]s %[5]s\n", c.cacheDisk(), c.backDisk(), i, p.Cutoff, p.Mode)
	}
	script.WriteString("sleep 15\n")
	for i := range list {
		fmt.Fprintf(&script, "counters c.%[1]s b.%[1]s\n", list[i].name)
	}
	script.WriteString("klog\n")
	facts := Boot{Kernel: k, Disks: disks, Script: script.String(), Timeout: 15 * time.Minute}.Run(t).Case("")
	for i := range list {
		list[i].compare(t, dir, facts, len(list) > 1)
	}
}

// writeOps writes what the guest replays, and the trace beside it.
func (p *predicted) writeOps(t *testing.T, path string) {
	t.Helper()
	ops, err := workloads.Make(p.Kind, p.Seed, p.N)
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	for i, op := range ops {
		place := op.Offset << 1
		if op.Write {
			place |= 1
		}
		for _, v := range []uint64{place, op.Length, uint64(i * p.Gap)} {
			b = binary.LittleEndian.AppendUint64(b, v)
		}
	}
	b = append(b, make([]byte, 24+4096-(len(b)+24)%4096)...)
	log, err := os.Create(path + ".log")
	if err == nil {
		err = workloads.WriteFio(log, ops, p.Gap)
	}
	if err != nil || log.Close() != nil || os.WriteFile(path, b, 0o644) != nil {
		t.Fatal("cannot write the requests", err)
	}
}

// compare holds the kernel's counters against alloc-bench's row. Short runs are less sure than long ones.
func (p *predicted) compare(t *testing.T, dir string, facts *Case, short bool) {
	t.Helper()
	fact := func(key string) float64 {
		text := facts.Fact(key + ".b." + p.name)
		unit := 1.0
		if i := strings.IndexAny(text, "kMG"); i > 0 {
			unit = math.Pow(1024, float64(1+strings.IndexByte("kMG", text[i])))
			text = text[:i]
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Errorf("%s: %s is %q", p.name, key, facts.Fact(key+".b."+p.name))
		}
		return v * unit
	}
	args := []string{
		"alloc-bench", "--json", "--trace", filepath.Join(dir, p.name, "ops.log"), "--policy", p.Policy, "--bucket", p.Bucket,
		"--cache-size", p.Size, "--cache-mode", p.Mode, "--model", p.Series,
		"--prio-write-ms", "3", // the guest replays from one thread, which is held up for no longer
	}
	if p.Cutoff != "default" {
		args = append(args, "--sequential-cutoff", p.Cutoff)
	}
	if p.Gap == 0 {
		var n, ms float64
		if _, err := fmt.Sscan(facts.Fact("replayed.b."+p.name), &n, &ms); err != nil || ms == 0 {
			t.Fatalf("%s: replayed %q", p.name, facts.Fact("replayed.b."+p.name))
		}
		args = append(args, "--rate", strconv.Itoa(max(1, int(1000*n/ms))))
	}
	var out struct{ Results []map[string]any }
	bctlJSON(t, &out, args...)
	got := func(key string) float64 { v, _ := out.Results[0][key].(float64); return v }
	reads := fact("cache_hits") + fact("cache_misses") + fact("cache_bypass_hits") + fact("cache_bypass_misses")
	hits := 100 * (got("cache_hits") - fact("cache_hits")) / reads
	bypass, model := fact("cache_bypass_hits")+fact("cache_bypass_misses"), got("cache_bypass_hits")+got("cache_bypass_misses")
	written, kernel := 512*got("written_sectors"), fact("written")
	t.Logf("%s on %s: hits off by %+.2f points, bypassed %v, kernel %v, written %+.1f %%", p.name, p.Series, hits, model, bypass, 100*(written-kernel)/kernel)
	points, percent := 2.0, 15.0
	if short {
		points, percent = 3, 25
	}
	if math.Abs(reads-got("reads")) > 0.01*reads || math.Abs(hits) > points || math.Abs(model-bypass) > 0.02*reads || math.Abs(written-kernel) > percent/100*kernel {
		t.Errorf("%s on %s: alloc-bench is off", p.name, p.Series)
	}
}

// bytesOf reads 64k, 64M.
func bytesOf(t *testing.T, s string) int64 {
	n, err := strconv.ParseInt(s[:len(s)-1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n << map[byte]int{'k': 10, 'M': 20}[s[len(s)-1]]
}
