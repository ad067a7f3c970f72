// SPDX-License-Identifier: GPL-2.0-only

package writeback

import (
	"context"
	"fmt"
	"io"
	"sync"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/full"
	"bctl/internal/disk/plan"
	"bctl/internal/workers"
)

// What is written is flushed and read back in windows: of so many bytes, or so many writes.
const (
	windowBytes  = 256 << 20
	windowWrites = 1 << 15
	hintBytes    = 8 << 20 // after so many the device begins to write
	checkers     = 8       // a device is read fast only while several reads wait
	checkBytes   = 256 << 10
)

// A check is what a place of the backing device should hold.
type check struct {
	off int64
	n   int32
	sum uint64
}

// A writer writes batches. While it fills a window, the one before is read back.
type writer struct {
	ctx    context.Context
	d      *Data
	dev    plan.Device
	window []check
	spare  []check
	bytes  int64 // in the window
	hinted int64 // from where on the device was not told to begin
	last   int64 // up to where was written
	crew   *workers.Group
	faults chan error // of the window before

	buffers [checkers][]byte
}

// starter is a device that can be told to begin to write.
type starter interface{ StartWriting(off, n int64) }

func newWriter(ctx context.Context, d *Data, dev plan.Device) *writer {
	return &writer{ctx: ctx, d: d, dev: dev, hinted: -1}
}

// batch writes one. Errors name the place.
func (w *writer) batch(b *batch) error {
	for i := range b.segs {
		s := &b.segs[i]
		if err := w.write(s); err != nil {
			return err
		}
	}
	j, t := w.d.j, w.d.t
	for i := range b.runs {
		r := &b.runs[i]
		switch r.kind {
		case unknown:
			j.lose(t, r.off, r.n, WhyUnknown)
		case newer:
			j.lose(t, r.off, r.n, WhyNewer)
		case copied:
			j.copied += r.n
			for _, l := range r.lost {
				j.copied -= l.n
				j.lose(t, r.off+l.at, l.n, WhyUnread)
			}
		}
		r.lost = r.lost[:0]
	}
	return nil
}

func (w *writer) write(s *segment) error {
	if _, err := w.dev.WriteAt(s.b, s.off); err != nil {
		return fmt.Errorf("%d bytes at byte %d: %w", len(s.b), s.off, err)
	}
	n := int64(len(s.b))
	if w.hinted < 0 {
		w.hinted = s.off
	}
	w.last = s.off + n
	w.bytes += n
	if w.last-w.hinted >= hintBytes {
		if d, ok := w.dev.(starter); ok {
			d.StartWriting(w.hinted, w.last-w.hinted)
		}
		w.hinted = w.last
	}
	if w.d.j.o.Verify {
		w.window = append(w.window, check{s.off, int32(n), s.sum})
	}
	if w.bytes < windowBytes && len(w.window) < windowWrites {
		return nil
	}
	return w.turn()
}

// turn flushes the window, and has it read back.
func (w *writer) turn() error {
	if w.bytes = 0; !w.d.j.o.Verify {
		return nil // one flush, at the end, is enough
	}
	if err := w.dev.Sync(); err != nil {
		return err
	}
	if err := w.checked(); err != nil {
		return err
	}
	w.faults = make(chan error, 1)
	w.crew = new(workers.Group)
	window, faults := w.window, w.faults
	w.crew.Go(func() {
		defer close(faults)
		if err := w.verify(window); err != nil {
			faults <- err
		}
	})
	w.window, w.spare = w.spare[:0], w.window
	return nil
}

// checked waits for the window before.
func (w *writer) checked() error {
	if w.crew == nil {
		return nil
	}
	w.crew.Wait()
	w.crew = nil
	return <-w.faults
}

// finish has all of it on the medium, and read back.
func (w *writer) finish() error {
	if !w.d.j.o.Verify {
		return w.dev.Sync()
	}
	if err := w.turn(); err != nil {
		return err
	}
	return w.checked()
}

// stop waits for what still goes on, on the way out of an error.
func (w *writer) stop() {
	if w.crew != nil {
		w.crew.Wait()
	}
}

// verify compares what the device holds with what was written. Errors wrap plan.ErrReadBack.
func (w *writer) verify(window []check) error {
	var r io.ReaderAt = w.dev
	if m, ok := w.dev.(mediumReader); ok {
		r = readerAt(m.ReadMedium)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(w.ctx))
	defer stop()
	var mu sync.Mutex
	var failed error
	next := 0
	workers.Each(ctx, checkers, len(window), func() func(int) {
		buf := w.buffer(next)
		next++
		return func(i int) {
			c := &window[i]
			sum, err := sumOf(r, c, buf)
			if err == nil && sum == c.sum {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if failed == nil {
				failed = fmt.Errorf("%d bytes at byte %d: %w", c.n, c.off, plan.ErrReadBack)
				if err != nil {
					failed = fmt.Errorf("%w: %w", failed, err)
				}
			}
			stop()
		}
	})
	return failed
}

// buffer is what checker i reads into.
func (w *writer) buffer(i int) []byte {
	if w.buffers[i] == nil {
		w.buffers[i] = make([]byte, checkBytes)
	}
	return w.buffers[i]
}

// sumOf is the checksum of what stands at a place, read piece by piece.
func sumOf(r io.ReaderAt, c *check, buf []byte) (sum uint64, err error) {
	crc := ^uint64(0)
	for at, n := c.off, int64(c.n); n > 0; {
		b := buf[:min(n, checkBytes)]
		if err := full.ReadAt(r, b, at); err != nil {
			return 0, err
		}
		sum = ondisk.Crc64Seeded(crc, b)
		crc = ^sum
		at, n = at+int64(len(b)), n-int64(len(b))
	}
	return sum, nil
}
