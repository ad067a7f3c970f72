// SPDX-License-Identifier: GPL-2.0-only

package btree

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/superblock"
)

const testMagic = 0x1122334455667788

// testGeo is a cache of 64 KiB buckets; nodes are as large. Its blocks are small, so that nodes of many bsets are too.
var testGeo = superblock.Geometry{
	BlockSectors: 1, BucketSectors: 128, MetaSectors: 128, NodeSectors: 128, FirstBucket: 1, NBuckets: 1024, NJournal: 4, SetMagic: testMagic,
}

// nodeKey points to a node of n sectors at the start of the test's device.
func nodeKey(n ondisk.Sector) ondisk.Bkey {
	k := ondisk.MaxKey
	k.SetPtrs(1)
	k.SetSize(n)
	return k
}

// A builder lays bsets into a node, as the kernel does.
type builder struct {
	b   []byte
	at  int
	seq uint64
}

func newBuilder(sectors int) *builder { return &builder{b: make([]byte, sectors*512), seq: 77} }

// add writes a bset behind the others and returns where it starts.
func (n *builder) add(keys ...ondisk.Bkey) int {
	s := ondisk.Bset{Data: keys}
	s.Seq, s.Version = n.seq, ondisk.BsetVersion
	s.Seal(testMagic, 0)
	at := n.at
	n.at += (copy(n.b[at:], s.Append(nil)) + 511) / 512 * 512
	return at
}

func (n *builder) read(level int) (*Node, []finding.Finding) {
	sink, found := collect()
	rd := NewReader(bytes.NewReader(n.b), &testGeo, sink)
	return rd.Read(nodeKey(ondisk.Sector(len(n.b)/512)), level), found.Findings()
}

func codes(fs []finding.Finding) (out []finding.Code) {
	for _, f := range fs {
		out = append(out, f.Code)
	}
	return out
}

// extent is a leaf's key; pointer and gen are told by which one it is.
func extent(inode uint32, start, end, place ondisk.Sector, gen uint8) ondisk.Bkey {
	k := ondisk.MakeKey(inode, end, end-start)
	k.SetPtrs(1)
	k.Ptr[0] = ondisk.MakePtr(gen, place, 0)
	return k
}

// what a sector of a volume maps to: a pointer that has moved to that sector, or none.
type target struct {
	ptr   ondisk.Ptr
	ptrs  int
	dirty bool
}

// Leaves of random bsets, read as the kernel would resolve them: sector by sector.
func TestExtentsModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	for range 3000 {
		want := map[sector]target{}
		n := newBuilder(128)
		for set := range rnd.IntN(6) {
			var keys []ondisk.Bkey
			for _, p := range sorted(rnd, 1+rnd.IntN(6), 0) {
				keys = append(keys, randomKey(rnd, p))
			}
			if rnd.IntN(10) == 0 { // a damaged bset: in any order, so also with overlaps; the last key wins
				for _, p := range randomPieces(rnd, 3, 0) {
					keys = append(keys, randomKey(rnd, p))
				}
				rnd.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
			}
			if set > 0 && len(keys) == 0 {
				continue
			}
			n.add(keys...)
			for i := range keys {
				lay(want, &keys[i])
			}
		}
		if n.at == 0 {
			n.add()
		}
		node, found := n.read(0)
		if !node.Whole {
			t.Fatalf("not whole: %v", found)
		}
		checkExtents(t, node, want)
	}
}

// randomKey gives a piece a pointer, two, none, or that of a read that missed.
func randomKey(rnd *rand.Rand, p Piece) ondisk.Bkey {
	k := extent(p.Inode, p.Start, p.End, ondisk.Sector(rnd.IntN(1<<30)), uint8(rnd.IntN(256)))
	switch rnd.IntN(8) {
	case 0:
		k.SetPtrs(0)
		k.Ptr[0] = 0
	case 1:
		k.Ptr[0] = ondisk.MakePtr(0, ondisk.Sector(rnd.IntN(1000)), ondisk.PtrCheckDev)
	case 2:
		k.SetPtrs(2)
		k.Ptr[1] = ondisk.MakePtr(3, 12345, 1)
	case 3:
		k.SetSize(0) // cuts nothing, is nothing
	}
	k.SetDirty(rnd.IntN(2) == 0)
	return k
}

func lay(m map[sector]target, k *ondisk.Bkey) {
	for s := k.Start(); s < k.Offset(); s++ {
		g := target{k.Ptr[0], k.Ptrs(), k.Dirty()}
		if k.Ptrs() > 0 {
			g.ptr = ondisk.MakePtr(g.ptr.Gen(), g.ptr.Offset()+s-k.Start(), g.ptr.Dev())
		}
		m[sector{k.Inode(), s}] = g
	}
}

func checkExtents(t *testing.T, n *Node, want map[sector]target) {
	t.Helper()
	got := map[sector]target{}
	var last ondisk.Pos
	for _, p := range n.Extents() {
		if start := (ondisk.Pos{Inode: p.Inode, Offset: p.Start}); p.Start >= p.End || start.Compare(last) < 0 {
			t.Fatalf("piece %v behind %v", p, last)
		}
		last = ondisk.Pos{Inode: p.Inode, Offset: p.End}
		var k ondisk.Bkey
		n.Keys.Key(p, &k)
		if k.Inode() != p.Inode || k.Start() != p.Start || k.Offset() != p.End {
			t.Fatalf("piece %v has key %v", p, &k)
		}
		lay(got, &k)
	}
	if len(got) != len(want) {
		t.Fatalf("%d sectors, want %d", len(got), len(want))
	}
	for s, w := range want {
		if got[s] != w {
			t.Fatalf("%v is %v, want %v", s, got[s], w)
		}
	}
}

// What can be wrong with a node, one thing at a time.
func TestReadDamage(t *testing.T) {
	keys := func() []ondisk.Bkey { return []ondisk.Bkey{extent(1, 0, 8, 4096, 1), extent(1, 8, 16, 8192, 1)} }
	le := binary.LittleEndian
	reseal := func(b []byte) { // a version 1 checksum over a parent pointer of 0
		le.PutUint64(b, ondisk.Crc64Seeded(0, b[8:32+8*le.Uint32(b[28:])]))
	}
	for _, c := range []struct {
		name  string
		level int
		build func(n *builder)
		want  []finding.Code
		sets  int
		whole bool
	}{
		{"sound", 0, func(n *builder) { n.add(keys()...); n.add(keys()...) }, nil, 2, true},
		{"an empty first bset", 0, func(n *builder) { n.add(); n.add(keys()...) }, nil, 2, true},
		{"full to the last block", 0, func(n *builder) {
			for range 16 {
				n.add(keys()...)
			}
		}, nil, 16, true},
		{"old bsets behind the end", 0, func(n *builder) {
			n.add(keys()...)
			n.seq = 76
			n.add(keys()...)
		}, nil, 1, true},
		{"zeroes", 0, func(*builder) {}, []finding.Code{finding.BTHeader}, 0, false},
		{"seq 0", 0, func(n *builder) { n.seq = 0; n.add(keys()...) }, []finding.Code{finding.BTHeader}, 0, false},
		{"version 2", 0, func(n *builder) { n.add(keys()...); n.b[n.add(keys()...)+24] = 2 }, []finding.Code{finding.BTVersion}, 1, false},
		{"longer than the node", 0, func(n *builder) { le.PutUint32(n.b[n.add(keys()...)+28:], 1<<20) }, []finding.Code{finding.BTHeader}, 0, false},
		{"2^32-1 words", 0, func(n *builder) { n.add(keys()...); le.PutUint32(n.b[n.add(keys()...)+28:], 1<<32-1) }, []finding.Code{finding.BTHeader}, 1, false},
		{"magic", 0, func(n *builder) { n.add(keys()...); n.b[n.add(keys()...)+8]++ }, []finding.Code{finding.BTMagic}, 1, false},
		{"checksum", 0, func(n *builder) { n.add(keys()...); n.b[n.add(keys()...)+40]++ }, []finding.Code{finding.BTChecksum}, 1, false},
		{"empty later bset", 0, func(n *builder) { n.add(keys()...); n.add() }, []finding.Code{finding.BTEmpty}, 1, false},
		{"bset behind the end", 0, func(n *builder) { n.add(keys()...); n.at += 1024; n.add(keys()...) }, []finding.Code{finding.BTCorrupted}, 1, false},
		{"in the last block", 0, func(n *builder) { n.add(keys()...); n.at = len(n.b) - 512; n.add(keys()...) }, []finding.Code{finding.BTCorrupted}, 1, false},
		{"key over the end", 0, func(n *builder) {
			at := n.add(keys()...)
			n.b[at+32+24+7] |= 0x20 // the second key says three pointers
			reseal(n.b[at:])
		}, []finding.Code{finding.BTOverrun}, 1, true},
		{"out of order", 0, func(n *builder) { k := keys(); n.add(k[1], k[0]) }, []finding.Code{finding.BTOrder}, 1, true},
		{"overlap", 0, func(n *builder) { k := keys(); n.add(k[0], extent(1, 4, 12, 8192, 1)) }, []finding.Code{finding.BTOverlap}, 1, true},
		{"size 0 at the same end", 0, func(n *builder) { k := keys(); n.add(k[0], extent(1, 8, 8, 8192, 1)) }, nil, 1, true},
		{"pad bits", 0, func(n *builder) { k := keys(); k[0].High |= 1 << 40; n.add(k...) }, []finding.Code{finding.BTKeyBits}, 1, true},
		{"freed node in a leaf", 0, func(n *builder) { n.add(append([]ondisk.Bkey{freed()}, keys()...)...) }, []finding.Code{finding.BTZeroKey}, 1, true},
		{"freed nodes above", 1, func(n *builder) { n.add(freed(), freed(), nodeKey(128)) }, nil, 1, true},
		{"above, ends fall", 1, func(n *builder) { n.add(nodeKey(128), extent(3, 0, 128, 4096, 1)) }, []finding.Code{finding.BTOrder}, 1, true},
		// Such a key covers nothing, so no extent is left to name it by.
		{"longer than its offset, which is 0", 0, func(n *builder) { n.add(lengthAtZero(1), extent(2, 0, 8, 4096, 1)) }, []finding.Code{finding.EXSize}, 1, true},
	} {
		n := newBuilder(16)
		c.build(n)
		node, found := n.read(c.level)
		if got := codes(found); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, found, c.want)
		}
		if len(node.Sets) != c.sets || node.Whole != c.whole {
			t.Errorf("%s: %d bsets, whole %v", c.name, len(node.Sets), node.Whole)
		}
	}
}

func freed() ondisk.Bkey {
	k := ondisk.MakeKey(0, 0, 128)
	k.SetPtrs(1)
	k.Ptr[0] = ondisk.MakePtr(2, 128*50, 0)
	return k
}

func lengthAtZero(inode uint32) ondisk.Bkey {
	k := freed()
	k.SetInode(inode)
	k.SetSize(8)
	return k
}

// A device that ends inside a node, and a key of a size that no node has.
func TestReadShort(t *testing.T) {
	n := newBuilder(16)
	n.add(extent(1, 0, 8, 4096, 1))
	for _, c := range []struct {
		name string
		dev  int
		size ondisk.Sector
		want []finding.Code
	}{
		{"whole", 16 * 512, 16, nil},
		{"one byte short", 16*512 - 1, 16, []finding.Code{finding.BTUnread}},
		{"nothing there", 0, 16, []finding.Code{finding.BTUnread}},
		{"size 0", 16 * 512, 0, []finding.Code{finding.BTHeader}},
		{"larger than a node", 16 * 512, 65535, []finding.Code{finding.BTUnread}}, // read as far as a node goes
	} {
		sink, found := collect()
		node := NewReader(bytes.NewReader(n.b[:c.dev]), &testGeo, sink).Read(nodeKey(c.size), 0)
		if got := codes(found.Findings()); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, found.Findings(), c.want)
		}
		if node.Whole != (c.want == nil) || (node.Seq() != 0) != (c.want == nil) {
			t.Errorf("%s: whole %v, seq %d", c.name, node.Whole, node.Seq())
		}
		node.Extents()
		node.Children()
	}
}

// A Reader is used again and again: nothing of the node before stays.
func TestReadAgain(t *testing.T) {
	n := newBuilder(32)
	n.add(extent(1, 0, 8, 4096, 1), extent(1, 8, 16, 4096, 1))
	n.add(extent(1, 4, 12, 4096, 1))
	dev := append(n.b, make([]byte, 32*512)...) // and a node of zeroes
	sink, _ := collect()
	rd := NewReader(bytes.NewReader(dev), &testGeo, sink)
	if n := rd.Read(nodeKey(32), 0); len(n.Extents()) != 3 {
		t.Fatalf("%v", n.Extents())
	}
	zeroes := nodeKey(32)
	zeroes.Ptr[0] = ondisk.MakePtr(0, 32, 0)
	if n := rd.Read(zeroes, 1); len(n.Sets) != 0 || len(n.Extents()) != 0 || len(n.Children()) != 0 || n.Whole || n.Level != 1 {
		t.Errorf("%+v", n)
	}
	if n := rd.Read(nodeKey(32), 0); len(n.Extents()) != 3 {
		t.Errorf("%v", n.Extents())
	}
}

// Children come newest bset first: who looks for the newest key of a position takes the first.
func TestChildrenNewestFirst(t *testing.T) {
	n := newBuilder(16)
	a, b := nodeKey(128), nodeKey(128)
	a.Ptr[0], b.Ptr[0] = ondisk.MakePtr(1, 128*20, 0), ondisk.MakePtr(1, 128*30, 0)
	n.add(a)
	n.add(freed(), b)
	node, _ := n.read(1)
	if got, want := node.Children(), []ondisk.Bkey{freed(), b, a}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
