// SPDX-License-Identifier: GPL-2.0-only

package newset_test

import (
	"context"
	"errors"
	"testing"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/newset"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/disk/plan"
	"bctl/internal/finding"
	"bctl/internal/lab/planter"
	"bctl/superblock"
)

// A set with a tree of two levels, journalled keys and two volumes is what fsck finds nothing wrong with.
func TestSetIsSound(t *testing.T) {
	const size = 2000 * 64 << 10
	s, err := superblock.FormatCache(superblock.FormatOptions{UUID: ondisk.UUID{1}, SetUUID: ondisk.UUID{2}, BlockSectors: 8, BucketSectors: 128}, superblock.Device{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	newset.Register(s, 1000)
	dev := planter.NewImage(nil, size)
	var seq uint64
	set, err := newset.New(s, 3, func(w plan.Write) error { dev.Put(w.Off, w.Data); return nil })
	if err != nil {
		t.Fatal(err)
	}
	tree, err := set.Tree(50, 3, func() uint64 { seq++; return seq })
	if err != nil {
		t.Fatal(err)
	}
	const n = 12000
	var data ondisk.Bucket
	key := func(i int) ondisk.Bkey {
		if i%16 == 0 {
			if data, err = set.Take(); err != nil {
				t.Fatal(err)
			}
		}
		k := ondisk.MakeKey(uint32(i/(n/2)), ondisk.Sector(16+i%(n/2)*8+8), 8)
		k.SetPtrs(1)
		k.Ptr[0] = ondisk.MakePtr(0, set.Geo.Start(data)+ondisk.Sector(i%16*8), 0)
		k.SetDirty(i%3 == 0)
		return k
	}
	for i := range n {
		if k := key(i); tree.Add(&k) != nil {
			t.Fatal(k.String())
		}
	}
	root, level, err := tree.Finish()
	if err != nil || level != 1 {
		t.Fatal(level, err)
	}
	entry, err := set.Finish(newset.Contents{
		Volumes: uuids.Table{{UUID: ondisk.UUID{3}, FirstReg: 1, LastReg: 1}, {UUID: ondisk.UUID{4}, FirstReg: 1, LastReg: 1}},
		Root:    root, Level: level, Keys: []ondisk.Bkey{key(n - 1)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if found, err := superblock.Read(dev); err == nil {
		t.Errorf("a superblock before the caller writes it: %+v", found)
	}
	dev.Put(entry.Off, entry.Data)
	dev.Put(ondisk.SuperOffset, s.Append(nil))

	r, err := fsck.Run(context.Background(), fsck.Device{Name: "cache", R: dev, Size: size}, nil, fsck.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		t.Errorf("%s %s", f.Code, f.Message)
	}
	c, err := inspect.Open(t.Context(), dev, s, inspect.Options{Size: size, Sink: func(f finding.Finding) {}})
	if err != nil || len(c.Volumes) != 2 || c.Volumes[0].Extents != n/2 || c.Volumes[1].Extents != n/2 {
		t.Errorf("%+v, %v", c.Volumes, err)
	}
	if first := set.Geo.FirstBucket + ondisk.Bucket(set.Geo.NJournal) + 3; c.Chain.Links[0].Bucket != first {
		t.Errorf("the chain starts at %d, want %d", c.Chain.Links[0].Bucket, first)
	}
}

func TestNoSpace(t *testing.T) {
	s := &ondisk.Super{BlockSize: 8, BucketSize: 128, Nbuckets: 600, FirstBucket: 1, SetUUID: ondisk.UUID{2}}
	newset.Register(s, 1000)
	set, err := newset.New(s, 0, func(plan.Write) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for left := set.Left(); left > 0; left-- {
		if _, err := set.Take(); err != nil || set.Left() != left-1 {
			t.Fatalf("%d left, %d expected; %v", set.Left(), left-1, err)
		}
	}
	if _, err := set.Take(); !errors.Is(err, newset.ErrNoSpace) {
		t.Error(err)
	}
	if _, err := newset.New(s, 600, nil); !errors.Is(err, newset.ErrNoSpace) {
		t.Error(err)
	}
	if _, err := set.Finish(newset.Contents{Volumes: make(uuids.Table, 1000)}); !errors.Is(err, uuids.ErrTooMany) {
		t.Error(err)
	}
}
