// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/generate"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
	"bctl/internal/ui/progress"
	"bctl/superblock"
)

// sound is a cache as it is read.
func sound(t testing.TB, img *planter.Image) (fsck.Device, *inspect.Cache) {
	t.Helper()
	sb, err := superblock.Read(img)
	if err != nil {
		t.Fatal(err)
	}
	c, err := inspect.Open(context.Background(), img, sb, inspect.Options{Size: img.Size(), Sink: quiet})
	if err != nil {
		t.Fatal(err)
	}
	return fsck.Device{R: img, Size: img.Size()}, c
}

// lostTree is a cache whose root is lost, and the gens of its first buckets if those are to be, too.
func lostTree(t testing.TB, img *planter.Image, gens bool) (fsck.Device, *inspect.Cache) {
	t.Helper()
	_, c := sound(t, img)
	rubbish := bytes.Repeat([]byte{0x5a}, 4096)
	img.Put(c.Journal.Newest.BtreeRoot.Ptr[0].Offset().Bytes(), rubbish)
	if gens {
		img.Put(c.Geo.Start(c.Chain.Links[0].Bucket).Bytes(), rubbish)
	}
	return sound(t, img)
}

// manyLeaves is a made cache with so many extents, and leaves of several bsets.
func manyLeaves(t testing.TB, extents int) *planter.Image {
	t.Helper()
	spec := &generate.Spec{
		Buckets: uint64(extents/10 + 1000), BucketSectors: 128, BlockSectors: 8, Extents: int64(extents), Dirty: 0.5, Stale: 0.1, Volumes: 3, Bsets: 3, Free: 200, Seed: 7,
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := f.Truncate(spec.Size()); err != nil {
		t.Fatal(err)
	}
	if _, err := generate.Make(context.Background(), *spec, f, progress.Silent); err != nil {
		t.Fatal(err)
	}
	return planter.NewImage(f, spec.Size())
}

// orphaned looks for the leaves of a cache as findOrphans does, from gens that differ a little from those that there were.
func orphaned(t testing.TB, dev fsck.Device, c *inspect.Cache, seed uint64, sorted bool) *harvest {
	t.Helper()
	tx, err := change.Begin(c)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(seed, 1))
	for b := range c.Geo.NBuckets {
		if rnd.IntN(4) == 0 {
			tx.SetGen(b, tx.Gen(b)+uint8(rnd.IntN(4))-2)
		}
	}
	w := newWork(context.Background(), dev, nil, Options{})
	w.c, w.node = c, newBuckets(c.Geo.NBuckets)
	h := &harvest{w: w, c: c, tx: tx, base: &base{}, holes: []inspect.Range{inspect.Everything}}
	heads, err := c.OldNodes()
	if err != nil {
		t.Fatal(err)
	}
	a, s := h.adopter(), h.candidate()
	if !sorted {
		a.sift.rows = nil
	}
	for _, b := range heads {
		if s.look(b); s.live() && !s.interior {
			a.adopt(s)
		}
	}
	a.sift.empty()
	return h
}

// What is found of leaves that nothing leads to is the same whether their keys are taken as they come or sorted by their
// buckets.
func TestAdoptSorted(t *testing.T) {
	made, leaves := manyLeaves(t, 20000), 0
	for seed := range uint64(6) {
		img := made.Copy()
		if name := []string{"", "fifo-full", "writeback-dirty"}[seed/2]; name != "" {
			img = scenes.Open(t, name).Image
		}
		dev, c := lostTree(t, img, seed%2 == 0)
		one, all := orphaned(t, dev, c, seed, false), orphaned(t, dev, c, seed, true)
		leaves += len(all.orphans)
		if !slices.Equal(one.orphans, all.orphans) || one.nameless != all.nameless || !slices.Equal(one.pale, all.pale) || !slices.Equal(one.w.node, all.w.node) {
			t.Errorf("seed %d: other orphans: %+v, want %+v", seed, all.orphans, one.orphans)
		}
		for b := range c.Geo.NBuckets {
			if one.tx.Gen(b) != all.tx.Gen(b) || one.tx.Used(b) != all.tx.Used(b) {
				t.Fatalf("seed %d, bucket %d: gen %d, used %v, want %d, %v", seed, b, all.tx.Gen(b), all.tx.Used(b), one.tx.Gen(b), one.tx.Used(b))
			}
		}
	}
	if leaves < 10 {
		t.Errorf("%d leaves", leaves)
	}
}

// Where neither root nor gens are left, it does not matter how high the gens were: the dirty data of a cache that is as old
// as it gets are all there again.
func TestHighGens(t *testing.T) {
	img := manyLeaves(t, 5000)
	_, was := sound(t, img)
	dev, c := lostTree(t, img, true)
	if c.Geo.PrioBuckets() != 1 {
		t.Fatalf("%d prio sets, one was written over", c.Geo.PrioBuckets())
	}
	heads, err := c.OldNodes()
	if err != nil || len(heads) == 0 {
		t.Fatal(heads, err)
	}
	for _, b := range heads {
		old := ondisk.MakePtr(0, c.Geo.Start(b), uint64(c.Geo.ThisDev))
		raw := make([]byte, c.Geo.NodeSectors.Bytes())
		if _, err := img.ReadAt(raw, old.Offset().Bytes()); err != nil {
			t.Fatal(err)
		}
		for at := int64(0); at < int64(len(raw)); {
			set, err := ondisk.DecodeBset(raw[at:], c.Geo.SetMagic, old)
			if err != nil {
				break
			}
			for i := range set.Data {
				k := &set.Data[i]
				k.Ptr[0] = ondisk.MakePtr(k.Ptr[0].Gen()+200, k.Ptr[0].Offset(), k.Ptr[0].Dev())
			}
			sealed, err := set.Sealed(c.Geo.SetMagic, ondisk.MakePtr(133, old.Offset(), old.Dev()))
			if err != nil {
				t.Fatal(err)
			}
			img.Put(old.Offset().Bytes()+at, sealed)
			at += c.Geo.Blocks(int64(len(sealed))).Bytes()
		}
	}
	r, err := Plan(context.Background(), dev, nil, Options{})
	if err != nil || r.Plans[0] == nil || r.After.Result == fsck.Damaged {
		t.Fatal(r, err)
	}
	sb, err := superblock.Read(img)
	if err != nil {
		t.Fatal(err)
	}
	is, err := inspect.Open(context.Background(), r.Plans[0].Overlay(img), sb, inspect.Options{Size: dev.Size, Sink: quiet})
	if err != nil || len(is.Volumes) != len(was.Volumes) {
		t.Fatal(is, err)
	}
	for i, v := range was.Volumes {
		if got := is.Volumes[i]; got.Inode != v.Inode || got.DirtySectors != v.DirtySectors || v.DirtySectors == 0 {
			t.Errorf("volume %d: %d dirty sectors, there were %d", v.Inode, got.DirtySectors, v.DirtySectors)
		}
	}
}

// Runs are buckets one behind the other, whatever words their bits are in.
func TestRuns(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		d := newDubious(300)
		is := rnd.IntN(2) == 0
		var want []Run
		for b := range ondisk.Bucket(300) {
			if rnd.IntN(40) == 0 {
				is = !is
			}
			if !is {
				continue
			}
			d.set(b)
			if n := len(want); n > 0 && want[n-1].Last+1 == b {
				want[n-1].Last = b
			} else {
				want = append(want, Run{b, b})
			}
		}
		if got := d.runs(); !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}

// The content of a leaf is its extents, one by one, in their order.
func TestContent(t *testing.T) {
	odd, plain := 0, 0
	for _, name := range imgtest.Names(t) {
		s := scenes.Open(t, name)
		for _, nodes := range s.Levels()[:1] {
			for _, n := range nodes {
				key := ondisk.MakeKey(ondisk.MaxInode, ondisk.MaxKeyOffset, s.Geo.NodeSectors)
				key.SetPtrs(1)
				key.Ptr[0] = n.Key.Ptr[0]
				var c content
				c.read(btree.NewReader(s.Image, &s.Geo, quiet).Read(key, 0))
				node := btree.NewReader(s.Image, &s.Geo, quiet).Read(key, 0)
				all := node.Extents()
				if c.some != (len(all) > 0) || c.some && (c.lo != startOf(&all[0]) || c.hi != endOf(&all[len(all)-1])) {
					t.Fatalf("%s: from %v to %v", name, c.lo, c.hi)
				}
				at, rest := 0, c.odd
				for i := range all {
					var want, got ondisk.Bkey
					node.Keys.Key(all[i], &want)
					if len(rest) > 0 && rest[0].behind == at {
						got, rest, odd = rest[0].k, rest[1:], odd+1
					} else if _, err := got.Decode(c.plain[at:]); err == nil {
						at, plain = at+btree.PlainKey, plain+1
					}
					if got != want {
						t.Fatalf("%s: %v, want %v", name, &got, &want)
					}
				}
				if at != len(c.plain) || len(rest) > 0 {
					t.Fatalf("%s: more than there is", name)
				}
			}
		}
	}
	if odd == 0 || plain == 0 {
		t.Errorf("%d odd and %d plain keys", odd, plain)
	}
}

// BenchmarkPlan plans repairs: what docs/performance.md measures of whole runs at sixteen million extents.
func BenchmarkPlan(b *testing.B) {
	const extents = 300000
	made := manyLeaves(b, extents)
	for _, lost := range []string{"prios", "root", "root and prios"} {
		b.Run(lost, func(b *testing.B) {
			img := made.Copy()
			var at []ondisk.Sector
			_, c := sound(b, img)
			if lost != "root" {
				at = append(at, c.Geo.Start(c.Chain.Links[0].Bucket))
			}
			if lost != "prios" {
				at = append(at, c.Journal.Newest.BtreeRoot.Ptr[0].Offset())
			}
			for _, s := range at {
				img.Put(s.Bytes(), bytes.Repeat([]byte{0x5a}, 4096))
			}
			dev := fsck.Device{Name: "image", R: img, Size: img.Size()}
			b.ReportAllocs()
			for b.Loop() {
				if r, err := Plan(context.Background(), dev, nil, Options{}); err != nil || r.Plans[0] == nil {
					b.Fatal(r, err)
				}
			}
			b.ReportMetric(extents*float64(b.N)/b.Elapsed().Seconds(), "extents/s")
		})
	}
}
