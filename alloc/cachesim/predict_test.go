// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"bctl/alloc"
	"bctl/alloc/blktrace"
	"bctl/internal/lab/workloads"
)

// A bound is how far a workload may be off: in points of the reads, and in percent.
type bound struct{ hits, bypassed, written, dirty float64 }

// bounds are those of every workload.
var bounds = bound{1.5, 2, 12, 15}

// bytesOf reads 64k, 64M.
func bytesOf(tb testing.TB, s string) int {
	n, err := strconv.Atoi(s[:len(s)-1])
	if err != nil {
		tb.Fatal(err)
	}
	return n << map[byte]int{'k': 10, 'M': 20}[s[len(s)-1]]
}

// configOf is the cache of a recipe.
func configOf(tb testing.TB, said *workloads.Said) Config {
	tb.Helper()
	cfg := DefaultConfig()
	a := &cfg.Alloc
	var err error
	if a.Policy, err = alloc.ParsePolicy(said.Policy); err != nil {
		tb.Fatal(err)
	}
	if cfg.Mode, err = ParseMode(said.Mode); err != nil {
		tb.Fatal(err)
	}
	if a.Model, err = alloc.ParseModel(said.Series); err != nil {
		tb.Fatal(err)
	}
	a.BucketSize = bytesOf(tb, said.Bucket) / sectorBytes
	a.NBuckets = bytesOf(tb, said.Size) / sectorBytes / a.BucketSize
	if said.Cutoff != "default" {
		n, err := strconv.ParseUint(said.Cutoff, 10, 32)
		if err != nil {
			tb.Fatal(err)
		}
		cfg.SequentialCutoff = uint32(n)
	}
	if said.Gap == 0 {
		cfg.Rate, cfg.BySize = 1000, true
	}
	return cfg
}

// predict replays what a kernel was given.
func predict(tb testing.TB, said *workloads.Said, cfg Config) Figures {
	tb.Helper()
	ops, err := workloads.Make(said.Kind, said.Seed, said.N)
	if err != nil {
		tb.Fatal(err)
	}
	s := newSim(tb, cfg)
	batch := make([]blktrace.Request, len(ops))
	for i, op := range ops {
		batch[i] = blktrace.Request{
			Time: uint64(i * said.Gap), Sector: op.Offset / sectorBytes, Sectors: uint32(op.Length / sectorBytes), Task: said.TaskOf(i),
		}
		if op.Write {
			batch[i].Op = blktrace.Write
		}
	}
	if err := s.Do(batch); err != nil {
		tb.Fatal(err)
	}
	return s.Figures()
}

// offBy is in percent.
func offBy(got, want float64) float64 {
	if want == 0 {
		return got
	}
	return 100 * (got - want) / want
}

// Each kernel's counters are met about as closely as kernels meet each other's.
func TestPredict(t *testing.T) {
	names, err := filepath.Glob("../../testdata/predict/*.txt")
	if err != nil || len(names) < 5 {
		t.Fatalf("%d workloads, %v", len(names), err)
	}
	for _, path := range names {
		said, err := workloads.ReadSaid(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		f := predict(t, said, configOf(t, said))
		hits := 100 * (float64(f.CacheHits()) - float64(said.Hits)) / float64(said.Reads())
		bypassed := offBy(float64(f.BypassReads), float64(said.BypassHits+said.BypassMisses))
		written := offBy(float64(f.WrittenSectors()*sectorBytes), said.Written)
		dirty := offBy(float64(f.DirtySector*sectorBytes), said.Dirty)
		t.Logf("%-16s hits %6d, kernel %6d (%+.2f points)  bypassed %5d, %5d (%+.2f %%)  written %5.1f, %5.1f MiB (%+.1f %%)  dirty %4.1f, %4.1f (%+.1f %%)",
			name, f.CacheHits(), said.Hits, hits, f.BypassReads, said.BypassHits+said.BypassMisses, bypassed,
			float64(f.WrittenSectors())/2048, said.Written/(1<<20), written, float64(f.DirtySector)/2048, said.Dirty/(1<<20), dirty)
		b := bounds
		if f.Reads != said.Reads() || math.Abs(hits) > b.hits || math.Abs(bypassed) > b.bypassed || math.Abs(written) > b.written ||
			said.Gap > 0 && math.Abs(dirty) > b.dirty {
			t.Errorf("%s is off", name)
		}
	}
}
