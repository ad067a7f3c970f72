// SPDX-License-Identifier: GPL-2.0-only

package volume

import (
	"io"
	"sync/atomic"
	"testing"

	"bctl/internal/lab/imgtest"
)

// A wanting device notes what it is to begin with, and whether all that is read was.
type wanting struct {
	io.ReaderAt
	wanted map[int64]int64 // bytes, by where
	missed atomic.Int32
}

func (w *wanting) Want(off, n int64) { w.wanted[off] = n }

func (w *wanting) ReadAt(b []byte, off int64) (int, error) {
	if w.wanted[off] != int64(len(b)) {
		w.missed.Add(1)
	}
	return w.ReaderAt.ReadAt(b, off)
}

// Of what stands in several places, on two devices, all is begun with before the first is waited for.
func TestBeginsWithAll(t *testing.T) {
	img := imgtest.Open(t, "writeback-crash-mid")
	f, size := file(t, img.Cache)
	cache := &wanting{ReaderAt: f, wanted: map[int64]int64{}}
	c := openCache(t, cache, size)
	b, below := file(t, img.Backing[0])
	back := &wanting{ReaderAt: b, wanted: map[int64]int64{}}
	v, err := Backed(c, back, below, Options{})
	if err != nil {
		t.Fatal(err)
	}
	buf, tried := make([]byte, 256<<10), 0
	for off := int64(0); off < v.Size(); off += int64(len(buf)) {
		cache.missed.Store(0)
		back.missed.Store(0)
		clear(cache.wanted)
		clear(back.wanted)
		if _, err := v.ReadAt(buf, off); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if len(cache.wanted) == 0 || len(back.wanted) == 0 {
			continue
		}
		if tried++; back.missed.Load() > 0 || cache.missed.Load() > 1 { // a leaf of the tree may be read too
			t.Fatalf("byte %d: %d reads of the cache and %d of the device were not begun with", off, cache.missed.Load(), back.missed.Load())
		}
	}
	if tried < 3 {
		t.Errorf("%d reads were of both", tried)
	}
}
