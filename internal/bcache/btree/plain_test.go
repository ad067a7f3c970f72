// SPDX-License-Identifier: GPL-2.0-only

package btree

import (
	"math/rand/v2"
	"testing"

	"bctl/internal/bcache/ondisk"
)

// What is quick to see is what the slow way sees: every bset of ordinary keys, and none with anything odd.
func TestIsPlain(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	plain, odd := 0, 0
	for range 20000 {
		var b []byte
		at, inode := ondisk.Sector(0), uint32(rnd.IntN(2))
		want := true
		for range rnd.IntN(4) {
			size := ondisk.Sector(1 + rnd.IntN(9))
			at += size + ondisk.Sector(rnd.IntN(3))
			k := ondisk.MakeKey(inode, at, size)
			k.SetPtrs(1)
			k.SetDirty(rnd.IntN(2) == 0)
			k.Ptr[0] = ondisk.Ptr(rnd.Uint64())
			switch rnd.IntN(25) {
			case 0:
				k.SetPtrs(rnd.IntN(3))
				want = want && k.Ptrs() == 1
			case 1:
				k.SetSize(0)
				want = false
			case 2:
				k.High ^= 1 << (37 + rnd.IntN(27)) // a pad, the csum, the header, or a count of pointers
				want = false
			case 3:
				inode, at = inode+1, 0
			case 4:
				k.Low-- // over the one before, where that is adjacent
				want = want && (len(b) == 0 && k.Low >= uint64(size) || len(b) > 0 && slowPlain(k.Append(append([]byte{}, b...))))
			}
			b = k.Append(b)
		}
		if got := isPlain(b); got != want || got != slowPlain(b) {
			t.Fatalf("%x: %v, want %v; one by one %v", b, got, want, slowPlain(b))
		}
		if want {
			plain++
		} else {
			odd++
		}
	}
	if plain < 1000 || odd < 1000 {
		t.Errorf("%d plain, %d odd", plain, odd)
	}
}

// Bsets of which no key overlaps another's are told from those of which one does.
func TestDisjoint(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	apart := 0
	for range 20000 {
		runs, all := make([][]byte, 1+rnd.IntN(4)), []Piece{}
		ends := make([]ondisk.Sector, len(runs))
		at, inode := ondisk.Sector(0), uint32(0)
		for range rnd.IntN(12) {
			i, size := rnd.IntN(len(runs)), ondisk.Sector(1+rnd.IntN(9))
			if rnd.IntN(20) == 0 {
				inode, at = inode+1, 0
				clear(ends)
			}
			at += size
			if rnd.IntN(12) == 0 && at > size+4 && at-size-4 >= ends[i] { // some sectors back
				at -= 4
			}
			k := ondisk.MakeKey(inode, at, size)
			k.SetPtrs(1)
			runs[i], ends[i] = k.Append(runs[i]), at
			all = append(all, Piece{Start: at - size, End: at, Inode: inode})
		}
		want := true
		for i := range all {
			for j := range i {
				a, b := all[i], all[j]
				want = want && (a.Inode != b.Inode || a.End <= b.Start || b.End <= a.Start)
			}
		}
		if got := disjoint(runs); got != want {
			t.Fatalf("%v: %v, want %v", all, got, want)
		}
		if want {
			apart++
		}
	}
	if apart < 1000 || apart > 19000 {
		t.Errorf("%d of 20000 apart", apart)
	}
}

// slowPlain goes by what keys finds, key by key.
func slowPlain(b []byte) bool {
	w := orderWatch{leaf: true}
	keys, err := ondisk.DecodeKeys(b)
	for i := range keys {
		k := &keys[i]
		if k.Ptrs() != 1 || k.Size() == 0 || k.Size() > k.Offset() || !k.PadsZero() {
			return false
		}
		w.next(k)
	}
	return err == nil && w.falls == 0 && w.overlaps == 0
}

// Eight keys at once are what they are one by one, wherever among them something is odd.
func TestPlainEight(t *testing.T) {
	rnd := rand.New(rand.NewPCG(13, 14))
	plain, odd := 0, 0
	for range 20000 {
		var b []byte
		at, inode := ondisk.Sector(0), uint32(0)
		for range rnd.IntN(40) {
			size := ondisk.Sector(1 + rnd.IntN(9))
			if at += size + ondisk.Sector(rnd.IntN(2)); rnd.IntN(30) == 0 {
				inode, at = inode+uint32(rnd.IntN(3)), at/2+size
			}
			k := ondisk.MakeKey(inode, at, size)
			k.SetPtrs(1)
			k.Ptr[0] = ondisk.Ptr(rnd.Uint64())
			switch rnd.IntN(100) {
			case 0:
				k.High ^= 1 << rnd.IntN(64)
			case 1:
				k.Low ^= 1 << rnd.IntN(64)
			case 2:
				k.SetSize(k.Offset() + ondisk.Sector(rnd.IntN(3)) - 1)
			case 3:
				k.Low = plainEnd + uint64(rnd.IntN(3)) - 1
			}
			b = k.Append(b)
			b = b[:len(b)/PlainKey*PlainKey]
		}
		want := arePlain(b, 0, 0)
		if got := isPlain(b); got != want {
			t.Fatalf("%x: %v, want %v", b, got, want)
		}
		if want {
			plain++
		} else {
			odd++
		}
	}
	if plain < 1000 || odd < 1000 {
		t.Errorf("%d plain, %d odd", plain, odd)
	}
}
