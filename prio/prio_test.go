// SPDX-License-Identifier: GPL-2.0-only

package prio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/imgtest"
	"bctl/superblock"
)

const testMagic = 0x1122334455667788

// testGeo has 4 KiB buckets, so 1352 prios a set: three sets, the last of them for 296 buckets.
var testGeo = superblock.Geometry{
	BlockSectors: 1, BucketSectors: 8, MetaSectors: 8, NodeSectors: 8, FirstBucket: 2, NBuckets: 3000, NJournal: 2, SetMagic: testMagic,
}

const (
	perSet  = 1352
	devSize = 16 * 4096 // only the first 16 buckets are there
)

// put writes set i of a chain into bucket b: the gen of every bucket is its number, modulo 256.
func put(dev []byte, i int, b, next ondisk.Bucket, edit func(p *ondisk.PrioSet)) {
	p := &ondisk.PrioSet{Seq: 40, NextBucket: uint64(next)}
	for k := range perSet {
		p.Data = append(p.Data, ondisk.PrioEntry{Prio: uint16(i), Gen: uint8(i*perSet + k)})
	}
	if edit != nil {
		edit(p)
	}
	p.Seal(testMagic)
	copy(dev[testGeo.Start(b).Bytes():], p.Append(nil))
}

// chain is a sound one in buckets 4, 9 and 6; behind it an older one starts at bucket 11.
func chain() []byte {
	dev := make([]byte, devSize)
	put(dev, 0, 4, 9, nil)
	put(dev, 1, 9, 6, nil)
	put(dev, 2, 6, 11, nil)
	put(dev, 0, 11, 12, func(p *ondisk.PrioSet) { p.Seq = 39 })
	return dev
}

func TestFollow(t *testing.T) {
	at := func(b ondisk.Bucket) int64 { return testGeo.Start(b).Bytes() }
	type codes = []finding.Code
	for _, c := range []struct {
		name  string
		head  ondisk.Bucket
		edit  func(dev []byte) []byte
		links []ondisk.Bucket
		taken []int // the sets whose gens are known
		want  codes
	}{
		{"sound", 4, nil, []ondisk.Bucket{4, 9, 6}, []int{0, 1, 2}, nil},
		{"head in the superblock", 1, nil, nil, nil, codes{finding.PRRange}},
		{"head in the journal", 3, nil, nil, nil, codes{finding.PRRange}},
		{"head past the end", 3000, nil, nil, nil, codes{finding.PRRange}},
		{"head of all ones", 1<<64 - 1, nil, nil, nil, codes{finding.PRRange}},
		{"next past the end", 4, func(d []byte) []byte { put(d, 1, 9, 4000, nil); return d }, []ondisk.Bucket{4, 9}, []int{0, 1}, codes{finding.PRRange}},
		{"loop to itself", 4, func(d []byte) []byte { put(d, 0, 4, 4, nil); return d }, []ondisk.Bucket{4, 4}, []int{0}, codes{finding.PRLoop}},
		{"loop to the head", 4, func(d []byte) []byte { put(d, 1, 9, 4, nil); return d }, []ondisk.Bucket{4, 9, 4}, []int{0, 1}, codes{finding.PRLoop}},
		{"last leads back to its own head", 4, func(d []byte) []byte { put(d, 2, 6, 4, nil); return d }, []ondisk.Bucket{4, 9, 6}, []int{0, 1, 2}, nil},
		{"wiped", 4, func(d []byte) []byte { clear(d[at(9):at(10)]); return d }, []ondisk.Bucket{4, 9}, []int{0}, codes{finding.PRChecksum}},
		{"another set's", 4, func(d []byte) []byte { d[at(9)+8]++; sum(d[at(9):at(10)]); return d }, []ondisk.Bucket{4, 9}, []int{0}, codes{finding.PRMagic}},
		{"big-endian", 4, func(d []byte) []byte { slices.Reverse(d[at(9)+8 : at(9)+16]); sum(d[at(9):at(10)]); return d }, []ondisk.Bucket{4, 9}, []int{0}, codes{finding.PRMagic}},
		// What is damaged is not believed, but where it leads to is tried; and the chain before may help.
		{"checksum", 4, func(d []byte) []byte { d[at(9)+100]++; return d }, []ondisk.Bucket{4, 9, 6}, []int{0, 2}, codes{finding.PRChecksum, finding.PRRewind}},
		{"checksum, older chain gone", 4, func(d []byte) []byte { d[at(9)+100]++; clear(d[at(11):]); return d }, []ondisk.Bucket{4, 9, 6}, []int{0, 2}, codes{finding.PRChecksum}},
		{"checksum, in next_bucket", 4, func(d []byte) []byte { d[at(9)+36]++; return d }, []ondisk.Bucket{4, 9}, []int{0}, codes{finding.PRChecksum, finding.PRRange}},
		{"torn rewrite", 4, func(d []byte) []byte { put(d, 1, 9, 6, func(p *ondisk.PrioSet) { p.Seq++ }); return d }, []ondisk.Bucket{4, 9, 6}, []int{0, 1, 2}, codes{finding.PRSeq}},
		{"version", 4, func(d []byte) []byte { put(d, 1, 9, 6, func(p *ondisk.PrioSet) { p.Version = 1 }); return d }, []ondisk.Bucket{4, 9, 6}, []int{0, 1, 2}, codes{finding.PROdd}},
		{"pad", 4, func(d []byte) []byte { put(d, 1, 9, 6, func(p *ondisk.PrioSet) { p.Pad = 1 }); return d }, []ondisk.Bucket{4, 9, 6}, []int{0, 1, 2}, codes{finding.PROdd}},
		{"device ends inside a set", 4, func(d []byte) []byte { return d[:at(10)-1] }, []ondisk.Bucket{4, 9}, []int{0}, codes{finding.PRUnread}},
	} {
		dev := chain()
		if c.edit != nil {
			dev = c.edit(dev)
		}
		var taken []int
		found := new(finding.Collector)
		got := Follow(bytes.NewReader(dev), &testGeo, c.head, func(l Link, es []ondisk.PrioEntry) {
			taken = append(taken, int(l.First)/perSet)
			checkTaken(t, l, es)
		}, found.Add)
		var links []ondisk.Bucket
		for _, l := range got.Links {
			links = append(links, l.Bucket)
		}
		var codes []finding.Code
		for _, f := range found.Findings() {
			codes = append(codes, f.Code)
		}
		if !slices.Equal(links, c.links) || !slices.Equal(taken, c.taken) || !slices.Equal(codes, c.want) || got.Intact != (len(c.taken) == 3) {
			t.Errorf("%s: chain %v, taken %v, intact %v, %v; want %v, %v, %v", c.name, links, taken, got.Intact, found.Findings(), c.links, c.taken, c.want)
		}
	}
}

// checkTaken: the entries are those of the link's buckets, and no others.
func checkTaken(t *testing.T, l Link, es []ondisk.PrioEntry) {
	t.Helper()
	if want := min(perSet, 3000-int(l.First)); len(es) != want || l.Count != want {
		t.Errorf("set at bucket %d: %d entries, want %d", l.Bucket, len(es), want)
	}
	for k, e := range es {
		if e.Gen != uint8(int(l.First)+k) {
			t.Errorf("set at bucket %d: entry %d has gen %d", l.Bucket, k, e.Gen)
			return
		}
	}
}

func sum(b []byte) { binary.LittleEndian.PutUint64(b, ondisk.Crc64(b[8:])) }

// A chain of anything in 16 small buckets: Follow never panics, ends, hands out only what decodes, each set once.
func FuzzFollow(f *testing.F) {
	for _, seed := range imgtest.Seeds(f, "prio") {
		set := seed.Data
		dev := make([]byte, devSize)
		for i := range 12 { // its first 12 KiB as three sets of small buckets, in a chain once mended
			copy(dev[(4+i)*4096:], set[i%3*4096:][:4096])
			copy(dev[(4+i)*4096:], set[:ondisk.PrioSetBytes])
			binary.LittleEndian.PutUint64(dev[(4+i)*4096+32:], uint64(5+i))
		}
		f.Add(dev[4*4096:], uint64(4))
	}
	f.Add(chain()[4*4096:], uint64(4))
	f.Fuzz(func(t *testing.T, b []byte, head uint64) {
		dev := make([]byte, devSize)
		copy(dev[4*4096:], b)
		checkFollow(t, dev, ondisk.Bucket(head))
		for at := 4 * 4096; at < devSize; at += 4096 { // past magic and checksum, where the first byte is odd
			if set := dev[at : at+4096]; set[0]&1 != 0 {
				p := ondisk.SalvagePrioSet(set)
				p.NextBucket %= 32
				p.Seal(testMagic)
				copy(set, p.Append(nil))
			}
		}
		checkFollow(t, dev, ondisk.Bucket(head%16))
	})
}

func checkFollow(t *testing.T, dev []byte, head ondisk.Bucket) {
	found := new(finding.Collector)
	taken := 0
	c := Follow(bytes.NewReader(dev), &testGeo, head, func(l Link, es []ondisk.PrioEntry) {
		taken += len(es)
		p, err := ondisk.DecodePrioSet(dev[testGeo.Start(l.Bucket).Bytes():][:4096], testMagic)
		if err != nil || !slices.Equal(p.Data[:len(es)], es) || l.Err != nil || uint64(l.Next) != p.NextBucket {
			t.Fatalf("%+v handed out: %v", l, err)
		}
	}, found.Add)
	if len(c.Links) > testGeo.PrioBuckets() || c.Intact != (taken == int(testGeo.NBuckets)) || !c.Intact && !found.Damaged() {
		t.Fatalf("chain %+v, %d gens, %v", c, taken, found.Findings())
	}
	seen := map[ondisk.Bucket]bool{}
	for _, l := range c.Links {
		if l.Err == nil && seen[l.Bucket] {
			t.Fatalf("bucket %d twice in %+v", l.Bucket, c.Links)
		}
		seen[l.Bucket] = true
		if errors.Is(l.Err, io.EOF) {
			t.Fatalf("a bare EOF at %+v", l)
		}
	}
}
