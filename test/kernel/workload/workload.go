// SPDX-License-Identifier: GPL-2.0-only

// Package workload is seeded I/O whose outcome can be computed without doing it: the guest program writes it to a
// bcache device under a kernel, and a test writes it to a plain file and compares.
package workload

import (
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"
)

const sectorBytes = 512

// A Workload is a run of reads or writes. Its text form is "seed=1,ops=300,max=64k,block=4k,span=0,sync": what the
// guest program takes as its argument.
type Workload struct {
	Seed  uint64
	Ops   int
	Max   int64 // bytes of the longest operation
	Block int64 // offsets and lengths are multiples of it
	Span  int64 // how much of the device is used, from its start; 0 is all of it
	Sync  bool  // fsync after each write
}

// An Op is one read or write.
type Op struct {
	Number   int
	Off, Len int64
}

func (w Workload) String() string {
	s := fmt.Sprintf("seed=%d,ops=%d,max=%d,block=%d,span=%d", w.Seed, w.Ops, w.Max, w.Block, w.Span)
	if w.Sync {
		s += ",sync"
	}
	return s
}

// Parse is the inverse of String.
func Parse(s string) (Workload, error) {
	var w Workload
	for part := range strings.SplitSeq(s, ",") {
		key, value, _ := strings.Cut(part, "=")
		if key == "sync" && value == "" {
			w.Sync = true
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return w, fmt.Errorf("workload %q: %w", part, err)
		}
		switch key {
		case "seed":
			w.Seed = uint64(n)
		case "ops":
			w.Ops = int(n)
		case "max":
			w.Max = n
		case "block":
			w.Block = n
		case "span":
			w.Span = n
		default:
			return w, fmt.Errorf("workload: no such key %q", key)
		}
	}
	if w.Block <= 0 || w.Max < w.Block {
		return w, fmt.Errorf("workload %q: max %d, block %d", s, w.Max, w.Block)
	}
	return w, nil
}

// On lists the operations for a device of that size.
func (w Workload) On(size int64) iter.Seq[Op] {
	return func(yield func(Op) bool) {
		span := size
		if w.Span > 0 {
			span = min(span, w.Span)
		}
		r := rand.New(rand.NewPCG(w.Seed, 0x62637463746c))
		for i := range w.Ops {
			n := (r.Int64N(w.Max/w.Block) + 1) * w.Block
			off := r.Int64N((span-n)/w.Block+1) * w.Block
			if !yield(Op{i, off, n}) {
				return
			}
		}
	}
}

// Fill stamps every sector of an operation's data with its number, the operation and the seed. The rest is zero, so
// that images pack small.
func (w Workload) Fill(b []byte, op Op) {
	clear(b)
	for i := 0; i < len(b); i += sectorBytes {
		binary.LittleEndian.PutUint64(b[i:], uint64(op.Off/sectorBytes)+uint64(i/sectorBytes)+1)
		binary.LittleEndian.PutUint64(b[i+8:], uint64(op.Number)+1)
		binary.LittleEndian.PutUint64(b[i+16:], w.Seed)
	}
}

// Write does the writes of the workload on to, which stands for a device of that size.
func (w Workload) Write(to io.WriterAt, size int64) error {
	b := make([]byte, w.Max)
	for op := range w.On(size) {
		w.Fill(b[:op.Len], op)
		if _, err := to.WriteAt(b[:op.Len], op.Off); err != nil {
			return err
		}
	}
	return nil
}
