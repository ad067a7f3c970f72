// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"math"
	"math/rand/v2"
	"testing"

	"bctl/alloc"
	"bctl/alloc/blktrace"
)

// oddRequests are of any place and length, and of several volumes; some are trims, a few of them large.
func oddRequests(n int) (batch []blktrace.Request) {
	r := rand.New(rand.NewPCG(5, 6))
	for i := range n {
		q := blktrace.Request{
			Op: blktrace.Op(r.IntN(16) / 7), Volume: uint32(r.IntN(2)), Sector: uint64(r.IntN(700) * r.IntN(700)),
			Sectors: uint32(1 + r.IntN(8)*r.IntN(40)), Time: uint64(i) * 1000,
		}
		if q.Op == blktrace.Trim && r.IntN(50) == 0 {
			q.Sector, q.Sectors = q.Sector&^7, wholeTrim+8*uint32(r.IntN(1000))
		}
		batch = append(batch, q)
	}
	return batch
}

// A cache that is told the numbers of blocks does as one that looks for their places.
func TestNumberedBlocks(t *testing.T) {
	batch := oddRequests(60_000)
	r, err := NewShare(0.3)
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(alloc.LRU, 1024, 32)
	cfg.Mode, cfg.PrioWrite, cfg.GC, cfg.Rate = Writethrough, 0, 0, 0
	var got [2]Figures
	for i := range got {
		feed := NewFeed(cfg, r, 1)
		if i == 1 {
			feed.blocks = nil
		}
		s := newSim(t, cfg.Sample(r))
		pieces := make([][]Piece, 1)
		for at := 0; at < len(batch); at += 1000 {
			pieces[0] = pieces[0][:0]
			feed.Split(batch[at:at+1000], pieces)
			if err := s.DoPieces(pieces[0]); err != nil {
				t.Fatal(err)
			}
		}
		if (len(s.words) == 0) != (i == 1) {
			t.Fatalf("%d words", len(s.words))
		}
		if i == 0 {
			s.sweep()
		}
		got[i] = s.Figures()
	}
	if got[0] != got[1] || got[0].ReadMisses == 0 || got[0].Overwritten == 0 || got[0].Trims == 0 {
		t.Errorf("by number\n%+v, by place\n%+v", got[0], got[1])
	}
}

// A sample is as short of buckets as the whole cache, where that is held up by prio writes and gc: in 7.2 hardly ever.
func TestShortage(t *testing.T) {
	batch := requestsOf(t, "zipf", 300_000, 1<<21)
	for i := range batch {
		batch[i].Time = uint64(i) * 100
	}
	for _, model := range []string{"6.2", "7.2"} {
		cfg := config(alloc.FIFO, 1024, 512)
		cfg.Mode, cfg.Rate, cfg.GC, cfg.PrioWrite = Writethrough, 0, -1, DefaultPrioWrite
		var err error
		if cfg.Alloc.Model, err = alloc.ParseModel(model); err != nil {
			t.Fatal(err)
		}
		r, err := NewShare(0.2)
		if err != nil {
			t.Fatal(err)
		}
		var miss [3]float64 // of all, the sample, and the sample where nothing takes time
		full := newSim(t, cfg)
		if err := full.Do(batch); err != nil {
			t.Fatal(err)
		}
		f := full.Figures()
		miss[0] = f.MissRatio().Value
		for k := 1; k < 3; k++ {
			feed := NewFeed(cfg, r, 1)
			pieces := make([][]Piece, 1)
			feed.Split(batch, pieces)
			part := cfg.Sample(r)
			if k == 2 {
				part.short.prios, part.short.gc = 0, 0
			}
			s := newSim(t, part)
			if err := s.DoPieces(pieces[0]); err != nil {
				t.Fatal(err)
			}
			f := s.Figures()
			e := r.Estimate(&f, &feed.Full)
			miss[k] = e.MissRatio().Value
		}
		t.Logf("%s: all miss %.4f, the sample %.4f, timeless %.4f", model, miss[0], miss[1], miss[2])
		off, timeless := math.Abs(miss[1]-miss[0]), math.Abs(miss[2]-miss[0])
		if off > 0.01 || cfg.Alloc.Model.GoesOnInGC && timeless > 0.01 || !cfg.Alloc.Model.GoesOnInGC && timeless < 2*off {
			t.Errorf("%s: all miss %.4f, the sample %.4f, timeless %.4f", model, miss[0], miss[1], miss[2])
		}
	}
}
