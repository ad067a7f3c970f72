// SPDX-License-Identifier: GPL-2.0-only

package btree

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"bctl/internal/bcache/ondisk"
)

// sector is one sector of a volume: what the slow model maps to the key that holds it.
type sector struct {
	inode uint32
	at    ondisk.Sector
}

type model map[sector]uint32 // to Piece.At

// put lays p over what is there.
func (m model) put(p Piece) {
	for s := p.Start; s < p.End; s++ {
		m[sector{p.Inode, s}] = p.At
	}
}

// pieces are the model's runs of one key each, in order.
func (m model) pieces() (out []Piece) {
	keys := make([]sector, 0, len(m))
	for s := range m {
		keys = append(keys, s)
	}
	slices.SortFunc(keys, func(a, b sector) int { return cmp.Or(cmp.Compare(a.inode, b.inode), cmp.Compare(a.at, b.at)) })
	for _, s := range keys {
		if n := len(out) - 1; n >= 0 && out[n].Inode == s.inode && out[n].End == s.at && out[n].At == m[s] {
			out[n].End++
		} else {
			out = append(out, Piece{Start: s.at, End: s.at + 1, Inode: s.inode, At: m[s]})
		}
	}
	return out
}

// randomPieces are n pieces in no order, numbered from at on. The space is small, so that every way to overlap
// comes up: same bounds, one inside the other, across several, touching.
func randomPieces(rnd *rand.Rand, n int, at uint32) (out []Piece) {
	for i := range n {
		start := ondisk.Sector(rnd.IntN(40))
		out = append(out, Piece{start, start + 1 + ondisk.Sector(rnd.IntN(12)), uint32(rnd.IntN(3)), at + uint32(i)})
	}
	return out
}

// sorted are pieces in order without overlaps, as a bset of a leaf holds them.
func sorted(rnd *rand.Rand, n int, at uint32) []Piece {
	m := model{}
	for _, p := range randomPieces(rnd, n, at) {
		m.put(p)
	}
	ps := m.pieces()
	for i := range ps { // each its own key
		ps[i].At = at + uint32(i)
	}
	return ps
}

func TestOverlayAndUnder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 20000 {
		newer, older := sorted(rnd, rnd.IntN(8), 100), sorted(rnd, rnd.IntN(8), 200)
		both, rest := model{}, model{}
		for _, p := range older {
			both.put(p)
			rest.put(p)
		}
		for _, p := range newer {
			both.put(p)
			for s := p.Start; s < p.End; s++ {
				delete(rest, sector{p.Inode, s})
			}
		}
		head := []Piece{{1, 2, 9, 9}} // what dst holds stays
		if got := Overlay(slices.Clone(head), newer, older); !slices.Equal(got, append(slices.Clone(head), both.pieces()...)) {
			t.Fatalf("%v over %v:\n got %v\nwant %v", newer, older, got[1:], both.pieces())
		}
		if got := Under(slices.Clone(head), newer, older); !slices.Equal(got, append(slices.Clone(head), rest.pieces()...)) {
			t.Fatalf("what %v leaves of %v:\n got %v\nwant %v", newer, older, got[1:], rest.pieces())
		}
	}
}

func TestResolve(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 10000 {
		in := randomPieces(rnd, rnd.IntN(14), 0)
		m := model{}
		for _, p := range in {
			m.put(p)
		}
		before := slices.Clone(in)
		if got := Resolve(in); !slices.Equal(got, m.pieces()) {
			t.Fatalf("%v:\n got %v\nwant %v", in, got, m.pieces())
		}
		if !slices.Equal(in, before) {
			t.Fatalf("%v was changed to %v", before, in)
		}
	}
}

// The cases by name, so that a failure says what broke.
func TestOverlayByName(t *testing.T) {
	const inode = 1
	p := func(start, end ondisk.Sector, at uint32) Piece { return Piece{start, end, inode, at} }
	for _, c := range []struct {
		name               string
		newer, older, want []Piece
	}{
		{"nothing", nil, nil, nil},
		{"only newer", []Piece{p(0, 8, 1)}, nil, []Piece{p(0, 8, 1)}},
		{"only older", nil, []Piece{p(0, 8, 2)}, []Piece{p(0, 8, 2)}},
		{"same bounds", []Piece{p(8, 16, 1)}, []Piece{p(8, 16, 2)}, []Piece{p(8, 16, 1)}},
		{"split", []Piece{p(4, 6, 1)}, []Piece{p(0, 8, 2)}, []Piece{p(0, 4, 2), p(4, 6, 1), p(6, 8, 2)}},
		{"split twice", []Piece{p(1, 2, 1), p(4, 6, 3)}, []Piece{p(0, 8, 2)}, []Piece{p(0, 1, 2), p(1, 2, 1), p(2, 4, 2), p(4, 6, 3), p(6, 8, 2)}},
		{"cut front", []Piece{p(0, 4, 1)}, []Piece{p(2, 8, 2)}, []Piece{p(0, 4, 1), p(4, 8, 2)}},
		{"cut front, same start", []Piece{p(2, 4, 1)}, []Piece{p(2, 8, 2)}, []Piece{p(2, 4, 1), p(4, 8, 2)}},
		{"cut back", []Piece{p(6, 12, 1)}, []Piece{p(2, 8, 2)}, []Piece{p(2, 6, 2), p(6, 12, 1)}},
		{"cut back, same end", []Piece{p(6, 8, 1)}, []Piece{p(2, 8, 2)}, []Piece{p(2, 6, 2), p(6, 8, 1)}},
		{"over several", []Piece{p(2, 20, 1)}, []Piece{p(0, 4, 2), p(4, 8, 3), p(10, 12, 4), p(18, 24, 5)}, []Piece{p(0, 2, 2), p(2, 20, 1), p(20, 24, 5)}},
		{"touching", []Piece{p(8, 16, 1)}, []Piece{p(0, 8, 2), p(16, 24, 3)}, []Piece{p(0, 8, 2), p(8, 16, 1), p(16, 24, 3)}},
		{"another inode", []Piece{{0, 8, 2, 1}}, []Piece{{0, 8, 1, 2}, {0, 8, 3, 3}}, []Piece{{0, 8, 1, 2}, {0, 8, 2, 1}, {0, 8, 3, 3}}},
		{"across inodes", []Piece{{4, 8, 1, 1}, {0, 4, 2, 3}}, []Piece{{0, 8, 1, 2}, {0, 8, 2, 4}}, []Piece{{0, 4, 1, 2}, {4, 8, 1, 1}, {0, 4, 2, 3}, {4, 8, 2, 4}}},
	} {
		if got := Overlay(nil, c.newer, c.older); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %v\nwant %v", c.name, got, c.want)
		}
	}
}
