// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bctl/alloc"
	"bctl/alloc/blktrace"
)

func requestsOf(tb testing.TB, kind string, n int, sectors uint64) []blktrace.Request {
	tb.Helper()
	w, err := NewWorkload(WorkloadConfig{Kind: kind, Sectors: sectors, WriteRatio: 0.3, Streams: 2, Seed: 7, Theta: 0.9})
	if err != nil {
		tb.Fatal(err)
	}
	batch := make([]blktrace.Request, n)
	w.Fill(batch)
	return batch
}

// A sample of everything is the whole, and says the same.
func TestWholeSample(t *testing.T) {
	for _, kind := range []string{"zipf", "mixed"} {
		batch := requestsOf(t, kind, 60_000, 1<<21)
		cfg := config(alloc.LRU, 1024, 128)
		cfg.SequentialCutoff, cfg.Mode, cfg.PrioWrite, cfg.GC = 1<<20, Writethrough, 0, 0
		full := newSim(t, cfg)
		if err := full.Do(batch); err != nil {
			t.Fatal(err)
		}
		feed := NewFeed(cfg, whole, 1)
		pieces := make([][]Piece, 1)
		feed.Split(batch, pieces)
		part := newSim(t, cfg.Sample(whole))
		if err := part.DoPieces(pieces[0]); err != nil {
			t.Fatal(err)
		}
		pf, want := part.Figures(), full.Figures()
		got := Share(whole).Estimate(&pf, &feed.Full)
		got.Weights, want.Weights = Weights{}, Weights{}
		if got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", kind, got, want)
		}
	}
}

// A quarter of the blocks misses about as often as all of them do.
func TestSample(t *testing.T) {
	batch := requestsOf(t, "zipf", 300_000, 1<<21)
	for _, policy := range []alloc.Policy{alloc.LRU, alloc.FIFO, alloc.Random} {
		cfg := config(policy, 2048, 128)
		cfg.Mode, cfg.PrioWrite, cfg.GC = Writethrough, 0, 0
		full := newSim(t, cfg)
		if err := full.Do(batch); err != nil {
			t.Fatal(err)
		}
		r, err := NewShare(0.25)
		if err != nil {
			t.Fatal(err)
		}
		feed := NewFeed(cfg, r, 1)
		pieces := make([][]Piece, 2)
		feed.Split(batch, pieces)
		ff := full.Figures()
		for _, p := range pieces {
			s := newSim(t, cfg.Sample(r))
			if err := s.DoPieces(p); err != nil {
				t.Fatal(err)
			}
			f := s.Figures()
			e := r.Estimate(&f, &feed.Full)
			if d := e.MissRatio().Value - ff.MissRatio().Value; math.Abs(d) > 0.03 {
				t.Errorf("%v: the sample misses %.4f, all %.4f", policy, e.MissRatio().Value, ff.MissRatio().Value)
			}
		}
	}
}

// The floors of a small cache do not make its sample a larger one.
func TestSampleSizes(t *testing.T) {
	for _, full := range []int{513, 2048, 1 << 16, 1 << 20} {
		for _, rate := range []float64{0.001, 0.01, 0.1, 0.5, 1} {
			r, err := NewShare(rate)
			if err != nil {
				t.Fatal(err)
			}
			cfg := config(alloc.LRU, full, 1024)
			part := cfg.Sample(r)
			if err := part.Alloc.Validate(); err != nil {
				t.Fatal(err)
			}
			data := float64(part.Alloc.NBuckets - part.Alloc.Overhead())
			want := float64(full-cfg.Alloc.Overhead()) * rate
			if want > 30 && math.Abs(data-want) > 2 {
				t.Errorf("%d buckets, %v: %v buckets for data, want %.0f", full, rate, data, want)
			}
			newSim(t, part)
		}
	}
	for _, bad := range []float64{0, -1, 1.5, math.NaN(), 1e-12} {
		if _, err := NewShare(bad); err == nil {
			t.Errorf("a sample of %v", bad)
		}
	}
}

// The references against models that are slow and plain.
func TestReferences(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var batch []blktrace.Request
	for range 3000 {
		batch = append(batch, blktrace.Request{
			Op: blktrace.Op(r.IntN(20) / 9), Sector: uint64(r.IntN(60) * r.IntN(60) * 4), Sectors: uint32(1 + r.IntN(20)),
		})
	}
	feed := NewFeed(Config{Rate: 1000}, whole, 1)
	pieces := make([][]Piece, 1)
	feed.Split(batch, pieces)
	for _, most := range []int{1, 7, 40, 1000} {
		lru, best := NewExactLRU(uint64(most*sampleBlock)), NewBelady()
		lru.DoPieces(pieces[0])
		best.Add(pieces[0])
		var list []uint64
		misses := uint64(0)
		for _, q := range batch {
			missed := false
			for b := q.Sector / 8; b*8 < q.Sector+uint64(q.Sectors); b++ {
				i := slices.Index(list, b)
				missed = missed || i < 0
				if i >= 0 {
					list = slices.Delete(list, i, i+1)
				}
				if q.Op != blktrace.Trim {
					list = append(list, b)
				}
				if len(list) > most {
					list = list[1:]
				}
			}
			if missed && q.Op == blktrace.Read {
				misses++
			}
		}
		got, least := lru.Figures(), best.Run(uint64(most*sampleBlock))
		if got.ReadMisses != misses {
			t.Errorf("%d blocks: exact-lru misses %d reads, want %d", most, got.ReadMisses, misses)
		}
		if least.ReadMissSectors+least.WriteMissSectors > got.ReadMissSectors+got.WriteMissSectors {
			t.Errorf("%d blocks: belady misses %d sectors, exact-lru %d", most, least.ReadMissSectors+least.WriteMissSectors, got.ReadMissSectors+got.WriteMissSectors)
		}
	}
}

// What a trace is like, exactly while few blocks are in it, and about where there are many.
func TestSummary(t *testing.T) {
	z := NewSummarizer(1000)
	z.Add([]blktrace.Request{
		{Sector: 0, Sectors: 8}, {Sector: 8, Sectors: 8}, {Sector: 4, Sectors: 8, Op: blktrace.Write}, {Op: blktrace.Trim, Sectors: 1 << 30},
	})
	if s := z.Summary(); s.Footprint != 16 || s.Accesses != 4 || s.Sequential != 1 || s.Reuse().Value != 0.5 || s.Requests() != 4 || s.ReadSectors != 16 {
		t.Errorf("%+v", s)
	}
	const n = 3 << 20
	batch := make([]blktrace.Request, n)
	for i := range batch {
		batch[i] = blktrace.Request{Sector: uint64(i) * 8, Sectors: 8}
	}
	z = NewSummarizer(1000)
	z.Add(batch)
	if s := z.Summary(); math.Abs(float64(s.Footprint)/(8*n)-1) > 0.01 || s.Sequential != n-1 {
		t.Errorf("%+v", s)
	}
}

// A Sim that follows streams sums a trace up as a Summarizer by itself does.
func TestSummarizerOfSim(t *testing.T) {
	cfg := config(alloc.LRU, 1024, 128)
	cfg.Mode, cfg.SequentialCutoff = Writethrough, 4<<20
	s := newSim(t, cfg)
	if s.Summarizer().of != s {
		t.Fatal("streams are followed twice")
	}
	alone, beside := NewSummarizer(1000), s.Summarizer()
	w, err := NewWorkload(WorkloadConfig{Kind: "mixed", Sectors: 1 << 22, WriteRatio: 0.3, Streams: 3, Seed: 1, Theta: 0.9})
	if err != nil {
		t.Fatal(err)
	}
	batch := make([]blktrace.Request, 5000)
	w.Fill(batch)
	alone.Add(batch)
	beside.Add(batch)
	if err := s.Do(batch); err != nil {
		t.Fatal(err)
	}
	if a, b := alone.Summary(), beside.Summary(); a != b || a.Sequential == 0 {
		t.Errorf("%+v beside a Sim, alone %+v", b, a)
	}
}
