// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/planter"
	"bctl/superblock"
)

// open reads a device without damage.
func open(t testing.TB, r io.ReaderAt, size int64) *Cache {
	t.Helper()
	s, err := superblock.Read(r)
	if err != nil {
		t.Fatal(err)
	}
	sink := func(f finding.Finding) {
		if f.Severity == finding.Damage {
			t.Errorf("%s %s", f.Code, f.Message)
		}
	}
	c, err := Open(context.Background(), r, s, Options{Size: size, Sink: sink})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// agrees holds what was read fast against what was read slowly.
func agrees(t testing.TB, c *Cache, m *slow) {
	t.Helper()
	if tt, ok := t.(*testing.T); ok {
		agreesPointers(tt, c)
	}
	vols, buckets := m.judge()
	if got, want := [4]uint64{uint64(c.Tree.Depth), uint64(c.Tree.Nodes), uint64(len(c.Journal.Live)), c.Journal.Newest.Seq},
		[4]uint64{m.level, uint64(m.nodes), uint64(m.live), m.seq}; got != want {
		t.Errorf("depth, nodes, live entries, seq: %v, want %v", got, want)
	}
	for _, v := range c.Volumes {
		want := vols[v.Inode]
		if want == nil {
			want = &slowVolume{}
		}
		got := slowVolume{v.Extents, int64(v.LiveSectors), int64(v.DirtySectors), v.Stale}
		if got != *want {
			t.Errorf("volume %d: %+v, want %+v", v.Inode, got, *want)
		}
		delete(vols, v.Inode)
	}
	for inode, v := range vols {
		if *v != (slowVolume{}) {
			t.Errorf("volume %d is missing: %+v", inode, *v)
		}
	}
	wrong := 0
	for row, err := range c.Rows(Filter{Last: 1 << 60, Inode: -1, GenAbove: -1}) {
		if err != nil {
			t.Fatal(err)
		}
		b, want := row.Bucket, buckets[row.Bucket]
		if want.owner == "" && len(want.inodes) > 0 {
			want.owner = "inode " + fmt.Sprint(want.inodes[0])
			if len(want.inodes) > 1 {
				want.owner = "inodes " + strings.Trim(fmt.Sprint(want.inodes), "[]")
			}
		}
		if row.Mark != If(true, want.mark) || row.Sectors != If(true, want.sectors) || row.Owner != want.owner || !slices.Equal(row.Inodes, want.inodes) ||
			row.Gen != If(true, m.gen[b]) || row.DiskGen != If(true, m.diskGen[b]) || row.Prio != If(true, m.prio[b]) {
			if wrong++; wrong < 5 {
				t.Errorf("bucket %+v, want %+v gen %d disk gen %d prio %d", row, want, m.gen[b], m.diskGen[b], m.prio[b])
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d buckets differ", wrong, len(buckets))
	}
}

func TestImagesAgreeWithSlowModel(t *testing.T) {
	for _, name := range imgtest.Names(t) {
		t.Run(name, func(t *testing.T) {
			f, size := imgtest.File(t, name)
			agrees(t, open(t, f, size), slowRead(t, f))
		})
	}
}

// Trees that no kernel happened to write: many bsets that cut each other, stale pointers, keys without pointers, and
// journal entries over them.
func TestRandomTreesAgreeWithSlowModel(t *testing.T) {
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		c := planter.Make(t, planter.Plan{Buckets: 700, Bucket: 128, Block: 8})
		free := c.Free(600)
		at := ondisk.Sector(0)
		place := func(size ondisk.Sector) ondisk.Sector { // every extent gets sectors of its own
			if c.Geo.Remainder(at)+size > c.Geo.BucketSectors {
				at += c.Geo.BucketSectors - c.Geo.Remainder(at)
			}
			defer func() { at += size }()
			return c.Geo.Start(free[int(at/c.Geo.BucketSectors)]) + c.Geo.Remainder(at)
		}
		leaves := []planter.Node{c.Root()}
		ends := []ondisk.Pos{ondisk.MaxKey.Pos()}
		if seed%2 == 1 {
			leaves, ends = nil, []ondisk.Pos{{Inode: 0, Offset: 900 * 8}, {Inode: 1, Offset: 300 * 8}, ondisk.MaxKey.Pos()}
			var keys []ondisk.Bkey
			for i, end := range ends {
				k := c.PutNode(free[len(free)-1-i], 0, uint64(90+i), end)
				keys, leaves = append(keys, k), append(leaves, planter.Node{Key: k})
			}
			c.AddSet(c.Root(), keys...)
			c.SetRoot(c.Root().Key, 1)
		}
		key := func(inode uint32, start, size ondisk.Sector) ondisk.Bkey {
			k := c.Key(inode, start+size, size, place(size), 0)
			switch rnd.IntN(8) {
			case 0:
				k = ondisk.MakeKey(inode, start+size, size)
			case 1, 2, 3:
				k = planter.Dirty(k)
			}
			return k
		}
		lower := ondisk.Pos{}
		for i, leaf := range leaves {
			for range 3 + rnd.IntN(6) {
				if keys := sorted(rnd, lower, ends[i], key); len(keys) > 0 {
					c.AddSet(leaf, keys...)
				}
			}
			lower = ends[i]
		}
		for range rnd.IntN(4) {
			c.AddEntry(func(j *ondisk.Jset) { j.Keys = sorted(rnd, ondisk.Pos{}, ondisk.MaxKey.Pos(), key) })
		}
		for range rnd.IntN(20) { // their pointers become stale
			c.SetGen(free[rnd.IntN(60)], uint8(1+rnd.IntN(90)))
		}
		agrees(t, open(t, c.Image, c.Size()), slowRead(t, c.Image))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// sorted are a few keys within a leaf's range that do not overlap, in order.
func sorted(rnd *rand.Rand, from, to ondisk.Pos, key func(inode uint32, start, size ondisk.Sector) ondisk.Bkey) (keys []ondisk.Bkey) {
	for inode := from.Inode; inode < 3 && inode <= to.Inode; inode++ {
		at, end := ondisk.Sector(0), ondisk.Sector(1000*8)
		if inode == from.Inode {
			at = from.Offset
		}
		if inode == to.Inode {
			end = min(end, to.Offset)
		}
		for {
			at += ondisk.Sector(8 * rnd.IntN(150))
			size := ondisk.Sector(8 * (1 + rnd.IntN(12)))
			if at+size > end || len(keys) > 20 {
				break
			}
			keys = append(keys, key(inode, at, size))
			at += size
		}
	}
	slices.SortFunc(keys, func(a, b ondisk.Bkey) int { return cmp.Or(a.Pos().Compare(b.Pos()), 0) })
	return keys
}
