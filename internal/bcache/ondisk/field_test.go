// SPDX-License-Identifier: GPL-2.0-only

package ondisk

import (
	"math"
	"math/rand/v2"
	"testing"
)

// words are the words that fields share, each with the bits that no field has.
var words = []struct {
	name   string
	fields map[string]field
	free   uint64
}{
	{"bkey.high", map[string]field{
		"header": keyHeader, "ptrs": keyPtrs, "pad0": keyPad0, "csum": keyCsum, "pad1": keyPad1, "pad2": keyPad2,
		"dirty": keyDirty, "size": keySize, "inode": keyInode,
	}, 0},
	{"bkey.ptr", map[string]field{"dev": ptrDev, "offset": ptrOffset, "gen": ptrGen}, 1 << 63},
	{"cache flags", map[string]field{"sync": cacheSync, "discard": cacheDiscard, "replacement": cacheReplacement}, math.MaxUint64 &^ 0x1f},
	{"backing flags", map[string]field{"mode": bdevCacheMode, "state": bdevState}, math.MaxUint64 &^ (0xf | 3<<61)},
	{"uuid flags", map[string]field{"flash only": uuidFlashOnly}, math.MaxUint64 &^ 1},
}

func TestFieldsTileTheirWord(t *testing.T) {
	for _, w := range words {
		taken := w.free
		for name, f := range w.fields {
			if taken&f.mask() != 0 {
				t.Errorf("%s: %s overlaps another field", w.name, name)
			}
			taken |= f.mask()
		}
		if taken != math.MaxUint64 {
			t.Errorf("%s: bits %#x belong to no field", w.name, ^taken)
		}
	}
}

func TestFieldGetSet(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, w := range words {
		for name, f := range w.fields {
			for range 200 {
				before, v := rnd.Uint64(), rnd.Uint64()
				after := before
				f.set(&after, v)
				if got, want := f.get(after), v&f.ones(); got != want {
					t.Fatalf("%s %s: set %#x, got %#x", w.name, name, want, got)
				}
				if (before^after)&^f.mask() != 0 {
					t.Fatalf("%s %s: set changed the rest: %#x to %#x", w.name, name, before, after)
				}
			}
		}
	}
}

func TestSuperFlags(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*Super)
		want uint64
	}{
		{"sync", func(s *Super) { s.SetSync(true) }, 1},
		{"discard", func(s *Super) { s.SetDiscard(true) }, 2},
		{"fifo", func(s *Super) { s.SetReplacement(FIFO) }, 1 << 2},
		{"random", func(s *Super) { s.SetReplacement(Random) }, 2 << 2},
		{"writeback", func(s *Super) { s.SetCacheMode(Writeback) }, 1},
		{"writearound", func(s *Super) { s.SetCacheMode(Writearound) }, 2},
		{"mode none", func(s *Super) { s.SetCacheMode(None) }, 3},
		{"clean", func(s *Super) { s.SetState(StateClean) }, 1 << 61},
		{"dirty", func(s *Super) { s.SetState(StateDirty) }, 2 << 61},
		{"stale", func(s *Super) { s.SetState(StateStale) }, 3 << 61},
	} {
		var s Super
		if c.set(&s); s.Flags != c.want {
			t.Errorf("%s: flags %#x, want %#x", c.name, s.Flags, c.want)
		}
	}
	s := Super{Flags: 7<<2 | 3<<61 | 0xf}
	if s.Replacement() != 7 || s.Replacement().String() != "unknown (7)" || s.State() != StateStale || s.CacheMode().String() != "unknown (15)" {
		t.Errorf("%v %v %v", s.Replacement(), s.State(), s.CacheMode())
	}
}

func TestGenAfter(t *testing.T) {
	// The kernel's own words: unsigned difference, and 0 where it is above half the circle.
	for a := range 256 {
		for b := range 256 {
			want := (a - b + 256) % 256
			if want > 128 {
				want = 0
			}
			if got := GenAfter(uint8(a), uint8(b)); int(got) != want {
				t.Fatalf("GenAfter(%d, %d) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestPosOrder(t *testing.T) {
	rising := []Pos{{0, 0}, {0, 1}, {0, MaxKeyOffset}, {0, math.MaxUint64}, {1, 0}, {1, 7}, {MaxInode, 0}, MaxKey.Pos()}
	for i, p := range rising {
		for j, q := range rising {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := p.Compare(q); got != want {
				t.Errorf("%v against %v: %d, want %d", p, q, got, want)
			}
		}
	}
}

// Cuts keep what is left where it was, in the volume and on the cache.
func TestCuts(t *testing.T) {
	k := MakeKey(3, 100, 20) // [80, 100)
	k.SetPtrs(2)
	k.Ptr[0], k.Ptr[1] = MakePtr(9, 1000, 0), MakePtr(1, 5000, PtrCheckDev)
	k.SetDirty(true)
	front := k
	front.CutFront(85)
	if front.Start() != 85 || front.Offset() != 100 || front.Ptr[0].Offset() != 1005 || front.Ptr[1].Offset() != 5005 {
		t.Errorf("front cut to 85: %v", front.String())
	}
	back := k
	back.CutBack(95)
	if back.Start() != 80 || back.Offset() != 95 || back.Ptr != k.Ptr {
		t.Errorf("back cut to 95: %v", back.String())
	}
	both := front
	both.CutBack(86)
	if want := "3:85 len 1 -> [0:1005 gen 9, check dev] dirty"; both.String() != want {
		t.Errorf("%s, want %s", both.String(), want)
	}
	if both.Ptr[0].Gen() != 9 || both.Inode() != 3 || !both.Dirty() || !both.PadsZero() {
		t.Errorf("a cut changed more than it should: %v", both.String())
	}
}
