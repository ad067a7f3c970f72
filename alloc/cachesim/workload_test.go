// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"bctl/alloc"
	"bctl/alloc/blktrace"
)

func newWorkload(t *testing.T, c WorkloadConfig) *Workload {
	t.Helper()
	w, err := NewWorkload(c)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Every workload stays within its volumes, writes as often as it is told, and repeats.
func TestWorkloads(t *testing.T) {
	const n = 20_000
	for _, kind := range WorkloadKinds {
		c := WorkloadConfig{Kind: kind, Sectors: 1 << 20, WriteRatio: 0.25, Streams: 3, Seed: 5, Theta: 0.9}
		a, b := make([]blktrace.Request, n), make([]blktrace.Request, n)
		w := newWorkload(t, c)
		w.Fill(a)
		newWorkload(t, c).Fill(b)
		writes, volumes := 0, map[uint32]int{}
		for i, q := range a {
			if q != b[i] {
				t.Fatalf("%s: request %d is %+v and %+v", kind, i, q, b[i])
			}
			if q.Sectors == 0 || q.Sector+uint64(q.Sectors) > w.each {
				t.Fatalf("%s: %+v, a volume has %d sectors", kind, q, w.each)
			}
			if q.Op == blktrace.Write {
				writes++
			}
			volumes[q.Volume]++
		}
		if math.Abs(float64(writes)/n-0.25) > 0.02 || len(volumes) != 3 {
			t.Errorf("%s: %d writes of %d, volumes %v", kind, writes, n, volumes)
		}
	}
}

// The first ranks of zipf come as often as 1 / i^theta says.
func TestZipf(t *testing.T) {
	const draws, n, theta = 400_000, 1 << 22, 0.8
	z := newZipf(n, theta)
	exact := 0.0
	for i := 1; i <= n; i++ {
		exact += math.Pow(float64(i), -theta)
	}
	if math.Abs(z.zeta/exact-1) > 1e-6 {
		t.Errorf("zeta is %v, want %v", z.zeta, exact)
	}
	rng := alloc.SplitMix64(1)
	counts := map[uint64]int{}
	for range draws {
		counts[z.rank(float64(rng.Next()>>11)/(1<<53))]++
	}
	for rank := range uint64(2) { // the others are approximate
		want := math.Pow(float64(rank+1), -theta) / exact * draws
		if got := float64(counts[rank]); math.Abs(got-want) > 5*math.Sqrt(want) {
			t.Errorf("rank %d: drawn %v times, want about %.0f", rank, got, want)
		}
	}
}

func TestWorkloadErrors(t *testing.T) {
	for _, c := range []WorkloadConfig{
		{Kind: "zipf", Streams: 1, Theta: 1},
		{Kind: "zipf", Streams: 1, Theta: math.NaN()},
		{Streams: 0},
		{Streams: 1, WriteRatio: 1.1},
		{Streams: 1, WriteRatio: math.NaN()},
		{Streams: 1 << 20},
	} {
		if _, err := NewWorkload(c); !errors.Is(err, errWorkload) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// A histogram tells what was put in, to a thirty-second.
func TestHistogram(t *testing.T) {
	var h Histogram
	if h.Quantile(0.5) != 0 || h.Max() != 0 {
		t.Error("an empty one tells times")
	}
	for v := uint64(1); v < 1<<60; v = v*5/4 + 1 {
		if f := floor(bin(v)); f > v || float64(v-f) > float64(v)/32 {
			t.Errorf("%d is counted as %d", v, f)
		}
	}
	for i := range 1000 {
		h.Add(time.Duration(i + 1))
	}
	h.Add(time.Second)
	for q, want := range map[float64]time.Duration{0.5: 501, 0.99: 991, 1: time.Second} {
		if got := h.Quantile(q); got > want || float64(want-got) > float64(want)/32 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if h.Count() != 1001 || h.Max() != time.Second {
		t.Errorf("%d, at most %v", h.Count(), h.Max())
	}
}

// A device that is all dirty gives nothing, and says so instead of running for ever.
func TestStuck(t *testing.T) {
	cfg := config(alloc.LRU, 600, 16)
	d := &Device{Buckets: make([]alloc.Bucket, 600)}
	for i := range d.Buckets {
		d.Buckets[i] = alloc.Bucket{Prio: 1, Mark: alloc.MarkDirty, Used: 16}
		if i < 40 {
			d.Buckets[i] = alloc.Bucket{}
		}
	}
	for _, leave := range []bool{false, true} {
		l, err := NewBare(cfg.Alloc, "ties", 1, d)
		if err != nil {
			t.Fatal(err)
		}
		if leave {
			l.LeavePointers(d)
		}
		b := Bench{Ops: 1 << 20, Tick: func(int64) {}}
		if _, err := b.Loop(context.Background(), l); leave && !errors.Is(err, ErrStuck) || err != nil && !errors.Is(err, ErrStuck) {
			t.Errorf("pointers left %v: %v", leave, err)
		}
	}
	s, err := NewFrom(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorkload(t, WorkloadConfig{Kind: "uniform", Sectors: 1 << 16, WriteRatio: 0.5, Streams: 1})
	batch := make([]blktrace.Request, 20_000)
	w.Fill(batch)
	if err := s.Do(batch); err != nil {
		t.Fatal(err)
	}
	if f := s.Figures(); f.Bypassed+f.NoRoom == 0 {
		t.Errorf("every request found room: %+v", f)
	}
}

// What cannot be modelled is refused before memory is asked for it.
func TestConfigErrors(t *testing.T) {
	for _, change := range []func(*Config){
		func(c *Config) { c.WritebackPercent = 41 },
		func(c *Config) { c.PrioWrite = -1 },
		func(c *Config) { c.Alloc.NBuckets = 5 },
		func(c *Config) { c.Alloc.NBuckets, c.Alloc.BucketSize = 1<<28, 1<<20 },
		func(c *Config) { c.Alloc.BucketSize = 3 },
	} {
		cfg := config(alloc.LRU, 600, 16)
		change(&cfg)
		if _, err := New(cfg); !errors.Is(err, alloc.ErrConfig) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}
