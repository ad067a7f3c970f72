// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
	"bctl/superblock"
)

// openAny reads a device whatever is wrong with it; nil if it is nothing to read.
func openAny(t testing.TB, r io.ReaderAt, size int64) *Cache {
	t.Helper()
	s, err := superblock.Read(r)
	if err != nil || s.IsBacking() {
		return nil
	}
	c, err := Open(context.Background(), r, s, Options{Size: size, Sink: func(finding.Finding) {}})
	if err != nil {
		return nil
	}
	return c
}

func compareExtents(a, b Extent) int {
	return slices.Compare([]uint64{uint64(a.Inode()), uint64(startOf(&a)), a.Low, a.High, uint64(a.Ptr[0])}, []uint64{uint64(b.Inode()), uint64(startOf(&b)), b.Low, b.High, uint64(b.Ptr[0])})
}

// startOf is where a piece starts: at 0 if it is longer than its offset.
func startOf(e *Extent) ondisk.Sector { return max(e.Offset(), e.Size()) - e.Size() }

// walked are all pieces that the parallel walk visits, sorted.
func walked(t testing.TB, c *Cache) (all []Extent) {
	t.Helper()
	var mu sync.Mutex
	err := c.Walk(func(_ int, e *Extent) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, *e)
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, compareExtents)
	return all
}

func ordered(t testing.TB, c *Cache, r Range) (all []Extent) {
	t.Helper()
	for e, err := range c.Extents(r) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, *e)
	}
	return all
}

func lookedUp(t testing.TB, l *Lookup, r Range) (all []Extent) {
	t.Helper()
	if err := l.Extents(r, func(e *Extent) bool { all = append(all, *e); return true }); err != nil {
		t.Fatal(err)
	}
	return all
}

// agreesPointers holds what the table of buckets and the other pointers tell of free buckets against all pointers.
func agreesPointers(t *testing.T, c *Cache) {
	t.Helper()
	if c.Journal == nil || c.Journal.Newest == nil {
		return
	}
	type told struct {
		pointed bool
		lag     uint8
	}
	count := func(of []told, every func(func(ondisk.Ptr)) error) {
		err := every(func(p ondisk.Ptr) {
			b := c.Geo.BucketOf(p.Offset())
			if !p.Available() || b >= c.Geo.NBuckets {
				return
			}
			if stale := ondisk.GenAfter(c.Buckets.Gen(b), p.Gen()); stale > 0 {
				of[b].lag = max(of[b].lag, stale)
			} else {
				of[b].pointed = true
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	want, got := make([]told, c.Geo.NBuckets), make([]told, c.Geo.NBuckets)
	count(want, c.EveryPointer)
	for b := range c.Geo.NBuckets {
		got[b].lag = c.Buckets.Lag(b)
	}
	count(got, c.OtherPointers)
	for b := range c.Geo.NBuckets {
		if c.Buckets.Mark(b) == Free && got[b] != want[b] {
			t.Errorf("bucket %d: %+v, all pointers say %+v", b, got[b], want[b])
		}
	}
}

// agreesOrdered holds the ordered reading of a cache, and parts of it, against the parallel walk.
func agreesOrdered(t *testing.T, c *Cache, rnd *rand.Rand) {
	t.Helper()
	agreesPointers(t, c)
	want := walked(t, c)
	got := ordered(t, c, Everything)
	if c.Tree.loose {
		slices.SortFunc(got, compareExtents)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d extents in order, %d walked", len(got), len(want))
		return
	}
	small := c.Lookup(1) // keeps one leaf
	large := c.Lookup(1 << 30)
	for i := range 30 {
		r := Everything
		if len(want) > 0 && i > 0 {
			a, b := &want[rnd.IntN(len(want))], &want[rnd.IntN(len(want))]
			r = Range{a.Pos(), b.Pos()}
			switch rnd.IntN(4) {
			case 0:
				r = OfVolume(a.Inode())
			case 1:
				r = Of(a.Inode(), a.Start()+1, a.Offset()-1)
			case 2:
				r.From.Offset--
				r.To.Offset++
			}
		}
		var part []Extent
		for _, e := range want {
			if (ondisk.Pos{Inode: e.Inode(), Offset: e.Offset()}).Compare(r.From) > 0 && (ondisk.Pos{Inode: e.Inode(), Offset: startOf(&e)}).Compare(r.To) < 0 {
				part = append(part, e)
			}
		}
		for _, got := range [][]Extent{ordered(t, c, r), lookedUp(t, small, r), lookedUp(t, large, r)} {
			if c.Tree.loose {
				slices.SortFunc(got, compareExtents)
			}
			if !slices.Equal(got, part) {
				t.Errorf("%+v: %d extents, want %d", r, len(got), len(part))
			}
		}
	}
}

// agreesSlow holds the live sectors against the slow model.
func agreesSlow(t *testing.T, c *Cache, m *slow) {
	t.Helper()
	live := 0
	for e, err := range c.Extents(Everything) {
		if err != nil {
			t.Fatal(err)
		}
		for s := range e.Size() {
			x, ok := m.sectors[e.Inode()][uint64(e.Start()+s)]
			alive := ok && x.here && !ahead(m.gen[x.at/m.bucketSectors], x.gen)
			if !ok || alive != e.Live || alive && (x.at != uint64(e.Ptr[0].Offset()+s) || x.hot != e.Dirty()) {
				t.Fatalf("extent %s, sector %d: live %v, want %+v", e.String(), s, e.Live, x)
			}
			if alive {
				live++
			}
		}
	}
	want := 0
	for _, sectors := range m.sectors {
		for _, x := range sectors {
			if x.here && !ahead(m.gen[x.at/m.bucketSectors], x.gen) {
				want++
			}
		}
	}
	if live != want {
		t.Errorf("%d live sectors, want %d", live, want)
	}
}

func TestOrderedOnImages(t *testing.T) {
	for _, name := range imgtest.AllNames(t) {
		t.Run(name, func(t *testing.T) {
			f, size := imgtest.File(t, name)
			c := openAny(t, f, size)
			if c == nil {
				t.Skip("not a cache")
			}
			agreesOrdered(t, c, rand.New(rand.NewPCG(1, 1)))
			if hs := c.Holes(Everything); len(hs) > 0 {
				t.Errorf("holes in a sound tree: %v", hs)
			}
			if slices.Contains(imgtest.Names(t), name) {
				agreesSlow(t, c, slowRead(t, f))
			}
		})
	}
}

// Whatever is wrong with a device, the ordered reading sees what the walk sees.
func TestOrderedOnDamages(t *testing.T) {
	all := append(damages.Proved(), damages.Tried...)
	for i, d := range all {
		if testing.Short() && i%7 != 0 {
			continue
		}
		t.Run(d.Name, func(t *testing.T) {
			s := scenes.Open(t, d.Base)
			d.Plant(s)
			if c := openAny(t, s.Image, s.Size()); c != nil {
				agreesOrdered(t, c, rand.New(rand.NewPCG(uint64(i), 2)))
			}
		})
	}
}

// What is not in a hole is as it was before the damage; and a damaged node makes one.
func TestHoles(t *testing.T) {
	for _, base := range []string{"made-tree", "hostile", "detached-reattached", "fifo-full"} {
		sound := scenes.Open(t, base)
		before := live(walked(t, openAny(t, sound.Image, sound.Size())))
		rnd := rand.New(rand.NewPCG(7, 7))
		levels := sound.Levels()
		for range 25 {
			s := scenes.Open(t, base)
			for range 1 + rnd.IntN(3) {
				nodes := levels[rnd.IntN(len(levels))]
				n := nodes[rnd.IntN(len(nodes))]
				sets := s.Sets(n)
				set := sets[rnd.IntN(len(sets))]
				if len(set.Data) > 0 {
					s.Flip((n.Sector()+set.At).Bytes()+int64(rnd.IntN(int(set.Bytes()))), uint(rnd.IntN(8)))
				}
				if n.Level > 0 && rnd.IntN(3) == 0 { // another node in its place
					s.PutNode(s.Geo.BucketOf(n.Sector()), n.Key.Ptr[0].Gen(), 4711, n.Key.Pos())
				}
				if t.Failed() {
					return
				}
				if !readable(s, nodes, n) {
					break // the planter cannot find its way any more
				}
			}
			c := openAny(t, s.Image, s.Size())
			after := live(walked(t, c))
			for _, e := range before {
				if !inHole(c, e) && !containsExtent(after, e) {
					t.Errorf("%s: %s is lost, holes %v", base, e.String(), c.Holes(Everything))
				}
			}
			for _, e := range after {
				if !inHole(c, e) && !containsExtent(before, e) {
					t.Errorf("%s: %s is new, holes %v", base, e.String(), c.Holes(Everything))
				}
			}
			if t.Failed() {
				return
			}
		}
	}
}

func readable(s *damages.Scene, _ []planter.Node, n planter.Node) bool {
	_, err := ondisk.DecodeBset(s.Bytes(n.Sector().Bytes(), int(s.Geo.NodeSectors.Bytes())), s.Geo.SetMagic, n.Key.Ptr[0])
	return err == nil
}

func live(all []Extent) []Extent {
	return slices.DeleteFunc(all, func(e Extent) bool { return !e.Live })
}

// inHole reports whether some of e, but for a journal's key, is in a hole.
func inHole(c *Cache, e Extent) bool {
	return !e.FromJournal && len(c.Holes(Of(e.Inode(), e.Start(), e.Offset()))) > 0
}

func containsExtent(all []Extent, e Extent) bool {
	return slices.ContainsFunc(all, func(o Extent) bool { return o.Bkey == e.Bkey })
}

// A tree without a root that can be read is one hole.
func TestNoRoot(t *testing.T) {
	s := scenes.Open(t, "hostile")
	s.EditNewest(func(j *ondisk.Jset) { j.BtreeRoot.Ptr[0] = 0 })
	c := openAny(t, s.Image, s.Size())
	if hs := c.Holes(OfVolume(3)); len(hs) != 1 || hs[0] != OfVolume(3) {
		t.Errorf("holes %v", hs)
	}
	got := ordered(t, c, Everything)
	if len(got) != 1 || !got[0].FromJournal {
		t.Errorf("extents %v", got)
	}
	// Nor does a journal without entries, or one that no superblock names, tell what the cache holds.
	for name, plant := range map[string]func(){
		"no journal bucket": func() { s.EditSuper(func(sb *ondisk.Super) { sb.Keys = 0; sb.SetSync(false) }) },
		"no journal entries": func() {
			s.EditSuper(func(sb *ondisk.Super) { sb.Keys = 4; sb.SetSync(true) })
			s.Put(s.Newest().Sector.Bytes(), make([]byte, 8))
			s.WipeEntry(s.Entries()[0])
		},
	} {
		s = scenes.Open(t, "hostile")
		plant()
		if c := openAny(t, s.Image, s.Size()); len(c.Holes(Everything)) != 1 {
			t.Errorf("%s: holes %v", name, c.Holes(Everything))
		}
	}
}

// fading fails all reads once it is told to.
type fading struct {
	io.ReaderAt
	broken bool
}

var errFaded = errors.New("faded")

func (f *fading) ReadAt(b []byte, off int64) (int, error) {
	if f.broken {
		return 0, errFaded
	}
	return f.ReaderAt.ReadAt(b, off)
}

// A leaf that could be read is not taken for an empty one later.
func TestLeafIsGone(t *testing.T) {
	s := scenes.Open(t, "made-tree")
	r := &fading{ReaderAt: s.Image}
	c := openAny(t, r, s.Size())
	r.broken = true
	var last error
	for _, err := range c.Extents(Everything) {
		last = err
	}
	if !errors.Is(last, ErrChanged) {
		t.Errorf("ordered: %v", last)
	}
	l := c.Lookup(1 << 20)
	for range 2 {
		if err := l.Extents(Everything, func(*Extent) bool { return true }); !errors.Is(err, ErrChanged) {
			t.Errorf("looked up: %v", err)
		}
	}
	r.broken = false
	if got := lookedUp(t, l, Everything); len(got) != 8 {
		t.Errorf("%d extents once it can be read again, want 8", len(got))
	}
	// One who stops early leaves nothing behind.
	for range c.Extents(Everything) {
		break
	}
}

// The iterators go over what the planter finds by other means.
func TestNodesAndEntries(t *testing.T) {
	for _, name := range []string{"detached-reattached", "made-tree"} {
		s := scenes.Open(t, name)
		c := openAny(t, s.Image, s.Size())
		var got, want []uint64
		for n, err := range c.Nodes() {
			if err != nil {
				t.Fatal(err)
			}
			keys := 0
			for i, k := range n.All() {
				if i >= len(n.Sets) || k.Words() < 2 {
					t.Fatal(i, k)
				}
				keys++
			}
			got = append(got, uint64(n.Level), n.Seq(), uint64(len(n.Sets)), uint64(keys))
		}
		levels := s.Levels()
		for l := len(levels) - 1; l >= 0; l-- {
			for _, n := range levels[l] {
				sets, keys := s.Sets(n), 0
				for _, set := range sets {
					keys += len(set.Data)
				}
				want = append(want, uint64(l), sets[0].Seq, uint64(len(sets)), uint64(keys))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: nodes %v, want %v", name, got, want)
		}
		newest := s.Newest()
		next := newest.LastSeq
		for j, err := range c.Entries() {
			if err != nil || j.Seq != next {
				t.Errorf("%s: entry %d, want %d; %v", name, j.Seq, next, err)
			}
			next++
		}
		if next != newest.Seq+1 {
			t.Errorf("%s: entries up to %d, want %d", name, next-1, newest.Seq)
		}
	}
}

// Each way in which a tree may fail to tell, and the sectors that it is silent about.
func TestWhereHolesAre(t *testing.T) {
	upper := func(s *damages.Scene) planter.Node { return s.Levels()[1][0] }
	lastChild := func(change func(s *damages.Scene, k *ondisk.Bkey)) func(*damages.Scene) {
		return func(s *damages.Scene) {
			s.EditSet(upper(s), 0, func(b *ondisk.Bset) { change(s, &b.Data[len(b.Data)-1]) })
		}
	}
	for _, test := range []struct {
		name  string
		plant func(s *damages.Scene)
		want  []Range
	}{
		{"none", func(*damages.Scene) {}, nil},
		{"an extent behind its leaf", func(s *damages.Scene) {
			s.AddSet(s.Leaves()[0], s.Key(0, 1010, 20, s.Geo.Start(s.Free(1)[0]), 0))
		}, []Range{Of(0, 1000, 1010)}},
		{"an extent before its leaf", func(s *damages.Scene) {
			s.AddSet(s.Leaves()[1], s.Key(0, 1040, 80, s.Geo.Start(s.Free(1)[0]), 0))
		}, []Range{Of(0, 960, 1000)}},
		{"a leaf's checksum", func(s *damages.Scene) { s.Flip(s.Leaves()[2].Sector().Bytes(), 0) }, []Range{Of(0, 2000, 3000)}},
		{"two leaves' checksums", func(s *damages.Scene) {
			s.Flip(s.Leaves()[1].Sector().Bytes(), 0)
			s.Flip(s.Leaves()[2].Sector().Bytes(), 0)
		}, []Range{Of(0, 1000, 3000)}},
		{"an interior node's checksum", func(s *damages.Scene) { s.Flip(upper(s).Sector().Bytes(), 0) }, []Range{Of(0, 0, 2000)}},
		{"a child without a pointer", lastChild(func(_ *damages.Scene, k *ondisk.Bkey) { k.SetPtrs(0) }), []Range{Of(0, 1000, 2000)}},
		{"a child too short", lastChild(func(_ *damages.Scene, k *ondisk.Bkey) { k.Low -= 100 }), []Range{Of(0, 1900, 2000)}},
		{"a child that was there before", lastChild(func(s *damages.Scene, k *ondisk.Bkey) { k.Ptr = s.Leaves()[3].Key.Ptr }), []Range{Of(0, 1000, 2000)}},
		{"two children of one end", func(s *damages.Scene) {
			k := s.PutNode(s.Free(1)[0], 0, 888, s.Leaves()[0].Key.Pos())
			s.Insert(upper(s), k)
		}, []Range{Of(0, 0, 1000)}},
		// Only the last node shows that it is none of leaves.
		{"children of another level", func(s *damages.Scene) { s.EditNewest(func(j *ondisk.Jset) { j.Level = 1 }) }, []Range{{ondisk.Pos{Offset: 2000}, ondisk.MaxKey.Pos()}}},
	} {
		s := scenes.Open(t, "made-tree")
		test.plant(s)
		c := openAny(t, s.Image, s.Size())
		got := c.Holes(Everything)
		if test.name == "a child that was there before" { // which of the two is read is a matter of luck
			if len(got) != 1 || got[0] != test.want[0] && got[0].From != (ondisk.Pos{Offset: 3000}) {
				t.Errorf("%s: holes %v", test.name, got)
			}
			continue
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: holes %v, want %v", test.name, got, test.want)
		}
	}
}
