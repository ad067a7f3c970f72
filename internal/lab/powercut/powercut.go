// SPDX-License-Identifier: GPL-2.0-only

// Package powercut is a device for tests that loses its power: it records writes and flushes, and shows every state
// that the medium may be in if the power went at any moment.
//
// What was written before the last finished flush is there. Of what was written since, the drive may have put any
// part on the medium, in any order: all writes up to one and nothing of the rest, that one torn at any sector, only
// some of them, and of those any sectors. Cuts gives all of these where they are few, and a seeded choice otherwise.
//
//	write a | write b | flush | write c | write d | flush
//	          ^ a, part of b      ^ a, b, nothing of c or some of its sectors, d with or without c
package powercut

import (
	"fmt"
	"io"
	"iter"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"
)

// Sector is what a drive writes whole or not at all.
const Sector = 512

// A Device is a base that nobody writes to, under the writes since. It may be read and written in several goroutines.
type Device struct {
	mu      sync.Mutex // of the lists
	base    io.ReaderAt
	size    int64
	patches []patch // over base, oldest first
	events  []Event
}

type patch struct {
	off  int64
	data []byte
}

// An Event is a write, or a flush.
type Event struct {
	Flush bool
	Off   int64
	Data  []byte
}

// New is a device of size bytes that holds what base does.
func New(base io.ReaderAt, size int64) *Device { return &Device{base: base, size: size} }

// Fork is a device with the same contents and no events.
func (d *Device) Fork() *Device {
	return &Device{base: d.base, size: d.size, patches: slices.Clone(d.patches)}
}

// Size is in bytes.
func (d *Device) Size() int64 { return d.size }

// Events are what was done to the device, in order.
func (d *Device) Events() []Event { return d.events }

// ReadAt is io.ReaderAt.
func (d *Device) ReadAt(b []byte, off int64) (int, error) {
	n := int(min(int64(len(b)), max(0, d.size-off)))
	if _, err := d.base.ReadAt(b[:n], off); err != nil && err != io.EOF {
		return 0, err
	}
	d.mu.Lock()
	patches := d.patches
	d.mu.Unlock()
	for _, p := range patches {
		if from, to := max(p.off, off), min(p.off+int64(len(p.data)), off+int64(n)); from < to {
			copy(b[from-off:to-off], p.data[from-p.off:])
		}
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt is io.WriterAt. It refuses what is not whole sectors of the device: a drive could not do that in one go.
func (d *Device) WriteAt(b []byte, off int64) (int, error) {
	if off < 0 || off%Sector != 0 || len(b)%Sector != 0 || off+int64(len(b)) > d.size {
		return 0, fmt.Errorf("%d bytes at %d: not whole sectors of the device", len(b), off)
	}
	b = slices.Clone(b)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.patches = append(d.patches, patch{off, b})
	d.events = append(d.events, Event{Off: off, Data: b})
	return len(b), nil
}

// Put changes the contents without an event: damage that was there before.
func (d *Device) Put(off int64, b []byte) { d.patches = append(d.patches, patch{off, slices.Clone(b)}) }

// Sync is a flush.
func (d *Device) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, Event{Flush: true})
	return nil
}

// subsets is how many unflushed writes may be for all their subsets to be tried.
const subsets = 5

// Cuts are the states that a cut can leave of base, to which d's events happened; each with a name for people. many
// bounds how many places of tearing, subsets and mixtures of sectors are tried of each, where there are more.
func (d *Device) Cuts(base *Device, many int) iter.Seq2[string, *Device] {
	rng := rand.New(rand.NewPCG(1, uint64(len(d.events))))
	return func(yield func(string, *Device) bool) {
		at := base.Fork()
		for i, writes := range epochs(d.events) {
			name := func(format string, args ...any) string {
				return fmt.Sprintf("after %d flushes, ", i) + fmt.Sprintf(format, args...)
			}
			for cut, state := range cuts(at, writes, many, rng, name) {
				if !yield(cut, state) {
					return
				}
			}
			for _, w := range writes {
				at.Put(w.Off, w.Data)
			}
		}
		yield("all", at)
	}
}

// epochs are the writes before the first flush, those before the second, and so on; the last are those behind it.
func epochs(events []Event) [][]Event {
	out := [][]Event{nil}
	for _, e := range events {
		if e.Flush {
			out = append(out, nil)
		} else {
			out[len(out)-1] = append(out[len(out)-1], e)
		}
	}
	return out
}

func cuts(at *Device, writes []Event, many int, rng *rand.Rand, name func(string, ...any) string) iter.Seq2[string, *Device] {
	return func(yield func(string, *Device) bool) {
		before := at.Fork()
		for i, w := range writes {
			if !yield(name("%d of %d writes", i, len(writes)), before.Fork()) {
				return
			}
			for _, n := range tears(len(w.Data), many, rng) {
				head, tail := before.Fork(), before.Fork()
				head.Put(w.Off, w.Data[:n])
				tail.Put(w.Off+int64(n), w.Data[n:])
				if !yield(name("write %d torn: its first %d bytes", i, n), head) || !yield(name("write %d torn: all but its first %d bytes", i, n), tail) {
					return
				}
			}
			before.Put(w.Off, w.Data)
		}
		for _, set := range chosen(len(writes), many, rng) {
			state := at.Fork()
			for i, w := range writes {
				if set>>i&1 != 0 {
					state.Put(w.Off, w.Data)
				}
			}
			if !yield(name("writes %b", set), state) {
				return
			}
		}
		for i := range many {
			if len(writes) == 0 {
				return
			}
			if !yield(name("mixture %d", i), mixture(at, writes, rng)) {
				return
			}
		}
	}
}

// tears are the places at which a write of size bytes is torn: its first and last sector, the first page, and others.
func tears(size, many int, rng *rand.Rand) (at []int) {
	if size/Sector-1 <= many {
		for n := Sector; n < size; n += Sector {
			at = append(at, n)
		}
		return at
	}
	at = []int{Sector, 4096, size - 4096, size - Sector}
	for len(at) < many {
		at = append(at, Sector*(1+rng.IntN(size/Sector-1)))
	}
	slices.Sort(at)
	return slices.DeleteFunc(slices.Compact(at[:max(many, 1)]), func(n int) bool { return n <= 0 || n >= size })
}

// chosen are subsets of n writes, a bit each; the empty one and those that are a prefix are tried already.
func chosen(n, many int, rng *rand.Rand) (sets []uint64) {
	all := uint64(1)<<min(n, 63) - 1
	if n <= subsets {
		for set := uint64(1); set <= all; set++ {
			sets = append(sets, set)
		}
	} else {
		for range many {
			sets = append(sets, rng.Uint64()&all)
		}
	}
	return slices.DeleteFunc(sets, func(set uint64) bool { return bits.TrailingZeros64(^set) == bits.Len64(set) && set != all })
}

// mixture has some sectors of each write.
func mixture(at *Device, writes []Event, rng *rand.Rand) *Device {
	state := at.Fork()
	for _, w := range writes {
		for n := 0; n < len(w.Data); n += Sector {
			if rng.IntN(2) == 0 {
				state.Put(w.Off+int64(n), w.Data[n:n+Sector])
			}
		}
	}
	return state
}
