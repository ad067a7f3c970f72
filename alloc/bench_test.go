// SPDX-License-Identifier: GPL-2.0-only

package alloc

import (
	"fmt"
	"testing"
	"unsafe"
)

// bareLoop is the loop that the kernel's code was measured with: take a
// bucket for anyone, drop its pin, and depending on prios give it a random
// prio, or rescale by its size; gc at once when the allocator wants it.
type bareLoop struct {
	c     *Cache
	prios string
	rng   SplitMix64
	size  int32
}

func newBareLoop(tb testing.TB, policy Policy, prios string, buckets int) *bareLoop {
	cfg := DefaultConfig()
	cfg.Policy, cfg.NBuckets = policy, buckets
	c, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	if err := c.StartExisting(); err != nil {
		tb.Fatal(err)
	}
	c.Run()
	l := &bareLoop{c: c, prios: prios, rng: 1, size: int32(cfg.BucketSize)}
	for range 2 * buckets {
		l.once(tb)
	}
	return l
}

func (l *bareLoop) once(tb testing.TB) {
	b, ok := l.c.Alloc(ReserveNone)
	if !ok {
		tb.Fatal("no bucket: ", l.c.Err())
	}
	l.c.Put(b)
	switch l.prios {
	case "random":
		l.c.SetPrio(b, uint16(1+l.rng.Next()%32768))
	case "rescale":
		l.c.Rescale(l.size)
	}
	l.c.Run()
	for l.c.WantsGC() {
		l.c.GCKeep()
		l.c.Run()
	}
}

// BenchmarkBareLoop prints what the last section of the allocator's spec
// prints for the kernel's code, in million allocations a second.
func BenchmarkBareLoop(b *testing.B) {
	for _, policy := range []Policy{LRU, FIFO, Random} {
		for _, prios := range []string{"ties", "random", "rescale"} {
			for _, shift := range []int{16, 20} {
				b.Run(fmt.Sprintf("%v/%s/2^%d", policy, prios, shift), func(b *testing.B) {
					l := newBareLoop(b, policy, prios, 1<<shift)
					b.ReportAllocs()
					for b.Loop() {
						l.once(b)
					}
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "M/s")
				})
			}
		}
	}
}

// TestSteadyStateAllocatesNothing: refills, prio writes, gcs and rescales
// included.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	for _, policy := range []Policy{LRU, FIFO, Random} {
		for _, prios := range []string{"ties", "random", "rescale"} {
			l := newBareLoop(t, policy, prios, 4096)
			if n := testing.AllocsPerRun(4096, func() { l.once(t) }); n != 0 {
				t.Errorf("%v, %s: %v allocations on the heap for each bucket", policy, prios, n)
			}
		}
	}
}

// TestBytesPerBucket adds up everything that grows with the device.
func TestBytesPerBucket(t *testing.T) {
	const n = 1 << 20
	c := newTestCache(t, func(cfg *Config) { cfg.NBuckets = n })
	if err := c.StartExisting(); err != nil {
		t.Fatal(err)
	}
	c.Run() // the weights are made at the first refill
	total := sliceBytes(c.buckets) + sliceBytes(c.lru.key) +
		sliceBytes(c.heap.nodes) + sliceBytes(c.freeInc.data) + sliceBytes(c.prioBuckets) + sliceBytes(c.prioLast)
	for _, f := range c.free {
		total += sliceBytes(f.data)
	}
	per := float64(total) / n
	t.Logf("%.2f bytes a bucket", per)
	if len(c.lru.key) == 0 || per > 16 {
		t.Errorf("%.2f bytes a bucket, at most 16", per)
	}
}

func sliceBytes[E any](s []E) uintptr {
	var e E
	return uintptr(cap(s)) * unsafe.Sizeof(e)
}
