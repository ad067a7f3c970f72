// SPDX-License-Identifier: GPL-2.0-only

package superblock_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/imgtest"
	"bctl/superblock"
)

// The sizes that a cache's own metadata tell are those that its superblock said.
func TestFindTrace(t *testing.T) {
	for _, name := range imgtest.Names(t) {
		img := imgtest.Open(t, name)
		f, err := os.Open(img.Cache)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		was, err := superblock.Read(f)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		for _, magic := range []uint64{0, was.SetMagic()} {
			tr, err := superblock.FindTrace(context.Background(), f, info.Size(), info.Size(), magic)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			got, err := tr.Super(info.Size(), was.UUID, was.SetUUID)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if got.SetUUID != was.SetUUID || got.BucketSize != was.BucketSize || got.Nbuckets != was.Nbuckets || got.FirstBucket != was.FirstBucket ||
				got.Keys != was.Keys || got.D != was.D || got.Version != was.Version || got.BlockSize != was.BlockSize || !tr.PrioProven {
				t.Errorf("%s: version %d, %d buckets of %d from %d on, block %d; want version %d, %d of %d from %d, block %d", name,
					got.Version, got.Nbuckets, got.BucketSize, got.FirstBucket, got.BlockSize, was.Version, was.Nbuckets, was.BucketSize, was.FirstBucket, was.BlockSize)
			}
		}
	}
}

// Where no journal entry is, nothing is made up.
func TestFindTraceNone(t *testing.T) {
	img := imgtest.Open(t, "writeback-dirty")
	back, err := os.Open(img.Backing[0])
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	info, err := back.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if tr, err := superblock.FindTrace(context.Background(), back, info.Size(), info.Size(), 0); !errors.Is(err, superblock.ErrNoTrace) {
		t.Errorf("%+v, %v", tr, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := superblock.FindTrace(ctx, back, info.Size(), info.Size(), 0); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := superblock.FindTrace(context.Background(), back, info.Size(), ondisk.SuperOffset, 1); !errors.Is(err, superblock.ErrNoTrace) {
		t.Error(err)
	}
}
