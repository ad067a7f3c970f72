// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"sync/atomic"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/hugepages"
)

// What pointers tell of gens. The kernel takes them one after the other, and so what damaged ones make of a gen hangs
// on which comes first. Here all that count is which there are: the leaves are read by several workers.

// unknownGens marks the buckets whose gens only pointers can tell: those of whole prio sets.
func (t *Buckets) unknownGens(from, to ondisk.Bucket) {
	if from < to && t.unknown == nil {
		t.unknown, t.told = make([]bool, (t.Len()-1)/t.perSet+1), hugepages.Make[uint32](uint64(t.Len()))
	}
	for b := from; b < to; b += t.perSet {
		set := b / t.perSet
		t.unknown[set] = true
		for i := set * t.perSet; i < min((set+1)*t.perSet, t.Len()); i++ {
			t.of[i] |= flagUntold
		}
	}
}

// GenSeen reports whether, where the prio chain could not be read, a pointer told the gen.
func (t *Buckets) GenSeen(b ondisk.Bucket) bool {
	return t.told != nil && atomic.LoadUint32(&t.told[b]) != 0
}

// adopt raises the bucket's gen to a pointer's, where that is ahead of the one on disk: 1 to 127.
func (t *Buckets) adopt(b ondisk.Bucket, gen uint8, freed bool) {
	if !t.GenKnown(b) {
		t.adoptUnknown(b, gen)
		return
	}
	for {
		w := t.is(b)
		disk := uint8(w >> diskShift)
		ahead := gen - disk
		if ahead == 0 || ahead >= 128 {
			return
		}
		if freed && !t.has(b, flagFreed) {
			t.set(b, flagFreed)
		}
		if ahead <= uint8(w)-disk {
			return
		}
		if t.swap(b, w, w&^genMask|uint64(gen)) {
			t.raised.Store(true)
			return
		}
	}
}

// adoptUnknown takes the newest of the pointers' gens: nothing else tells it. The first one raises nothing: nobody has
// judged by the bucket's gen before.
func (t *Buckets) adoptUnknown(b ondisk.Bucket, gen uint8) {
	if first := withGen(0, gen); atomic.CompareAndSwapUint32(&t.told[b], 0, first) {
		w := t.is(b)
		if w&flagUntold == 0 || !t.swap(b, w, w&^(genMask|flagUntold)|uint64(gen)) || atomic.LoadUint32(&t.told[b]) != first {
			t.takeTold(b)
		}
		return
	}
	for {
		was := atomic.LoadUint32(&t.told[b])
		now := withGen(was, gen)
		if now == was {
			return // whoever brought it set the gen, or is about to
		}
		if atomic.CompareAndSwapUint32(&t.told[b], was, now) {
			t.takeTold(b)
			return
		}
	}
}

// takeTold gives the bucket the newest gen that was told.
func (t *Buckets) takeTold(b ondisk.Bucket) {
	for {
		w, told := t.is(b), atomic.LoadUint32(&t.told[b])
		newest := w&^genMask | uint64(newestGen(told))
		if newest != w && !t.has(b, flagUntold) {
			t.raised.Store(true)
		}
		if (newest == w || t.swap(b, w, newest)) && atomic.LoadUint32(&t.told[b]) == told {
			break
		}
	}
	if t.has(b, flagUntold) {
		atomic.AndUint64(&t.of[b], ^flagUntold)
	}
}

// The gens that were told for a bucket, as far as they matter: of each quarter of the 256 the highest, a byte each,
// with the top bit set where there is one. Sound gens lie less than half way round from one another, so they leave a
// quarter free, and the newest is the highest of the last quarter before the free ones.

func withGen(told uint32, gen uint8) uint32 {
	shift := uint32(gen>>6) * 8
	high := max(uint8(told>>shift), 0x80|gen&0x3f)
	return told&^(0xff<<shift) | uint32(high)<<shift
}

func newestGen(told uint32) uint8 {
	gen := func(q uint32) (uint8, bool) {
		b := uint8(told >> (q % 4 * 8))
		return uint8(q%4)<<6 | b&0x3f, b != 0
	}
	newest, found := uint8(0), false
	for q := range uint32(4) {
		g, ok := gen(q)
		if _, followed := gen(q + 1); !ok || followed {
			continue
		}
		if ahead := g - newest; !found || ahead > 0 && ahead <= 128 { // two free quarters: opposite ones
			newest, found = g, true
		}
	}
	if !found { // no quarter is free: whichever is taken, some pointer is wrong
		newest, _ = gen(3)
	}
	return newest
}
