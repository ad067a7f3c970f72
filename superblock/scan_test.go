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

// Where superblock and journal are gone, btree nodes and prio sets tell the set, the block and the bucket.
func TestFindMarks(t *testing.T) {
	for _, name := range []string{"writeback-dirty", "fifo-full", "version5"} {
		img := imgtest.Open(t, name)
		f, err := os.OpenFile(img.Cache, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		was, err := superblock.Read(f)
		if err != nil {
			t.Fatal(err)
		}
		g, err := superblock.NewGeometry(was)
		if err != nil {
			t.Fatal(err)
		}
		behind := g.Start(g.FirstBucket + ondisk.Bucket(g.NJournal)).Bytes()
		if _, err := f.WriteAt(make([]byte, behind), 0); err != nil {
			t.Fatal(err)
		}
		tr, err := superblock.FindMarks(context.Background(), f, g.Size(), nil)
		if err != nil || tr.SetMagic != was.SetMagic() || tr.BucketSectors != g.BucketSectors || tr.BlockSectors != g.BlockSectors || tr.Proof < ondisk.Sector(behind/ondisk.SectorBytes) {
			t.Errorf("%s: %+v, %v; want bucket %d, block %d", name, tr, err, g.BucketSectors, g.BlockSectors)
		}
	}
	if tr, err := superblock.FindMarks(context.Background(), zeros{}, 1<<20, nil); !errors.Is(err, superblock.ErrNoTrace) {
		t.Errorf("zeros: %+v, %v", tr, err)
	}
}

type zeros struct{}

func (zeros) ReadAt(b []byte, _ int64) (int, error) { clear(b); return len(b), nil }
