// SPDX-License-Identifier: GPL-2.0-only

package btree

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/superblock"
)

// grove is where a test's nodes are put: a device without anything else.
type grove struct {
	g     *superblock.Geometry
	nodes map[ondisk.Bucket][]byte
	level map[ondisk.Bucket]int
	next  ondisk.Bucket
	gens  *rand.Rand
}

func (v *grove) ReadAt(b []byte, off int64) (int, error) {
	clear(b)
	copy(b, v.nodes[v.g.BucketOf(ondisk.Sector(off/ondisk.SectorBytes))])
	return len(b), nil
}

func (v *grove) build(fill, bsets int) Build {
	return Build{
		Geo: v.g, Fill: fill, Bsets: bsets,
		Alloc: func(int) (ondisk.Bucket, uint8, error) { v.next++; return v.next, uint8(v.gens.Uint32()), nil },
		Seq:   func() uint64 { return uint64(v.next) + 7 },
		Put: func(b ondisk.Bucket, level int, node []byte) error {
			v.nodes[b], v.level[b] = bytes.Clone(node), level
			return nil
		},
	}
}

func newGrove(t testing.TB, bucket, block uint16, seed uint64) *grove {
	t.Helper()
	g, err := superblock.NewGeometry(&ondisk.Super{BlockSize: block, BucketSize: bucket, Nbuckets: 1 << 20, FirstBucket: 1, SetUUID: ondisk.UUID{byte(seed), 5}})
	if err != nil {
		t.Fatal(err)
	}
	return &grove{&g, map[ondisk.Bucket][]byte{}, map[ondisk.Bucket]int{}, 7, rand.New(rand.NewPCG(seed, 1))}
}

// someExtents are n extents in order, with gaps and without, of a few volumes and with up to six pointers.
func someExtents(rnd *rand.Rand, n int) (keys []ondisk.Bkey) {
	inode, at := uint32(0), ondisk.Sector(0)
	for range n {
		if rnd.IntN(50) == 0 {
			inode, at = inode+1+uint32(rnd.IntN(3)), 0
		}
		if rnd.IntN(3) == 0 {
			at += ondisk.Sector(rnd.IntN(1000))
		}
		size := ondisk.Sector(1 + rnd.IntN(200))
		at += size
		k := ondisk.MakeKey(inode, at, size)
		k.SetPtrs([]int{1, 1, 1, 1, 0, 2, 6}[rnd.IntN(7)])
		for i := range k.Ptrs() {
			k.Ptr[i] = ondisk.MakePtr(uint8(rnd.Uint32()), ondisk.Sector(rnd.IntN(1<<30)), 0)
		}
		k.SetDirty(rnd.IntN(2) == 0)
		keys = append(keys, k)
	}
	return keys
}

// collectTree reads a tree as it stands, and returns its leaves' keys in order.
func (v *grove) collectTree(t *testing.T, root ondisk.Bkey, level int) (keys []ondisk.Bkey) {
	t.Helper()
	sink := func(f finding.Finding) { t.Errorf("%s %s", f.Code, f.Message) }
	seqs := map[uint64]bool{}
	seen := 0
	var walk func(k ondisk.Bkey, level int, lower ondisk.Pos)
	walk = func(k ondisk.Bkey, level int, lower ondisk.Pos) {
		n := NewReader(v, v.g, sink).Read(k, level)
		b, _ := n.Place(v.g)
		if !n.Whole || v.level[b] != level || seqs[n.Seq()] {
			t.Fatalf("%s: whole %v, put as level %d, seq %d", n.Subject(v.g).Place(), n.Whole, v.level[b], n.Seq())
		}
		seqs[n.Seq()] = true
		seen++
		if level == 0 {
			for _, p := range n.Extents() {
				var e ondisk.Bkey
				n.Keys.Key(p, &e)
				if start := (ondisk.Pos{Inode: e.Inode(), Offset: e.Start()}); start.Compare(lower) < 0 && e.Inode() <= lower.Inode || e.Pos().Compare(k.Pos()) > 0 {
					t.Fatalf("%s: extent %s of a leaf from %v to %v", n.Subject(v.g).Place(), e.String(), lower, k.Pos())
				}
				keys = append(keys, e)
			}
			return
		}
		children := n.Children()
		slices.SortFunc(children, func(a, b ondisk.Bkey) int { return a.Pos().Compare(b.Pos()) })
		if len(children) < 1 || children[len(children)-1].Pos() != k.Pos() {
			t.Fatalf("%s: %d children do not reach %v", n.Subject(v.g).Place(), len(children), k.Pos())
		}
		for _, c := range children {
			if c.Pos().Compare(lower) <= 0 || c.Size() != v.g.NodeSectors || c.Ptrs() != 1 || c.Dirty() {
				t.Fatalf("%s: child %s behind %v", n.Subject(v.g).Place(), c.String(), lower)
			}
			walk(c, level-1, lower)
			lower = c.Pos()
		}
	}
	if !root.IsMax() {
		t.Fatalf("root %s", root.String())
	}
	walk(root, level, ondisk.Pos{})
	if seen != len(v.nodes) {
		t.Errorf("%d nodes were put, the root leads to %d", len(v.nodes), seen)
	}
	return keys
}

// Whatever is built is read back as it was, from trees of every depth, filling and count of bsets.
func TestBuilder(t *testing.T) {
	depths := map[int]bool{}
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		block := []uint16{1, 2, 8}[rnd.IntN(3)]
		bucket := []uint16{8, 16, 128, 1024}[rnd.IntN(4)]
		if seed == 0 {
			block, bucket = 1, 8
		}
		v := newGrove(t, bucket, block, seed)
		blocks := int(v.g.NodeSectors / v.g.BlockSectors)
		fill, bsets := []int{0, 1, 50, 75, 100}[rnd.IntN(5)], rnd.IntN(min(blocks, 9)+1)
		want := someExtents(rnd, []int{0, 1, 2, 100, 3000, 20000}[rnd.IntN(6)]>>rnd.IntN(2))
		if seed == 0 { // nodes of one block, with 20 keys each
			fill, bsets, want = 1, 1, someExtents(rnd, 9000)
		}
		b, err := NewBuilder(v.build(fill, bsets))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for i := range want {
			if err := b.Add(&want[i]); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		root, level, err := b.Finish()
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		depths[level] = true
		if got := v.collectTree(t, root, level); !slices.Equal(got, want) {
			t.Errorf("seed %d: %d keys, want %d", seed, len(got), len(want))
		}
		if fill == 0 {
			fill = 100
		}
		limit := max(v.g.NodeSectors.Bytes()*int64(fill)/100, v.g.BlockSectors.Bytes()*int64(max(bsets, 1)))
		for at, node := range v.nodes {
			if int64(len(node)) > limit || len(node)%int(v.g.BlockSectors.Bytes()) != 0 {
				t.Errorf("seed %d: node at %d takes %d bytes, filled to %d", seed, at, len(node), limit)
			}
		}
		if len(v.levels()) != level+1 || t.Failed() {
			t.Fatalf("seed %d: levels %v, root at %d", seed, v.levels(), level)
		}
	}
	for l := range 4 {
		if !depths[l] {
			t.Errorf("no tree had its root at level %d: %v", l, depths)
		}
	}
}

// levels counts the nodes of each level.
func (v *grove) levels() map[int]int {
	n := map[int]int{}
	for _, l := range v.level {
		n[l]++
	}
	return n
}

// Every node that holds enough keys has as many bsets as were asked for.
func TestBuilderBsets(t *testing.T) {
	v := newGrove(t, 128, 8, 1)
	b, err := NewBuilder(v.build(0, 4))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range someExtents(rand.New(rand.NewPCG(1, 1)), 5000) {
		if err := b.Add(&k); err != nil {
			t.Fatal(err)
		}
	}
	root, level, err := b.Finish()
	if err != nil || level != 1 {
		t.Fatal(level, err)
	}
	n := NewReader(v, v.g, func(finding.Finding) {}).Read(root, level)
	for _, k := range append(n.Children(), root) {
		n := NewReader(v, v.g, func(finding.Finding) {}).Read(k, 0)
		keys := 0
		n.Every(func(*ondisk.Bkey) { keys++ })
		if len(n.Sets) != min(4, keys) {
			t.Errorf("%d bsets of %d keys", len(n.Sets), keys)
		}
	}
}

var errFull = errors.New("no bucket left")

func TestBuilderRefuses(t *testing.T) {
	v := newGrove(t, 16, 8, 1)
	for _, o := range []Build{v.build(-1, 0), v.build(101, 0), v.build(0, -1), v.build(0, 3)} {
		if _, err := NewBuilder(o); !errors.Is(err, ErrFill) {
			t.Errorf("fill %d, bsets %d: %v", o.Fill, o.Bsets, err)
		}
	}
	b, err := NewBuilder(v.build(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	add := func(inode uint32, end, size ondisk.Sector) error {
		k := ondisk.MakeKey(inode, end, size)
		return b.Add(&k)
	}
	if err := add(1, 100, 50); err != nil {
		t.Fatal(err)
	}
	for _, k := range [][3]ondisk.Sector{{1, 149, 50}, {1, 50, 10}, {0, 500, 10}, {1, 200, 0}, {2, 10, 20}, {ondisk.MaxInode, 10, 10}} {
		if err := add(uint32(k[0]), k[1], k[2]); !errors.Is(err, ErrOrder) {
			t.Errorf("%v: %v", k, err)
		}
	}
	if err := errors.Join(add(1, 150, 50), add(2, 10, 10)); err != nil {
		t.Error(err)
	}
	// What a callback refuses comes back, from the middle and from the end.
	o := v.build(0, 0)
	o.Alloc = func(int) (ondisk.Bucket, uint8, error) { return 0, 0, errFull }
	if b, err = NewBuilder(o); err != nil {
		t.Fatal(err)
	}
	for i := ondisk.Sector(1); err == nil && i < 5000; i++ {
		err = add(0, 8*i, 8)
	}
	if !errors.Is(err, errFull) {
		t.Error(err)
	}
	if _, _, err := b.Finish(); !errors.Is(err, errFull) {
		t.Error(err)
	}
}

// Keys that cannot be read again are not handed out.
func TestBuilderReadsAgain(t *testing.T) {
	v := newGrove(t, 16, 8, 1)
	b, err := NewBuilder(v.build(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	k := ondisk.MakeKey(1, 100, 50)
	k.High &^= 1 << 63 // a key without the bit that every writer sets
	if err := b.Add(&k); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Finish(); !errors.Is(err, ondisk.ErrEncode) || len(v.nodes) != 0 {
		t.Errorf("%v, %d nodes", err, len(v.nodes))
	}
}

func BenchmarkBuilder(b *testing.B) {
	v := newGrove(b, 1024, 8, 1)
	o := v.build(0, 0)
	o.Put = func(ondisk.Bucket, int, []byte) error { return nil }
	bl, err := NewBuilder(o)
	if err != nil {
		b.Fatal(err)
	}
	k := ondisk.MakeKey(0, 0, 8)
	k.SetPtrs(1)
	for b.Loop() {
		k.Low += 8
		if err := bl.Add(&k); err != nil {
			b.Fatal(err)
		}
	}
}
