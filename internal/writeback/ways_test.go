// SPDX-License-Identifier: GPL-2.0-only

package writeback

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/disk/plan"
)

// A parallel device may be written to by several at a time: past the page cache, or because there is nothing but that.
type parallel struct {
	*device
	mu     sync.Mutex
	memory bool
	medium int   // writes past the page cache
	lie    int64 // of the write at this place one bit is turned over; -1: of none
	fail   int   // writes until there are errors; -1: none
}

func (d *parallel) PastCache() bool { return !d.memory }
func (d *parallel) InMemory() bool  { return d.memory }

func (d *parallel) ReadAt(b []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.device.ReadAt(b, off)
}

func (d *parallel) WriteMedium(b []byte, off int64) (int, error) {
	d.mu.Lock()
	d.medium++
	d.mu.Unlock()
	return d.WriteAt(b, off)
}

func (d *parallel) WriteAt(b []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail == 0 {
		return 0, errMedium
	}
	d.fail--
	if d.lie >= off && d.lie < off+int64(len(b)) {
		b = bytes.Clone(b)
		b[d.lie-off] ^= 1
	}
	return d.device.WriteAt(b, off)
}

// Whichever way the data go, all of them arrive, what does not is noticed, and a write that fails is the end.
func TestWays(t *testing.T) {
	base := pairOf(t, "two-backing-flash")
	for _, memory := range []bool{false, true} {
		run := func(lie int64, fail int) (*parallel, *Job, error) {
			p := base.fork()
			dev := &parallel{device: p.backs[0], memory: memory, lie: lie, fail: fail}
			c, _ := open(t, p.cache, p.cache.Size())
			targets, err := Match(c, []change.Device{dev})
			if err != nil {
				t.Fatal(err)
			}
			j := New(c, targets, 512, Options{Verify: true})
			if err := j.Survey(t.Context()); err != nil {
				t.Fatal(err)
			}
			_, err = change.Run(t.Context(), change.Options{NoUndo: true}, change.Stage{Dev: dev, Data: j.Data(targets[0])})
			return dev, j, err
		}
		dev, j, err := run(-1, -1)
		if err != nil || dataSum(t, dev.device) != base.sums[0] || memory != (dev.medium == 0) {
			t.Fatalf("in memory %v: %d bytes copied, %d writes past the page cache: %v", memory, j.Copied(), dev.medium, err)
		}
		var last piece
		for p, err := range j.pieces(j.targets[0]) {
			if err == nil && p.kind == copied {
				last = p
			}
		}
		if _, _, err := run(last.off+last.n-1, -1); !errors.Is(err, plan.ErrReadBack) {
			t.Errorf("in memory %v: the device holds something else, and nobody notices: %v", memory, err)
		}
		if _, broken, err := run(-1, 3); !errors.Is(err, errMedium) || broken.Copied() >= j.Copied() {
			t.Errorf("in memory %v: writes fail: %d bytes copied: %v", memory, broken.Copied(), err)
		}
	}
}

// Past the page cache go whole pages only: the rest of a page may be written by way of it meanwhile.
func TestWhole(t *testing.T) {
	page := int64(os.Getpagesize())
	for _, x := range []struct {
		off, n int64
		want   bool
	}{
		{page, max(page, largeSegment), true},
		{page + ondisk.SectorBytes, max(page, largeSegment), false},
		{page, largeSegment*2 - ondisk.SectorBytes, false},
		{page, page, page >= largeSegment},
	} {
		b := batch{n: x.n, segs: []segment{{off: x.off, b: make([]byte, x.n)}}}
		if got := b.whole(page); got != x.want {
			t.Errorf("%d bytes at %d: %v", x.n, x.off, got)
		}
	}
}
