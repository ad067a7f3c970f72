// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"bytes"
	"testing"

	"bctl/alloc"
	"bctl/alloc/blktrace"
)

// BenchmarkSample reads a trace and replays a hundredth of its blocks, twice for each of three policies and five sizes.
// An operation is a request of the trace.
func BenchmarkSample(b *testing.B) {
	const n = 1 << 21
	text := traceText(b, blktrace.OracleGeneral, n)
	r, err := NewShare(0.01)
	if err != nil {
		b.Fatal(err)
	}
	var sims [2][]*Sim
	cfg := config(alloc.LRU, 1<<11, 1024)
	cfg.Mode, cfg.SequentialCutoff = Writethrough, 4<<20
	for _, policy := range []alloc.Policy{alloc.LRU, alloc.FIFO, alloc.Random} {
		for size := range 5 {
			cfg.Alloc.Policy, cfg.Alloc.NBuckets = policy, 1<<(11+size)
			for k := range sims {
				sims[k] = append(sims[k], newSim(b, cfg.Sample(r)))
			}
		}
	}
	batch := make([]blktrace.Request, replayBatch)
	b.ResetTimer()
	for left := b.N; left > 0; left -= n {
		reader, err := blktrace.NewReader(bytes.NewReader(text), blktrace.OracleGeneral)
		if err != nil {
			b.Fatal(err)
		}
		feed := NewFeed(cfg, r, 1)
		pieces := make([][]Piece, 2)
		for done := 0; done < min(left, n); {
			got, err := reader.Read(batch[:min(replayBatch, min(left, n)-done)])
			if err != nil {
				b.Fatal(err)
			}
			done += got
			feed.Split(batch[:got], pieces)
			if len(pieces[0]) < 1024 {
				continue
			}
			for k := range sims {
				for _, s := range sims[k] {
					if err := s.DoPieces(pieces[k]); err != nil {
						b.Fatal(err)
					}
				}
				pieces[k] = pieces[k][:0]
			}
		}
		reader.Close()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "M/s")
}
