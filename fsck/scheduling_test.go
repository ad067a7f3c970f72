// SPDX-License-Identifier: GPL-2.0-only

package fsck_test

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"

	"bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/scenes"
)

// races are devices on which who comes first once decided what was found.
func races() map[string]damages.Damage {
	return map[string]damages.Damage{
		"leaves referenced twice": {Base: "made-tree", Plant: func(s *damages.Scene) {
			for _, n := range s.Levels()[1] {
				s.EditSet(n, -1, func(b *ondisk.Bset) { b.Data[0].Ptr = b.Data[len(b.Data)-1].Ptr })
			}
		}},
		"one node for all children": {Base: "fifo-full", Plant: func(s *damages.Scene) {
			s.EditSet(s.Root(), 0, func(b *ondisk.Bset) {
				for i := range b.Data {
					b.Data[i].Ptr = b.Data[0].Ptr
				}
			})
		}},
		"the root below itself": {Base: "made-tree", Plant: func(s *damages.Scene) {
			root := s.Root().Key.Ptr
			for _, n := range s.Levels()[1] {
				s.EditSet(n, -1, func(b *ondisk.Bset) { b.Data[0].Ptr = root })
			}
		}},
		"gens unknown, pointers all over": {Base: "hostile", Plant: func(s *damages.Scene) {
			prio := s.Geo.Start(s.Chain()[0]).Bytes()
			at := s.Geo.Start(s.Free(20)[19])
			for i, n := range s.Leaves() {
				s.AddSet(n, s.Key(0, ondisk.Sector(1000*i+700), ondisk.Sector(8*(i+1)), at+ondisk.Sector(32*i), uint8(90*i)))
			}
			s.Flip(prio+100, 3)
		}},
		"gens known, pointers all over": {Base: "hostile", Plant: func(s *damages.Scene) {
			at := s.Geo.Start(s.Free(20)[19])
			for i, n := range s.Leaves() {
				s.AddSet(n, s.Key(0, ondisk.Sector(1000*i+700), ondisk.Sector(8*(i+1)), at+ondisk.Sector(32*i), uint8(90*i)))
			}
		}},
		"one seq for three nodes": {Base: "hostile", Plant: func(s *damages.Scene) {
			for _, n := range s.Leaves() {
				sets := s.Sets(n)
				for _, set := range sets {
					set.Seq = 7777
					s.PutSet(n, set)
				}
			}
		}},
		"extents on one another": {Base: "hostile", Plant: func(s *damages.Scene) {
			at := s.Geo.Start(s.Free(20)[19])
			for i, n := range s.Leaves() {
				s.AddSet(n, s.Key(0, ondisk.Sector(1000*i+700), 24, at+ondisk.Sector(8*i), 0), s.Key(0, ondisk.Sector(1000*i+800), 8, at, 0))
			}
		}},
	}
}

// report is everything a check says, as JSON.
func report(t testing.TB, s *damages.Scene) string {
	t.Helper()
	b, err := json.Marshal(check(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// jitter reads its device now quickly, now slowly.
type jitter struct{ io.ReaderAt }

func (j jitter) ReadAt(b []byte, at int64) (int, error) {
	for range rand.IntN(3) * rand.IntN(200) {
		runtime.Gosched()
	}
	return j.ReaderAt.ReadAt(b, at)
}

// reportSlowly is report on a device of which no two reads take the same time.
func reportSlowly(t testing.TB, s *damages.Scene) string {
	t.Helper()
	dev := fsck.Device{Name: "dev0", R: jitter{s.Main}, Size: s.Main.Size(), LogicalBlock: 512}
	r, err := fsck.Run(t.Context(), dev, nil, fsck.Options{Now: damages.Now})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What is found does not hang on how many processors there are, nor on which of them is quick.
func TestReportsDoNotDependOnScheduling(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	rounds := 34
	if testing.Short() {
		rounds = 7
	}
	for name, d := range races() {
		want := ""
		for i := range rounds {
			for _, procs := range []int{1, 2, 8} {
				runtime.GOMAXPROCS(procs)
				s := scenes.Open(t, d.Base)
				d.Plant(s)
				got := reportSlowly(t, s)
				if want == "" {
					want = got
				}
				if got != want {
					t.Fatalf("%s, round %d, GOMAXPROCS %d:\n%s\nwas\n%s", name, i, procs, got, want)
				}
			}
		}
	}
}

// Every damage of the catalogue says the same on one processor as on many.
func TestDamagesOnAnyNumberOfProcessors(t *testing.T) {
	if testing.Short() {
		t.Skip("the whole catalogue, twice")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, d := range append(damages.Proved(), damages.Tried...) {
		var said []string
		for _, procs := range []int{1, 8} {
			runtime.GOMAXPROCS(procs)
			s := scenes.Open(t, d.Base)
			d.Plant(s)
			said = append(said, report(t, s))
		}
		if said[0] != said[1] {
			t.Errorf("%s:\n%s\n%s", d.Name, said[0], said[1])
		}
	}
}
