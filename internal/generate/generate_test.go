// SPDX-License-Identifier: GPL-2.0-only

package generate

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/planter"
	"bctl/internal/ui/progress"
	"bctl/superblock"
)

// make1 makes a cache in memory.
func make1(t testing.TB, s Spec) (*planter.Image, Result) {
	t.Helper()
	img := planter.NewImage(nil, s.Size())
	r, err := Make(context.Background(), s, img, progress.Silent)
	if err != nil {
		t.Fatalf("%+v: %v", s, err)
	}
	return img, r
}

// judge checks that a cache is sound and holds what was ordered.
func judge(t *testing.T, s Spec) {
	t.Helper()
	img, r := make1(t, s)
	rep, err := fsck.Run(context.Background(), fsck.Device{Name: "cache", R: img, Size: img.Size()}, nil, fsck.Options{Workers: 2, Now: Now + 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rep.Findings {
		if f.Severity == finding.Damage || f.Severity == finding.Warning && f.Code != finding.SPDirty && f.Code != finding.SBPages {
			t.Errorf("%+v: %s %s", s, f.Code, f.Message)
		}
	}
	super, err := superblock.Read(img)
	if err != nil {
		t.Fatal(err)
	}
	c, err := inspect.Open(context.Background(), img, super, inspect.Options{Size: img.Size(), Sink: func(finding.Finding) {}})
	if err != nil {
		t.Fatal(err)
	}
	var got Result
	for _, v := range c.Volumes {
		got.Extents += v.Extents
		got.Stale += v.Stale
		got.Live += v.LiveSectors
	}
	for e, err := range c.Extents(inspect.Everything) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Live && e.Dirty() {
			got.Dirty++
		}
		if !e.Live && e.Stale == 0 {
			t.Fatalf("%s is neither live nor stale", e.String())
		}
	}
	got.Size, got.SetUUID, got.Nodes, got.Depth = img.Size(), super.SetUUID, c.Tree.Nodes, c.Tree.Depth
	if got != r || got.Extents != s.Extents || len(c.Volumes) != s.Volumes {
		t.Errorf("%+v:\n%d volumes, %+v, said %+v", s, len(c.Volumes), got, r)
	}
	free := 0
	for b := range c.Buckets.Len() {
		if c.Buckets.Mark(b) == inspect.Free {
			free++
		}
	}
	if free < c.Geo.LargestReserve()+int(s.Free) {
		t.Errorf("%+v: %d buckets are free, a kernel may want %d", s, free, c.Geo.LargestReserve())
	}
	for n, err := range c.Nodes() {
		keys := 0
		n.Every(func(*ondisk.Bkey) { keys++ })
		if err != nil || len(n.Sets) != max(1, min(s.Bsets, keys)) {
			t.Fatalf("%+v: a node with %d bsets, %v", s, len(n.Sets), err)
		}
	}
}

// Caches of any numbers are sound, and what was ordered.
func TestGenerated(t *testing.T) {
	judge(t, Spec{Buckets: 513, BucketSectors: 128, BlockSectors: 8})
	judge(t, Spec{Buckets: 2000, BucketSectors: 128, BlockSectors: 8, Extents: 20000, Dirty: 1, Volumes: 1})
	judge(t, Spec{Buckets: 5000, BucketSectors: 16, BlockSectors: 1, Extents: 30000, Dirty: 0.3, Stale: 1, Volumes: 7, Bsets: 3, Fill: 30})
	judge(t, Spec{Buckets: 5000, BucketSectors: 128, BlockSectors: 8, Extents: 30000, Volumes: 1, Free: 1000})
	judge(t, Spec{Buckets: 600, BucketSectors: 16384, BlockSectors: 8, Extents: 9000, Dirty: 0.5, Stale: 0.01, Volumes: 2, Bsets: 4})
	judge(t, Spec{Buckets: 600, BucketSectors: 1 << 16, BlockSectors: 8, Extents: 10, Volumes: 10}) // version 5
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range uint64(12) {
		s := Spec{
			Buckets: 513 + rnd.Uint64N(3000), BucketSectors: 16 << rnd.IntN(6), Dirty: rnd.Float64(), Stale: rnd.Float64(), Volumes: 1 + rnd.IntN(5),
			Bsets: rnd.IntN(3), Fill: 50 + rnd.IntN(51), Seed: i, Extents: 5 + rnd.Int64N(4000),
		}
		s.BlockSectors = min(1<<rnd.IntN(4), s.BucketSectors/2)
		s.Extents = min(s.Extents, int64(s.Buckets)/2)
		s.Volumes = min(s.Volumes, int(s.Extents))
		judge(t, s)
	}
}

// As many extents as there are slots fit, and not one more.
func TestFull(t *testing.T) {
	s := Spec{Buckets: 700, BucketSectors: 64, BlockSectors: 8, Extents: 1 << 30, Dirty: 0.5, Volumes: 1}
	err := Check(s)
	if !errors.Is(err, ErrSpec) {
		t.Fatal(err)
	}
	low, high := int64(1), s.Extents
	for low < high-1 {
		if s.Extents = (low + high) / 2; Check(s) == nil {
			low = s.Extents
		} else {
			high = s.Extents
		}
	}
	s.Extents = low
	judge(t, s)
	if blocks := int64(700 * 8); low < blocks*3/4 || low > blocks {
		t.Errorf("%d extents fit into %d blocks", low, blocks)
	}
}

// The same numbers make the same bytes; another seed makes others.
func TestDeterministic(t *testing.T) {
	s := Spec{Buckets: 2000, BucketSectors: 32, BlockSectors: 8, Extents: 5000, Dirty: 0.2, Stale: 0.2, Volumes: 3, Bsets: 2, Seed: 42}
	a, first := make1(t, s)
	b, _ := make1(t, s)
	other := s
	other.Dirty = 0.3
	if _, r := make1(t, other); r.SetUUID == first.SetUUID {
		t.Error("two caches of one set")
	}
	s.Seed++
	c, _ := make1(t, s)
	if a.Sum() != b.Sum() || a.Sum() == c.Sum() {
		t.Errorf("%s, again %s, another seed %s", a.Sum(), b.Sum(), c.Sum())
	}
}

func TestRefuses(t *testing.T) {
	for _, test := range []struct {
		says   string
		change func(s *Spec)
	}{
		{"513", func(s *Spec) { s.Buckets = 512 }},
		{"block", func(s *Spec) { s.BlockSectors = 16 }},
		{"block", func(s *Spec) { s.BucketSectors = 8 }},
		{"room for", func(s *Spec) { s.Extents = 1 << 20 }},
		{"are left", func(s *Spec) { s.Extents = 1 << 40 }},
		{"extents", func(s *Spec) { s.Extents = -1 }},
		{"dirty", func(s *Spec) { s.Dirty = 1.1 }},
		{"dirty", func(s *Spec) { s.Dirty = -0.1 }},
		{"stale", func(s *Spec) { s.Stale = 2 }},
		{"volumes", func(s *Spec) { s.Volumes = 0 }},
		{"volumes", func(s *Spec) { s.Volumes = 11 }},
		{"slots", func(s *Spec) { s.Volumes, s.Extents = 6000, 6000 }},
		{"bsets", func(s *Spec) { s.Bsets = 17 }},
		{"percent", func(s *Spec) { s.Fill = 101 }},
		{"buckets", func(s *Spec) { s.Buckets = 1 << 63 }},
		{"free", func(s *Spec) { s.Free = s.Buckets + 1 }},
		{"shall be free", func(s *Spec) { s.Free = s.Buckets }},
	} {
		s := Spec{Buckets: 2000, BucketSectors: 128, BlockSectors: 8, Extents: 10, Volumes: 1}
		test.change(&s)
		if err := Check(s); !errors.Is(err, ErrSpec) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%+v: %v, want %q", s, err, test.says)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s := Spec{Buckets: 2000, BucketSectors: 128, BlockSectors: 8, Extents: 10, Volumes: 1}
	img := planter.NewImage(nil, s.Size())
	if _, err := Make(ctx, s, img, progress.Silent); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := superblock.Read(img); err == nil {
		t.Error("a superblock of a cache that was not finished")
	}
}

// The permutation is one.
func TestPermutation(t *testing.T) {
	for _, n := range []uint64{1, 2, 3, 16, 17, 1000, 4096, 65537} {
		p := newPermutation(n, n)
		seen := make([]bool, n)
		for i := range n {
			j := p.of(i)
			if j >= n || seen[j] {
				t.Fatalf("%d of %d goes to %d", i, n, j)
			}
			seen[j] = true
		}
	}
}

// holes is a device that keeps nothing.
type holes struct{}

func (holes) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }

func BenchmarkMake(b *testing.B) {
	s := Spec{Buckets: 100000, BucketSectors: 1024, BlockSectors: 8, Extents: 700000, Dirty: 0.2, Stale: 0.1, Volumes: 1}
	for b.Loop() {
		if _, err := Make(context.Background(), s, holes{}, progress.Silent); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(s.Extents)*float64(b.N)/b.Elapsed().Seconds(), "extents/s")
}
