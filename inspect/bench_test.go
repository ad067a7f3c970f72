// SPDX-License-Identifier: GPL-2.0-only

package inspect_test

import (
	"context"
	"testing"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/finding"
	"bctl/superblock"
)

// bucketDevice is a device of which only some buckets are in memory; the others read as zero.
type bucketDevice struct {
	bucket int64 // bytes
	held   map[int64][]byte
	size   int64
}

func (d *bucketDevice) ReadAt(b []byte, off int64) (int, error) {
	for n := 0; n < len(b); {
		at := off + int64(n)
		in := at % d.bucket
		part := b[n:min(len(b), n+int(d.bucket-in))]
		clear(part)
		if held := d.held[at/d.bucket]; in < int64(len(held)) {
			copy(part, held[in:])
		}
		n += len(part)
	}
	return len(b), nil
}

func (d *bucketDevice) put(off int64, b []byte) {
	held := make([]byte, d.bucket)
	copy(held, d.held[off/d.bucket])
	copy(held[off%d.bucket:], b)
	d.held[off/d.bucket] = held
}

// bigCache is a formatted cache whose tree is replaced by one of two levels: leaves of perLeaf extents of 4 KiB.
func bigCache(tb testing.TB, leaves, perLeaf int) (*bucketDevice, *ondisk.Super) {
	tb.Helper()
	const bucket = 1024 // sectors
	data := leaves*perLeaf*8/bucket + 1
	o := superblock.FormatOptions{UUID: ondisk.UUID{1}, SetUUID: ondisk.UUID{2}, BlockSectors: 8, BucketSectors: bucket}
	size := ondisk.Sector((data + leaves + 2000) * bucket).Bytes()
	s, err := superblock.FormatCache(o, superblock.Device{Size: size})
	if err != nil {
		tb.Fatal(err)
	}
	p, err := change.NewSet(s, []ondisk.UUIDEntry{{UUID: ondisk.UUID{3}, FirstReg: 1, LastReg: 1}}, 1, 1)
	if err != nil {
		tb.Fatal(err)
	}
	g, err := superblock.NewGeometry(s)
	if err != nil {
		tb.Fatal(err)
	}
	d := &bucketDevice{bucket: g.BucketSectors.Bytes(), held: map[int64][]byte{}, size: size}
	d.put(ondisk.SuperOffset, s.Append(nil))
	for _, step := range p.Steps {
		for _, w := range step {
			d.put(w.Off, w.Data)
		}
	}
	next := ondisk.Bucket(1000)
	ptr := func(sector ondisk.Sector) ondisk.Ptr { return ondisk.MakePtr(0, sector, 0) }
	node := func(at ondisk.Ptr, seq uint64, keys []ondisk.Bkey) {
		set := ondisk.Bset{BsetHeader: ondisk.BsetHeader{Seq: seq, Version: ondisk.BsetVersion}, Data: keys}
		set.Seal(g.SetMagic, at)
		d.put(at.Offset().Bytes(), set.Append(nil))
	}
	var children []ondisk.Bkey
	first := g.Start(next + ondisk.Bucket(leaves) + 1)
	for l := range leaves {
		var keys []ondisk.Bkey
		for i := range perLeaf {
			n := ondisk.Sector(l*perLeaf+i) * 8
			k := ondisk.MakeKey(0, 16+n+8, 8)
			k.SetPtrs(1)
			k.SetDirty(i%3 == 0)
			k.Ptr[0] = ptr(first + n)
			keys = append(keys, k)
		}
		end := keys[len(keys)-1].Pos()
		if l == leaves-1 {
			end = ondisk.MaxKey.Pos()
		}
		c := ondisk.MakeKey(end.Inode, end.Offset, g.NodeSectors)
		c.SetPtrs(1)
		c.Ptr[0] = ptr(g.Start(next))
		node(c.Ptr[0], uint64(10+l), keys)
		children = append(children, c)
		next++
	}
	root := ptr(g.Start(next))
	node(root, 7, children)
	j, err := ondisk.DecodeJset(d.held[int64(g.FirstBucket)], g.SetMagic)
	if err != nil {
		tb.Fatal(err)
	}
	j.Level, j.BtreeRoot.Ptr[0] = 1, root
	j.Seal(g.SetMagic)
	d.put(g.Start(g.FirstBucket).Bytes(), j.Append(nil))
	return d, s
}

func BenchmarkOpen(b *testing.B) {
	const leaves, perLeaf = 100, 10000
	d, s := bigCache(b, leaves, perLeaf)
	b.ReportAllocs()
	for b.Loop() {
		var found finding.Collector
		c, err := inspect.Open(context.Background(), d, s, inspect.Options{Size: d.size, Sink: found.Add})
		if err != nil {
			b.Fatal(err)
		}
		if f := found.Findings(); len(f) > 0 || c.Volumes[0].Extents != leaves*perLeaf {
			b.Fatalf("%d extents, findings %v", c.Volumes[0].Extents, f)
		}
	}
	b.ReportMetric(float64(leaves*perLeaf)*float64(b.N)/b.Elapsed().Seconds(), "extents/s")
}
