// SPDX-License-Identifier: GPL-2.0-only

package inspect_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"bctl/inspect"
	"bctl/internal/bcache/newset"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/disk/plan"
	"bctl/internal/finding"
	"bctl/internal/ui/progress"
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

// bigCache is a cache with a tree of leaves of perLeaf extents of 4 KiB.
func bigCache(tb testing.TB, leaves, perLeaf int) (*bucketDevice, *ondisk.Super) {
	tb.Helper()
	const bucket, inBucket = 1024, 1024 / 8 // sectors, extents
	extents := leaves * perLeaf
	o := superblock.FormatOptions{UUID: ondisk.UUID{1}, SetUUID: ondisk.UUID{2}, BlockSectors: 8, BucketSectors: bucket}
	size := ondisk.Sector((extents/inBucket + leaves + 2000) * bucket).Bytes()
	s, err := superblock.FormatCache(o, superblock.Device{Size: size})
	check := func(err error) {
		if err != nil {
			tb.Fatal(err)
		}
	}
	check(err)
	newset.Register(s, 1)
	d := &bucketDevice{bucket: ondisk.Sector(bucket).Bytes(), held: map[int64][]byte{}, size: size}
	set, err := newset.New(s, 0, func(w plan.Write) error { d.put(w.Off, w.Data); return nil })
	check(err)
	seq := uint64(6)
	tree, err := set.Tree(100*24*perLeaf/int(set.Geo.NodeSectors.Bytes())+1, 0, func() uint64 { seq++; return seq })
	check(err)
	var data ondisk.Bucket
	for i := range extents {
		if i%inBucket == 0 {
			data, err = set.Take()
			check(err)
		}
		k := ondisk.MakeKey(0, ondisk.Sector(16+8*i+8), 8)
		k.SetPtrs(1)
		k.SetDirty(i%3 == 0)
		k.Ptr[0] = ondisk.MakePtr(0, set.Geo.Start(data)+ondisk.Sector(i%inBucket*8), 0)
		check(tree.Add(&k))
	}
	root, level, err := tree.Finish()
	check(err)
	entry, err := set.Finish(newset.Contents{Volumes: uuids.Table{{UUID: ondisk.UUID{3}, FirstReg: 1, LastReg: 1}}, Root: root, Level: level})
	check(err)
	d.put(entry.Off, entry.Data)
	d.put(ondisk.SuperOffset, s.Append(nil))
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

// slowly is a device that takes a while to answer, whoever else asks meanwhile.
type slowly struct {
	*bucketDevice
	asking, most atomic.Int32
}

func (d *slowly) ReadAt(b []byte, off int64) (int, error) {
	n := d.asking.Add(1)
	for most := d.most.Load(); n > most && !d.most.CompareAndSwap(most, n); most = d.most.Load() {
	}
	time.Sleep(time.Millisecond)
	d.asking.Add(-1)
	return d.bucketDevice.ReadAt(b, off)
}

// Leaves of a slow device are read several at a time, and what they hold is the same.
func TestSlowDevice(t *testing.T) {
	const leaves, perLeaf = 200, 50
	d, s := bigCache(t, leaves, perLeaf)
	slow := &slowly{bucketDevice: d}
	var found finding.Collector
	nodes := int64(0)
	watch := func(what string, n int64) progress.Counter {
		if what == "btree level 0" {
			nodes = n
			slow.most.Store(0) // the journal's buckets were read several at a time too
		}
		return progress.Silent(what, n)
	}
	c, err := inspect.Open(context.Background(), slow, s, inspect.Options{Size: d.size, Workers: 4, Sink: found.Add, Progress: watch})
	if err != nil {
		t.Fatal(err)
	}
	if f := found.Findings(); len(f) > 0 || nodes < 40 || c.Volumes[0].Extents != leaves*perLeaf {
		t.Errorf("%d leaves, %d extents, findings %v", nodes, c.Volumes[0].Extents, f)
	}
	if n := slow.most.Load(); n < 2 || n > 4 {
		t.Errorf("%d reads at a time, want up to 4", n)
	}
}
