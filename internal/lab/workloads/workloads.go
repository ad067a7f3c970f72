// SPDX-License-Identifier: GPL-2.0-only

// Package workloads makes up the requests that real kernels were given, from recipes: what the kernels' counters said
// afterwards lies in testdata/predict. For tests alone.
package workloads

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"sort"
	"strconv"
	"strings"
)

// Kinds are what Make knows:
//
//	read     popular blocks of 16 KiB
//	read4k   the same of 4 KiB
//	mixed    as read, 30 % writes
//	scan     popular blocks, a fifth written, and between them scans of 32 MB in pieces of 128 KiB
//	streams  one sequential stream that reads and one that writes, and popular reads between
//	loop     reads round and round over 80 MB, in random order within each
var Kinds = []string{"read", "read4k", "mixed", "scan", "streams", "loop"}

// An Op is a request, in bytes.
type Op struct {
	Write          bool
	Offset, Length uint64
}

const (
	span  = 256 << 20
	block = 16 << 10
)

// Make returns n requests. Errors: no such kind.
func Make(kind string, seed uint64, n int) ([]Op, error) {
	g := &generator{mersenne: newMersenne(seed), n: n}
	switch kind {
	case "read":
		g.popular(0.9, block)
		for range n {
			g.add(0, block)
		}
	case "read4k":
		g.popular(1, 4<<10)
		for range n {
			g.add(0, 4<<10)
		}
	case "mixed":
		g.popular(0.9, block)
		for range n {
			g.add(0.3, block)
		}
	case "scan":
		g.scan()
	case "streams":
		g.streams()
	case "loop":
		g.loop()
	default:
		return nil, fmt.Errorf("workload %q: want one of %v", kind, Kinds)
	}
	return g.ops[:n], nil
}

type generator struct {
	*mersenne
	n    int
	ops  []Op
	sums []float64 // of the chances of each rank
	perm []uint64
	size uint64
}

// popular sets up blocks of so many bytes with chances 1 / rank^theta.
func (g *generator) popular(theta float64, size uint64) {
	n := span / size
	sum := 0.0
	for i := range n {
		sum += 1 / math.Pow(float64(i+1), theta)
		g.sums = append(g.sums, sum)
		g.perm = append(g.perm, i)
	}
	g.shuffle(int(n), func(i, j int) { g.perm[i], g.perm[j] = g.perm[j], g.perm[i] })
	g.size = size
}

// add draws a popular block, written with a chance of write.
func (g *generator) add(write float64, length uint64) {
	op := Op{Length: length}
	if write > 0 {
		op.Write = g.float() < write
	}
	x := g.float() * g.sums[len(g.sums)-1]
	rank := sort.Search(len(g.sums), func(i int) bool { return g.sums[i] > x })
	op.Offset = g.perm[rank] * g.size
	g.ops = append(g.ops, op)
}

func (g *generator) scan() {
	const long, piece = 32 << 20, 128 << 10
	g.popular(0.9, block)
	for len(g.ops) < g.n {
		for range g.n / 6 {
			g.add(0.2, block)
		}
		base := g.below(span-long) / block * block
		for k := uint64(0); k < long/piece; k++ {
			g.ops = append(g.ops, Op{Offset: base + k*piece, Length: piece})
		}
	}
}

func (g *generator) streams() {
	const half = span / 2
	g.popular(0.9, block)
	for a, b := uint64(0), uint64(half); len(g.ops) < g.n; {
		for range 1 + g.below(5) {
			g.add(0, block)
		}
		g.ops = append(g.ops, Op{Offset: a, Length: 64 << 10})
		a = (a + 64<<10) % half
		if g.float() < 0.5 {
			g.ops = append(g.ops, Op{Write: true, Offset: b, Length: 32 << 10})
			b = half + (b-half+32<<10)%half
		}
	}
}

func (g *generator) loop() {
	for len(g.ops) < g.n {
		for m := range uint64(80) {
			o := make([]Op, 64)
			for k := range o {
				o[k] = Op{Offset: m<<20 + uint64(k)*block, Length: block}
			}
			g.shuffle(64, func(i, j int) { o[i], o[j] = o[j], o[i] })
			g.ops = append(g.ops, o...)
		}
	}
}

// WriteFio writes ops as a fio iolog: of version 3, a request every gap microseconds, or of version 2 where gap is 0.
func WriteFio(w io.Writer, ops []Op, gap int) error {
	const dev = "/dev/bcache0"
	b := bufio.NewWriter(w)
	stamp := func(int) string { return "" }
	if gap > 0 {
		stamp = func(i int) string { return strconv.Itoa(i*gap) + " " }
		fmt.Fprintf(b, "fio version 3 iolog\n0 %s add\n0 %s open\n", dev, dev)
	} else {
		fmt.Fprintf(b, "fio version 2 iolog\n%s add\n%s open\n", dev, dev)
	}
	for i, op := range ops {
		action := "read"
		if op.Write {
			action = "write"
		}
		fmt.Fprintf(b, "%s%s %s %d %d\n", stamp(i), dev, action, op.Offset, op.Length)
	}
	return b.Flush()
}

// Said is what a kernel's counters said after a recipe.
type Said struct {
	Kind                               string
	Seed                               uint64
	N, Gap                             int
	Series, Policy, Bucket, Size, Mode string
	Cutoff                             string // "default", or bytes
	Hits, Misses                       uint64
	BypassHits, BypassMisses           uint64
	Written, Dirty                     float64 // bytes, as exact as sysfs prints them
	Tasks                              []Task  // who asked, where the recording tells; in order
}

// A Task is a thread of the program that replayed the requests, and the first of those that it asked for in a row.
type Task struct {
	First int
	ID    uint32
}

// TaskOf is who asked for request i: one task for all of them where the recording does not tell.
func (s *Said) TaskOf(i int) uint32 {
	at := sort.Search(len(s.Tasks), func(k int) bool { return s.Tasks[k].First > i })
	if at == 0 {
		return 1
	}
	return s.Tasks[at-1].ID
}

// addTasks reads FIRST:ID words.
func (s *Said) addTasks(words []string) error {
	for _, w := range words {
		var t Task
		if _, err := fmt.Sscanf(w, "%d:%d", &t.First, &t.ID); err != nil {
			return fmt.Errorf("task %q: %w", w, err)
		}
		s.Tasks = append(s.Tasks, t)
	}
	return nil
}

// Reads is how many requests read.
func (s *Said) Reads() uint64 { return s.Hits + s.Misses + s.BypassHits + s.BypassMisses }

// ReadSaid reads a file of testdata/predict.
func ReadSaid(name string) (*Said, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	s, values := new(Said), map[string]string{}
	for i, line := range strings.Split(string(text), "\n") {
		f := strings.Fields(line)
		if i == 0 {
			for _, w := range f {
				k, v, _ := strings.Cut(w, "=")
				values[k] = v
			}
		}
		switch {
		case len(f) == 3 && f[0] == "stat":
			values[f[1]] = f[2]
		case len(f) > 0 && f[0] == "tasks":
			if err := s.addTasks(f[1:]); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	s.Kind, s.Series, s.Policy, s.Bucket = values["kind"], values["series"], values["policy"], values["bucket"]
	s.Size, s.Mode, s.Cutoff = values["size"], values["mode"], values["cutoff"]
	for key, to := range map[string]*uint64{
		"seed": &s.Seed, "cache_hits": &s.Hits, "cache_misses": &s.Misses,
		"cache_bypass_hits": &s.BypassHits, "cache_bypass_misses": &s.BypassMisses,
	} {
		if *to, err = strconv.ParseUint(values[key], 10, 64); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, key, err)
		}
	}
	for key, to := range map[string]*int{"n": &s.N, "gap": &s.Gap} {
		if *to, err = strconv.Atoi(values[key]); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, key, err)
		}
	}
	for key, to := range map[string]*float64{"written": &s.Written, "dirty_at_end": &s.Dirty} {
		if *to, err = human(values[key]); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, key, err)
		}
	}
	return s, nil
}

// human reads bch_hprint's numbers.
func human(s string) (float64, error) {
	unit := 1.0
	if i := strings.IndexAny(s, "kMGT"); i >= 0 {
		unit = math.Pow(1024, float64(1+strings.IndexByte("kMGT", s[i])))
		s = s[:i]
	}
	v, err := strconv.ParseFloat(s, 64)
	return v * unit, err
}
