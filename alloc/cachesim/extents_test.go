// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"math/rand/v2"
	"testing"
)

// Every page that a sweep leaves is found afterwards, and no other, whether the table grew or its gaps were closed.
func TestSweep(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	m := newExtents()
	m.eras = eras{make([]uint16, 1), sectorBits}
	want := map[pageKey]piece{}
	sizes := map[int]bool{}
	inPlace := 0
	for round := range 60 {
		keep := 1 + r.IntN(40) // of 100 pages: mostly there is room enough
		for !m.full() {
			k := key(uint32(r.IntN(3)), uint64(r.IntN(1<<20))<<(r.IntN(2)*26))
			p := m.add(k)
			p.chunk = [2]piece{piece(1 + r.IntN(99)), piece(r.IntN(100))}
			want[k] = p.chunk[0]<<32 | p.chunk[1]
		}
		if round%16 == 15 {
			keep = 80
		}
		size := len(m.pages)
		m.sweep(func(p *page) bool {
			alive := r.IntN(100) < keep
			if !alive {
				delete(want, p.key)
			}
			return alive
		})
		if sizes[len(m.pages)] = true; len(m.pages) == size {
			inPlace++
		}
		if m.used != len(want) || m.full() {
			t.Fatalf("round %d: %d pages, want %d", round, m.used, len(want))
		}
		seen := 0
		for i := range m.pages {
			if p := &m.pages[i]; !p.empty() {
				if v, ok := want[p.key]; !ok || v != p.chunk[0]<<32|p.chunk[1] || m.find(p.key) != p {
					t.Fatalf("round %d: page %v is not found where it stands, or is another", round, p.key)
				}
				seen++
			}
		}
		if seen != len(want) {
			t.Fatalf("round %d: %d pages stand in the table, want %d", round, seen, len(want))
		}
	}
	if inPlace < 10 || len(sizes) < 3 {
		t.Errorf("%d sweeps in place, %d sizes", inPlace, len(sizes))
	}
}

// A new page takes the place of one that leads to nothing, and every other is still found.
func TestAddReuses(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	m := newExtents()
	m.eras = eras{make([]uint16, 8), 10} // of buckets of 1024 sectors
	want := map[pageKey]piece{}
	reused, alive := 0, 0
	for range 200 {
		for !m.full() && r.IntN(300) > 0 {
			k, bucket := key(uint32(r.IntN(2)), uint64(r.IntN(1<<16))), r.IntN(8)
			_, had := want[k]
			used := m.used
			p := m.add(k)
			if !had && m.used == used {
				reused++
			}
			p.chunk = [2]piece{newPiece(0, 8, uint64(bucket)<<10, m.eras.of[bucket], false), 0}
			want[k] = p.chunk[0]
		}
		m.eras.of[r.IntN(8)]++
		for k, w := range want {
			p := m.find(k)
			switch {
			case !m.eras.alive(w):
				delete(want, k)
			case p == nil || p.chunk[0] != w:
				t.Fatalf("page %v is lost", k)
			default:
				alive++
			}
		}
		if m.full() {
			m.sweep(func(p *page) bool { return !m.eras.stale(p) })
		}
	}
	if reused < 1000 || alive < 10000 {
		t.Errorf("%d pages took another's place, %d were found", reused, alive)
	}
}

// Every unit that is put is found where it was put, until it is taken out or its bucket is invalidated, and no other.
func TestUnitTable(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 8))
	const buckets, bucketShift = 64, 8
	m := newUnitTable()
	era := make([]uint16, buckets)
	m.eras = eras{era, bucketShift}
	type unit struct {
		key, which uint64
	}
	want := map[unit]uint64{}
	sizes := map[int]int{}
	for step := range 100000 {
		k := unitKey(uint32(r.IntN(3)), uint64(r.IntN(1+step/20))<<(r.IntN(2)*30))
		switch r.IntN(200) {
		case 0, 1, 2, 3: // a bucket is invalidated
			b := uint64(1 + r.IntN(buckets-1))
			era[b]++
			for u, at := range want {
				if at>>bucketShift == b {
					delete(want, u)
				}
			}
		case 4, 5, 6, 7:
			which := uint64(1 + r.IntN(3))
			m.take(k, which)
			for _, unit1 := range []uint64{firstUnit, secondUnit} {
				if which&unit1 != 0 {
					delete(want, unit{k, unit1})
				}
			}
		default:
			which, at := uint64(1+r.IntN(3)), uint64(1<<bucketShift+r.IntN((buckets-1)<<bucketShift))
			if at>>bucketShift != (at+2*unitSize-1)>>bucketShift {
				continue
			}
			if m.full() {
				m.sweep()
				sizes[len(m.slots)]++
			}
			m.take(k, which)
			m.put(k, newPiece(which, 0, at, era[at>>bucketShift], false))
			for _, unit1 := range []uint64{firstUnit, secondUnit} {
				if which&unit1 != 0 {
					want[unit{k, unit1}] = at
					at += unitSize
				}
			}
		}
		if step%2000 != 1999 {
			continue
		}
		found := 0
		for _, u := range m.slots {
			if volume, pair := pairOf(u.key); u.key != 0 && u.at != goneUnit && unitKey(volume, pair) != u.key {
				t.Fatalf("key %x is volume %d, pair %d", u.key, volume, pair)
			}
			first, second := m.find(u.key)
			if u.key == 0 || !m.eras.alive(u.at) {
				continue
			}
			for _, of := range []uint64{firstUnit, secondUnit} {
				if u.at.which()&of == 0 {
					continue
				}
				found++
				w := first
				if of == secondUnit {
					w = second
				}
				if at, ok := want[unit{u.key, of}]; !ok || w == 0 || w.unit(of) != at || u.at.unit(of) != at {
					t.Fatalf("step %d: unit %d of %x is at %x, want %x", step, of, u.key, u.at, at)
				}
			}
		}
		if found != len(want) {
			t.Fatalf("step %d: %d units in the table, want %d", step, found, len(want))
		}
	}
	swept := 0
	for _, n := range sizes {
		swept += n
	}
	if len(sizes) < 2 || swept < 8 {
		t.Errorf("swept %d times, at sizes %v", swept, sizes)
	}
}
