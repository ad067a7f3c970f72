// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"fmt"
	"testing"

	"bctl/alloc"
	"bctl/alloc/blktrace"
)

// BenchmarkReplay replays requests that are in memory, at 2^16 buckets of 512 KiB.
func BenchmarkReplay(b *testing.B) {
	for _, kind := range []string{"uniform", "zipf", "sequential", "mixed"} {
		for _, policy := range []alloc.Policy{alloc.LRU, alloc.FIFO, alloc.Random} {
			b.Run(fmt.Sprintf("%s/%v", kind, policy), func(b *testing.B) {
				cfg := config(policy, 1<<16, 1024)
				cfg.Mode = Writethrough // the default; writing back is work of its own
				w, err := NewWorkload(WorkloadConfig{
					Kind: kind, Sectors: 4 << 26, WriteRatio: 0.3, Streams: 4, Seed: 1, Theta: 0.9,
				})
				if err != nil {
					b.Fatal(err)
				}
				s := newSim(b, cfg)
				batch := make([]blktrace.Request, 1<<20)
				for range 8 {
					w.Fill(batch)
					if err := s.Do(batch); err != nil {
						b.Fatal(err)
					}
				}
				b.ResetTimer()
				for n := b.N; n > 0; n -= len(batch) {
					batch = batch[:min(n, len(batch))]
					b.StopTimer()
					w.Fill(batch)
					b.StartTimer()
					if err := s.Do(batch); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "M/s")
			})
		}
	}
}
