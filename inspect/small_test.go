// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/scenes"
	"bctl/superblock"
)

// openSink is a cache, and what was found in it, in order of words; nil where it cannot be opened.
func openSink(t *testing.T, r io.ReaderAt, o Options) (*Cache, []string) {
	t.Helper()
	s, err := superblock.Read(r)
	if err != nil {
		return nil, nil
	}
	var mu sync.Mutex
	var found []string
	o.Sink = func(f finding.Finding) {
		mu.Lock()
		defer mu.Unlock()
		found = append(found, string(f.Code)+" "+f.Message)
	}
	c, err := Open(context.Background(), r, s, o)
	if err != nil {
		return nil, []string{err.Error()}
	}
	slices.Sort(found)
	return c, found
}

// smallAgrees holds a small reading against a whole one. It reports whether any sectors were claimed twice.
func smallAgrees(t *testing.T, r io.ReaderAt, size int64) (shared bool) {
	t.Helper()
	whole, want := openSink(t, r, Options{Size: size})
	for _, window := range []uint64{0, 7} {
		small, got := openSink(t, r, Options{Size: size, Small: true, window: window})
		if !slices.Equal(got, want) {
			t.Errorf("window %d: found\n%s\nwant\n%s", window, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if whole == nil || small == nil {
			return false
		}
		if len(small.Volumes) != len(whole.Volumes) || small.Known() != whole.Known() {
			t.Errorf("%d volumes, %d", len(small.Volumes), len(whole.Volumes))
			return false
		}
		for i, v := range whole.Volumes {
			got, want := *small.Volumes[i], *v
			if got.Slot, want.Slot = nil, nil; got != want {
				t.Errorf("volume %+v, want %+v", got, want)
			}
		}
		a, b := small.Buckets, whole.Buckets
		for i := range ondisk.Bucket(b.Len()) {
			if a.Mark(i) != b.Mark(i) || a.Gen(i) != b.Gen(i) || a.DiskGen(i) != b.DiskGen(i) || a.Prio(i) != b.Prio(i) || a.Lag(i) != b.Lag(i) || a.GenKnown(i) != b.GenKnown(i) {
				t.Fatalf("bucket %d: %v, gen %d, lag %d; want %v, %d, %d", i, a.Mark(i), a.Gen(i), a.Lag(i), b.Mark(i), b.Gen(i), b.Lag(i))
			}
		}
		if a.Len() != b.Len() || a.Sectors(0) != 0 || a.Inodes(0) != nil {
			t.Errorf("%d buckets, %d", a.Len(), b.Len())
		}
	}
	for _, f := range want {
		shared = shared || strings.HasPrefix(f, string(finding.EXShared))
	}
	return shared
}

// A small reading finds what a whole one finds, of images and of what is damaged, however few blocks it looks at at a time.
func TestSmall(t *testing.T) {
	for _, name := range imgtest.Names(t) {
		f, size := imgtest.File(t, name)
		smallAgrees(t, f, size)
	}
	shared := 0
	for i, d := range append(damages.Proved(), damages.Tried...) {
		if !slices.Contains(d.Codes, finding.EXShared) && i%17 != 0 {
			continue
		}
		t.Run(d.Name, func(t *testing.T) {
			s := scenes.Open(t, d.Base)
			d.Plant(s)
			if smallAgrees(t, s.Image, s.Size()) {
				shared++
			}
		})
	}
	if shared < 2 {
		t.Errorf("sectors were claimed twice in %d of all", shared)
	}
}
