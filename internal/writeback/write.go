// SPDX-License-Identifier: GPL-2.0-only

package writeback

import (
	"context"
	"errors"
	"fmt"

	"bctl/internal/disk/plan"
	"bctl/internal/workers"
)

// hintBytes is how much is written before the device is told to begin.
const hintBytes = 8 << 20

// A writer writes batches. What lies behind is read back meanwhile.
type writer struct {
	d      *Data
	dev    plan.Device
	check  *checker     // nil: nothing is read back
	hinted int64        // from where on the device was not told to begin
	last   int64        // up to where was written
	past   mediumWriter // nil: there is none
}

// What goes past the page cache: segments of so many bytes, so many at a time.
const (
	largeSegment = 32 << 10
	writers      = 8
)

// mediumWriter is a device that can be written to past the page cache, by several at a time.
type mediumWriter interface {
	WriteMedium(b []byte, off int64) (int, error)
	PastCache() bool
}

// starter is a device that can be told to begin to write.
type starter interface{ StartWriting(off, n int64) }

func newWriter(d *Data, dev plan.Device) *writer {
	w := &writer{d: d, dev: dev, hinted: -1}
	if m, ok := dev.(mediumWriter); ok && m.PastCache() {
		w.past = m
	}
	if d.j.o.Verify {
		w.check = newChecker(dev)
	}
	return w
}

// batch writes one. Errors name the place.
func (w *writer) batch(b *batch) error {
	if err := w.segments(b); err != nil {
		return err
	}
	for i := range b.segs {
		if err := w.wrote(&b.segs[i]); err != nil {
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
				if j.copied -= l.n; r.clean { // whoever shows it reads the backing device there too
					continue
				}
				j.lose(t, r.off+l.at, l.n, WhyUnread)
			}
		}
		r.lost = r.lost[:0]
	}
	return nil
}

// segments writes those of a batch: one behind the other, by way of the page cache; past it, where that is possible and
// they are large, several at a time.
func (w *writer) segments(b *batch) error {
	if w.past == nil || b.n < largeSegment*int64(len(b.segs)) {
		for i := range b.segs {
			if err := put(w.dev.WriteAt, &b.segs[i]); err != nil {
				return err
			}
		}
		return nil
	}
	errs := make([]error, len(b.segs))
	workers.Each(context.Background(), writers, len(b.segs), func() func(int) {
		return func(i int) { errs[i] = put(w.past.WriteMedium, &b.segs[i]) }
	})
	return errors.Join(errs...)
}

func put(write func(b []byte, off int64) (int, error), s *segment) error {
	if _, err := write(s.b, s.off); err != nil {
		return fmt.Errorf("%d bytes at byte %d: %w", len(s.b), s.off, err)
	}
	return nil
}

// wrote notes that a segment was written.
func (w *writer) wrote(s *segment) error {
	n := int64(len(s.b))
	if w.hinted < 0 {
		w.hinted = s.off
	}
	w.last = s.off + n
	if w.last-w.hinted >= hintBytes {
		if d, ok := w.dev.(starter); ok {
			d.StartWriting(w.hinted, w.last-w.hinted)
		}
		w.hinted = w.last
	}
	if w.check == nil {
		return nil
	}
	return w.check.add(check{s.off, int32(n), s.sum})
}

// finish has all of it on the medium, and read back.
func (w *writer) finish() error {
	if err := w.dev.Sync(); err != nil || w.check == nil {
		return err
	}
	return w.check.finish()
}

// stop waits for what still goes on, on the way out of an error.
func (w *writer) stop() {
	if w.check != nil {
		w.check.stop()
	}
}
