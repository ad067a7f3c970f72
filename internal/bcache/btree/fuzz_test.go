// SPDX-License-Identifier: GPL-2.0-only

package btree

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/imgtest"
)

// mendNode carries the fuzzer past magic, sizes and checksums: along the bsets, as long as their seqs are equal, it
// puts right what would end the node. Bytes of the seq decide which bsets there are; the keys stay as they come.
func mendNode(b []byte) {
	le := binary.LittleEndian
	var sealed ondisk.Bset
	sealed.Seal(testMagic, 0)
	for at := 0; at+ondisk.BsetBytes <= len(b); {
		h := b[at:]
		if !bytes.Equal(h[16:24], b[16:24]) {
			return
		}
		le.PutUint64(h[8:], sealed.Magic)
		le.PutUint32(h[24:], le.Uint32(h[24:])&1)
		if words, most := le.Uint32(h[28:]), uint32(len(h)-ondisk.BsetBytes)/8; words > most {
			le.PutUint32(h[28:], words%(most+1))
		}
		end := ondisk.BsetBytes + 8*int(le.Uint32(h[28:]))
		if h[24] == 0 {
			le.PutUint64(h, ondisk.Crc64(h[8:end]))
		} else {
			le.PutUint64(h, ondisk.Crc64Seeded(uint64(nodeKey(0).Ptr[0]), h[8:end]))
		}
		at += (end + 511) / 512 * 512
	}
}

// Whatever a node holds: reading it never panics, a node that is not whole has been reported, its bsets are what
// DecodeBset reads, and its extents are what the slow model makes of their keys.
func FuzzRead(f *testing.F) {
	for _, s := range imgtest.Seeds(f, "leaf", "inner") {
		level := uint8(0)
		if s.Kind == "inner" {
			level = 1
		}
		f.Add(s.Data[:min(len(s.Data), 8192)], level, uint8(3)) // larger ones are slow to mutate, and no different
		f.Add(s.Data[:4096], level, uint8(0))
	}
	for _, s := range imgtest.Seeds(f, "bset") {
		f.Add(s.Data, uint8(0), uint8(0))
	}
	f.Fuzz(func(t *testing.T, b []byte, level, block uint8) {
		b = b[:min(len(b), 64<<10)]
		b = append(bytes.Clone(b), make([]byte, -len(b)&511)...) // whole sectors
		checkNode(t, b, int(level%3), block)
		mendNode(b)
		checkNode(t, b, int(level%3), 0)
	})
}

func checkNode(t *testing.T, b []byte, level int, block uint8) {
	g := testGeo
	g.BlockSectors = 1 << (block % 4)
	sink, found := collect()
	key := nodeKey(ondisk.Sector(len(b) / 512))
	n := NewReader(bytes.NewReader(b), &g, sink).Read(key, level)
	if !n.Whole && !found.Damaged() {
		t.Fatal("not whole, and nothing was said")
	}
	count := 0
	for _, s := range n.Sets {
		d, err := ondisk.DecodeBset(b[s.Sector.Bytes():], testMagic, key.Ptr[0])
		switch {
		case err == nil && (d.BsetHeader != s.BsetHeader || len(d.Data) != s.Count):
			t.Fatalf("bset at sector %d: %+v, decoded %+v with %d keys", s.Sector, s, d.BsetHeader, len(d.Data))
		case err != nil && (!errors.Is(err, ondisk.ErrKey) || !slices.Contains(codes(found.Findings()), finding.BTOverrun)):
			t.Fatalf("bset at sector %d: %v", s.Sector, err)
		}
		count += s.Count
	}
	if c := n.Children(); len(c) != count {
		t.Fatalf("%d children, %d keys", len(c), count)
	}
	checkPieces(t, n)
}

// checkPieces holds Extents against a model that asks, between any two bounds, for the newest key there.
func checkPieces(t *testing.T, n *Node) {
	var keys []Piece // oldest first
	for _, s := range n.Sets {
		for at := s.from; at < s.to; {
			k, size, err := ondisk.DecodeKey(n.Keys[at:s.to])
			if err != nil {
				break
			}
			if n.Level == 0 && k.Size() > 0 && k.Offset() > 0 {
				keys = append(keys, Piece{startOf(&k), k.Offset(), k.Inode(), uint32(at)})
			}
			at += size
		}
	}
	got := slices.Clone(n.Extents())
	for i, p := range got {
		if p.Start >= p.End || i > 0 && !endsBy(got[i-1], p) {
			t.Fatalf("pieces %v", got[max(0, i-1):i+1])
		}
		var k ondisk.Bkey
		n.Keys.Key(p, &k)
		if k.Offset() != p.End || k.Inode() != p.Inode || k.Size() <= k.Offset() && k.Start() != p.Start {
			t.Fatalf("piece %v has key %v", p, &k)
		}
	}
	if len(keys) > 200 {
		return // the model is slow
	}
	var bounds []ondisk.Pos
	for _, p := range keys {
		bounds = append(bounds, ondisk.Pos{Inode: p.Inode, Offset: p.Start}, ondisk.Pos{Inode: p.Inode, Offset: p.End})
	}
	slices.SortFunc(bounds, ondisk.Pos.Compare)
	bounds = slices.Compact(bounds)
	var want []Piece
	for i := 1; i < len(bounds); i++ {
		from, to := bounds[i-1], bounds[i]
		for j := len(keys) - 1; j >= 0; j-- {
			if p := keys[j]; p.Inode == from.Inode && p.Inode == to.Inode && p.Start <= from.Offset && p.End >= to.Offset {
				want = append(want, Piece{from.Offset, to.Offset, p.Inode, p.At})
				break
			}
		}
	}
	if !slices.Equal(joined(got), joined(want)) {
		t.Fatalf("keys %v:\n got %v\nwant %v", keys, got, want)
	}
}

// joined puts together what of one key is adjacent: the model splits at every bound.
func joined(ps []Piece) (out []Piece) {
	for _, p := range ps {
		if n := len(out) - 1; n >= 0 && out[n].At == p.At && out[n].Inode == p.Inode && cmp.Compare(out[n].End, p.Start) == 0 {
			out[n].End = p.End
		} else {
			out = append(out, p)
		}
	}
	return out
}
