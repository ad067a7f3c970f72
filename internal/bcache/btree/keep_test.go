// SPDX-License-Identifier: GPL-2.0-only

package btree

import (
	"errors"
	"math/rand/v2"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// A tree of leaves that stand already and of new extents between them holds all of both, in order, and its ranges tile.
func TestKeep(t *testing.T) {
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		v := newGrove(t, 64, 8, seed)
		all := someExtents(rnd, 600+rnd.IntN(3000))
		first, err := NewBuilder(v.build(100, 1))
		if err != nil {
			t.Fatal(err)
		}
		for i := range all {
			if err := first.Add(&all[i]); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := first.Finish(); err != nil {
			t.Fatal(err)
		}
		leaves := v.leaves(t)
		second, err := NewBuilder(v.build(75, 1))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range leaves {
			if rnd.IntN(3) > 0 {
				err = second.Keep(&l.key)
			} else {
				for i := 0; i < len(l.extents) && err == nil; i++ {
					err = second.Add(&l.extents[i])
				}
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := second.Keep(&leaves[0].key); !errors.Is(err, ErrOrder) {
			t.Fatalf("a leaf behind the end: %v", err)
		}
		root, level, err := second.Finish()
		if err != nil {
			t.Fatal(err)
		}
		if !root.IsMax() {
			t.Fatalf("the root ends at %v", root.Pos())
		}
		n, end := 0, ondisk.Pos{}
		v.walk(t, root, level, &end, func(k *ondisk.Bkey) {
			if n >= len(all) || *k != all[n] {
				t.Fatalf("seed %d, extent %d: %s", seed, n, k.String())
			}
			n++
		})
		if n != len(all) || end != ondisk.MaxKey.Pos() {
			t.Fatalf("seed %d: %d of %d extents, up to %v", seed, n, len(all), end)
		}
	}
}

type madeLeaf struct {
	key     ondisk.Bkey
	extents []ondisk.Bkey
}

// leaves are those that were put, in order; each ends with its last extent.
func (v *grove) leaves(t *testing.T) (out []madeLeaf) {
	t.Helper()
	for b := ondisk.Bucket(0); b <= v.next; b++ {
		level, ok := v.level[b]
		if !ok || level > 0 {
			continue
		}
		l := madeLeaf{}
		for gen := range 256 {
			k := ondisk.MakeKey(ondisk.MaxInode, ondisk.MaxKeyOffset, v.g.NodeSectors)
			k.SetPtrs(1)
			k.Ptr[0] = ondisk.MakePtr(uint8(gen), v.g.Start(b), uint64(v.g.ThisDev))
			n := NewReader(v, v.g, func(finding.Finding) {}).Read(k, 0)
			if !n.Whole {
				continue
			}
			n.Every(func(k *ondisk.Bkey) { l.extents = append(l.extents, *k) })
			last := l.extents[len(l.extents)-1]
			l.key = ondisk.MakeKey(last.Inode(), last.Offset(), v.g.NodeSectors)
			l.key.SetPtrs(1)
			l.key.Ptr[0] = k.Ptr[0]
			break
		}
		out = append(out, l)
	}
	return out
}

// walk goes through a tree, and checks that each node holds only what lies behind the one before and up to its end.
func (v *grove) walk(t *testing.T, key ondisk.Bkey, level int, end *ondisk.Pos, visit func(*ondisk.Bkey)) {
	t.Helper()
	n := NewReader(v, v.g, func(f finding.Finding) { t.Fatal(f.Message) }).Read(key, level)
	if level == 0 {
		lower := *end
		n.Every(func(k *ondisk.Bkey) {
			if k.Pos().Compare(key.Pos()) > 0 || k.Inode() == lower.Inode && k.Start() < lower.Offset {
				t.Fatalf("%s in the leaf from %v to %v", k.String(), lower, key.Pos())
			}
			visit(k)
		})
		*end = key.Pos()
		return
	}
	for _, c := range n.Children() {
		v.walk(t, c, level-1, end, visit)
	}
	if *end != key.Pos() {
		t.Fatalf("the last child ends at %v, its node at %v", *end, key.Pos())
	}
}
