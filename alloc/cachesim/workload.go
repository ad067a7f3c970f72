// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"errors"
	"fmt"
	"math"
	"math/bits"

	"bctl/alloc"
	"bctl/alloc/blktrace"
)

// WorkloadConfig says what requests to make up.
type WorkloadConfig struct {
	Kind       string  // one of WorkloadKinds
	Theta      float64 // zipf's exponent: 0 is uniform, 0.99 what benchmarks of databases use
	Sectors    uint64  // the volumes together
	WriteRatio float64 // share of requests that write
	Streams    int     // volumes, each with a task of its own
	Seed       uint64
}

// WorkloadKinds are the workloads:
//
//	sequential  64 KiB behind the last one of the stream
//	uniform     4 KiB anywhere
//	zipf        4 KiB, the i-th most popular with a chance of 1 / i^theta; popular ones lie scattered
//	mixed       a quarter sequential, three quarters zipf
var WorkloadKinds = []string{"sequential", "uniform", "zipf", "mixed"}

const (
	smallRequest = 8   // sectors
	largeRequest = 128 // sectors
)

// A Workload makes requests up, the same ones for the same seed.
type Workload struct {
	cfg    WorkloadConfig
	rng    alloc.SplitMix64
	next   []uint64 // sequential: where each stream is
	blocks uint64   // of 4 KiB, of all volumes
	each   uint64   // sectors of a volume
	zipf   zipf
	write  uint64 // writes are the draws below
	stream int
}

var errWorkload = errors.New("bad workload")

// NewWorkload checks c. What is wrong is in the error.
func NewWorkload(c WorkloadConfig) (*Workload, error) {
	switch {
	case c.Streams < 1 || c.Streams > 1<<16:
		return nil, fmt.Errorf("%w: %d streams, want 1 to %d", errWorkload, c.Streams, 1<<16)
	case !(c.WriteRatio >= 0 && c.WriteRatio <= 1):
		return nil, fmt.Errorf("%w: write ratio %v, want 0 to 1", errWorkload, c.WriteRatio)
	case !(c.Theta >= 0 && c.Theta < 1):
		return nil, fmt.Errorf("%w: theta %v, want 0 up to but not 1", errWorkload, c.Theta)
	}
	w := &Workload{cfg: c, rng: alloc.SplitMix64(c.Seed), next: make([]uint64, c.Streams)}
	w.each = max(c.Sectors/uint64(c.Streams)/largeRequest, 1) * largeRequest
	w.blocks = w.each * uint64(c.Streams) / smallRequest
	w.write = uint64(math.Min(c.WriteRatio*(1<<53), 1<<53))
	if c.Kind == "zipf" || c.Kind == "mixed" {
		w.zipf = newZipf(w.blocks, c.Theta)
	}
	return w, nil
}

// Fill makes the next requests.
func (w *Workload) Fill(batch []blktrace.Request) {
	for i := range batch {
		batch[i] = w.request()
	}
}

func (w *Workload) request() (q blktrace.Request) {
	if w.rng.Next()>>11 < w.write {
		q.Op = blktrace.Write
	}
	switch w.cfg.Kind {
	case "sequential":
		w.sequential(&q)
	case "uniform":
		w.block(&q, w.below(w.blocks))
	case "zipf":
		w.block(&q, w.popular())
	case "mixed":
		if w.rng.Next()&3 == 0 {
			w.sequential(&q)
		} else {
			w.block(&q, w.popular())
		}
	}
	return q
}

// sequential takes the streams in turn.
func (w *Workload) sequential(q *blktrace.Request) {
	q.Volume, q.Sector, q.Sectors = uint32(w.stream), w.next[w.stream], largeRequest
	if w.next[w.stream] += largeRequest; w.next[w.stream] >= w.each {
		w.next[w.stream] = 0
	}
	if w.stream++; w.stream == len(w.next) {
		w.stream = 0
	}
}

// block is a request for a block of all volumes.
func (w *Workload) block(q *blktrace.Request, i uint64) {
	sector := i * smallRequest
	q.Volume, q.Sector, q.Sectors = uint32(sector/w.each), sector%w.each, smallRequest
}

// below is a number below n.
func (w *Workload) below(n uint64) uint64 {
	hi, _ := bits.Mul64(w.rng.Next(), n)
	return hi
}

// popular draws a rank, and scatters the ranks over the blocks.
func (w *Workload) popular() uint64 {
	u := float64(w.rng.Next()>>11) / (1 << 53)
	rank := w.zipf.rank(u)
	hi, _ := bits.Mul64(rank*0x9e3779b97f4a7c15, w.blocks) // some blocks share a rank's place: it only makes them hotter
	return hi
}

// zipf draws ranks as Gray and others do (SIGMOD 1994): two exact, the others by inverting the integral.
type zipf struct {
	n                      uint64
	theta, zeta, eta, half float64
}

func newZipf(n uint64, theta float64) zipf {
	z := zipf{n: n, theta: theta, zeta: harmonic(n, theta)}
	two := 1 + math.Pow(0.5, theta)
	z.half = two
	z.eta = (1 - math.Pow(2/float64(n), 1-theta)) / (1 - two/z.zeta)
	return z
}

// harmonic is the sum of 1 / i^theta up to n: 65536 terms, and the integral of the others.
func harmonic(n uint64, theta float64) (sum float64) {
	const exact = 1 << 16
	for i := uint64(1); i <= min(n, exact); i++ {
		sum += math.Pow(float64(i), -theta)
	}
	if n > exact {
		sum += (math.Pow(float64(n)+0.5, 1-theta) - math.Pow(exact+0.5, 1-theta)) / (1 - theta)
	}
	return sum
}

func (z *zipf) rank(u float64) uint64 {
	switch uz := u * z.zeta; {
	case uz < 1:
		return 0
	case uz < z.half:
		return 1
	}
	r := uint64(float64(z.n) * math.Pow(float64(z.eta*u)-z.eta+1, 1/(1-z.theta)))
	return min(r, z.n-1)
}
