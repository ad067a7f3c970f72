// SPDX-License-Identifier: GPL-2.0-only

package plan

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"slices"
	"sort"
)

// An index is the list of an undo file's blocks, as it stands there, from some place on. What is wanted of it is read
// again each time, from the front.
type index struct {
	r     io.ReaderAt
	at    int64 // where it stands
	n     int   // how many blocks
	rest  int   // and how many there are behind them
	end   int64 // where the contents of the last end
	bytes int64 // what stood in the first n; known of one that is in order
}

// A block is one of them: the write that puts back what stood there, and of which step it was.
type block struct {
	Write
	step uint32
}

// all yields the first n. An error ends it: errBlocks, or the file's.
func (x index) all() iter.Seq2[block, error] {
	return func(yield func(block, error) bool) {
		in := bufio.NewReaderSize(io.NewSectionReader(x.r, x.at, int64(x.n)*indexBytes), window)
		at := x.at + int64(x.n+x.rest)*indexBytes
		b := make([]byte, indexBytes)
		for range x.n {
			if _, err := io.ReadFull(in, b); err != nil {
				yield(block{}, err)
				return
			}
			w := Write{Off: int64(binary.LittleEndian.Uint64(b)), From: x.r, At: at, Bytes: int64(binary.LittleEndian.Uint64(b[8:]))}
			if w.Bytes <= 0 || w.Bytes > x.end-at { // before any sum could overflow
				yield(block{}, errBlocks)
				return
			}
			at += w.Bytes + (w.Bytes+sector-1)/sector*sectorSum
			if !yield(block{w, binary.LittleEndian.Uint32(b[16:])}, nil) {
				return
			}
		}
	}
}

// inOrder are the first blocks, as long as they are of one step and go forward.
func (x index) inOrder() (index, error) {
	first := x
	first.n, first.bytes = 0, 0
	end, step := int64(0), uint32(0)
	for b, err := range x.all() {
		if err != nil {
			return first, err
		}
		if first.n == 0 {
			step = b.step
		}
		if b.step != step || b.Off < end || b.Bytes > maxEnd-b.Off {
			break
		}
		end = b.Off + b.Bytes
		first.n, first.bytes = first.n+1, first.bytes+b.Bytes
	}
	first.rest = x.n + x.rest - first.n
	return first, nil
}

// maxEnd is where nothing can end.
const maxEnd = 1<<63 - 1

// errOverlap says that a block that is in memory lies over one that is not.
var errOverlap = errors.New("blocks overlap")

// load takes the blocks that are not among many into memory, and checks all of them, but for what settle does. It returns
// their steps, as they were written. Errors: errBlocks, errOverlap, the file's.
func (u *Undo) load(all index) (steps []uint32, err error) {
	n, end, last := 0, all.at+int64(all.n)*indexBytes, uint32(0)
	u.blocks = make([]Write, 0, all.n-u.many.n)
	for b, err := range all.all() {
		if err != nil {
			return nil, err
		}
		if b.step < last || b.Off < 0 || b.Bytes > u.SizeBytes-b.Off {
			return nil, errBlocks
		}
		end, last = b.At+b.Bytes+(b.Bytes+sector-1)/sector*sectorSum, b.step
		if n++; n > u.many.n {
			u.blocks, steps = append(u.blocks, b.Write), append(steps, b.step)
		}
	}
	if end != all.end {
		return nil, errBlocks
	}
	slices.Reverse(u.blocks)
	return steps, u.apart()
}

// apart checks that no block in memory lies over one that is not.
func (u *Undo) apart() error {
	some := slices.Clone(u.blocks)
	sort.Slice(some, func(i, j int) bool { return some[i].end() < some[j].end() })
	for b, err := range u.many.all() {
		if err != nil {
			return err
		}
		for len(some) > 0 && some[0].end() <= b.Off {
			some = some[1:]
		}
		if len(some) == 0 {
			return nil
		}
		if slices.ContainsFunc(some[:1], func(w Write) bool { return w.Off < b.end() }) {
			return errOverlap
		}
	}
	return nil
}

// What is put back is flushed and read back in parts: of so many bytes, or so many writes.
const (
	partBytes  = 256 << 20
	partWrites = 1 << 14
)

// parts are plans of one step, which together put all of it back.
func (x index) parts() iter.Seq2[*Plan, error] {
	return func(yield func(*Plan, error) bool) {
		var step []Write
		bytes := int64(0)
		hand := func() bool {
			p := new(Plan)
			p.Then(step...)
			step, bytes = nil, 0
			return yield(p, nil)
		}
		for b, err := range x.all() {
			if err != nil {
				yield(nil, err)
				return
			}
			step, bytes = append(step, b.Write), bytes+b.Bytes
			if (bytes >= partBytes || len(step) == partWrites) && !hand() {
				return
			}
		}
		if len(step) > 0 {
			hand()
		}
	}
}
