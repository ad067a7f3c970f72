// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"bctl/alloc"
	"bctl/alloc/blktrace"
)

// traceText is requests of the zipf workload, as a file of a format.
func traceText(tb testing.TB, format blktrace.Format, n int) []byte {
	tb.Helper()
	w, err := NewWorkload(WorkloadConfig{Kind: "zipf", Sectors: 4 << 26, WriteRatio: 0.3, Streams: 1, Seed: 1, Theta: 0.9})
	if err != nil {
		tb.Fatal(err)
	}
	batch := make([]blktrace.Request, n)
	w.Fill(batch)
	var b bytes.Buffer
	if format == blktrace.Fio {
		b.WriteString("fio version 3 iolog\n")
	}
	for i, q := range batch {
		if format == blktrace.Fio {
			fmt.Fprintf(&b, "%d /dev/sdb %s %d %d\n", i*20, [...]string{"read", "write"}[q.Op], q.Sector*512, q.Sectors*512)
			continue
		}
		record := binary.LittleEndian.AppendUint32(nil, uint32(i/50000))
		record = binary.LittleEndian.AppendUint64(record, q.Sector/8)
		record = binary.LittleEndian.AppendUint32(record, q.Sectors*512)
		b.Write(binary.LittleEndian.AppendUint64(record, ^uint64(0)))
	}
	return b.Bytes()
}

// BenchmarkTrace reads a trace and replays it, on one core at 2^16 buckets of 512 KiB: 4 KiB requests of which a
// third write, all in all.
func BenchmarkTrace(b *testing.B) {
	for _, format := range []blktrace.Format{blktrace.Fio, blktrace.OracleGeneral} {
		b.Run(format.String(), func(b *testing.B) {
			text := traceText(b, format, 1<<21)
			s := newSim(b, config(alloc.LRU, 1<<16, 1024))
			run := func(limit int) {
				r, err := blktrace.NewReader(bytes.NewReader(text), blktrace.Detect)
				if err != nil {
					b.Fatal(err)
				}
				defer r.Close()
				if err := s.Replay(context.Background(), r, 0, uint64(limit)); err != nil {
					b.Fatal(err)
				}
			}
			run(1 << 21)
			b.ResetTimer()
			for n := b.N; n > 0; n -= 1 << 21 {
				run(min(n, 1<<21))
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "M/s")
		})
	}
}

// The first requests warm the cache up, and count in no figure; behind the limit nothing is read.
func TestReplayWarmupAndLimit(t *testing.T) {
	text := traceText(t, blktrace.Fio, 10_000)
	for _, test := range []struct{ warmup, limit, counted uint64 }{
		{0, 0, 10_000}, {1000, 0, 9000}, {1000, 5000, 4000}, {0, 1, 1},
	} {
		r, err := blktrace.NewReader(bytes.NewReader(text), blktrace.Detect)
		if err != nil {
			t.Fatal(err)
		}
		s := newSim(t, config(alloc.FIFO, 1024, 128))
		if err := s.Replay(context.Background(), r, test.warmup, test.limit); err != nil {
			t.Fatal(err)
		}
		f := s.Figures()
		if f.Requests() != test.counted {
			t.Errorf("%+v: %d requests counted", test, f.Requests())
		}
	}
	for _, test := range []struct{ warmup, limit, has uint64 }{{20_000, 0, 10_000}, {10_000, 0, 10_000}, {500, 500, 500}, {600, 500, 500}} {
		r, err := blktrace.NewReader(bytes.NewReader(text), blktrace.Detect)
		if err != nil {
			t.Fatal(err)
		}
		err = newSim(t, config(alloc.FIFO, 1024, 128)).Replay(context.Background(), r, test.warmup, test.limit)
		if short := (ShortTraceError{}); !errors.As(err, &short) || short.Requests != test.has {
			t.Errorf("%+v: %v", test, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r, err := blktrace.NewReader(bytes.NewReader(text), blktrace.Detect)
	if err != nil {
		t.Fatal(err)
	}
	if err := newSim(t, config(alloc.LRU, 1024, 128)).Replay(ctx, r, 0, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
