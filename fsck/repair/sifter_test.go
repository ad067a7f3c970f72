// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/finding"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/scenes"
	"bctl/superblock"
)

// lostTree is a kernel's image whose root is lost, and the gens of its first buckets if those are to be, too.
func lostTree(t testing.TB, name string, gens bool) (fsck.Device, *inspect.Cache) {
	t.Helper()
	s := scenes.Open(t, name)
	sb, err := superblock.Read(s.Image)
	if err != nil {
		t.Fatal(err)
	}
	dev := fsck.Device{Name: name, R: s.Image, Size: s.Image.Size()}
	open := func() *inspect.Cache {
		c, err := inspect.Open(context.Background(), s.Image, sb, inspect.Options{Size: dev.Size, Sink: func(finding.Finding) {}})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := open()
	if c.Journal == nil || c.Journal.Newest == nil {
		return dev, nil // never registered
	}
	rubbish := bytes.Repeat([]byte{0x5a}, 4096)
	s.Main.Put(c.Journal.Newest.BtreeRoot.Ptr[0].Offset().Bytes(), rubbish)
	if gens {
		s.Main.Put(c.Geo.Start(c.Chain.Links[0].Bucket).Bytes(), rubbish)
	}
	return dev, open()
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
	leaves := 0
	for _, name := range imgtest.Names(t) {
		for seed := range uint64(2) {
			dev, c := lostTree(t, name, seed%2 == 0)
			if c == nil {
				continue
			}
			one, all := orphaned(t, dev, c, seed, false), orphaned(t, dev, c, seed, true)
			leaves += len(all.orphans)
			if !slices.Equal(one.orphans, all.orphans) || one.nameless != all.nameless || !slices.Equal(one.pale, all.pale) || !slices.Equal(one.w.node, all.w.node) {
				t.Errorf("%s, seed %d: other orphans", name, seed)
			}
			for b := range c.Geo.NBuckets {
				if one.tx.Gen(b) != all.tx.Gen(b) || one.tx.Used(b) != all.tx.Used(b) {
					t.Fatalf("%s, seed %d, bucket %d: gen %d, used %v, want %d, %v", name, seed, b, all.tx.Gen(b), all.tx.Used(b), one.tx.Gen(b), one.tx.Used(b))
				}
			}
		}
	}
	if leaves < 20 {
		t.Errorf("%d leaves", leaves)
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
