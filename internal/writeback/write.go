// SPDX-License-Identifier: GPL-2.0-only

package writeback

import (
	"fmt"
	"os"
	"runtime"

	"bctl/internal/disk/plan"
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
	past   mediumWriter // past the page cache; nil: not possible
	memory bool         // there is nothing but the page cache
}

// largeSegment is from how many bytes on segments, on the average, go past the page cache.
const largeSegment = 32 << 10

// mediumWriter is a device that may be written to past the page cache, or has nothing but that.
type mediumWriter interface {
	WriteMedium(b []byte, off int64) (int, error)
	PastCache() bool
	InMemory() bool
}

// starter is a device that can be told to begin to write.
type starter interface{ StartWriting(off, n int64) }

func newWriter(d *Data, dev plan.Device) *writer {
	w := &writer{d: d, dev: dev, hinted: -1}
	if m, ok := dev.(mediumWriter); ok && m.PastCache() {
		w.past = m
	} else if ok {
		w.memory = m.InMemory()
	}
	if d.j.o.Verify {
		w.check = newChecker(dev, d.j.mem.checks)
	}
	return w
}

// batch writes one. Errors name the place.
func (w *writer) batch(b *batch) error {
	if err := w.segments(b); err != nil {
		return err
	}
	if err := b.each(w.wrote); err != nil {
		return err
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

// segments writes those of a batch, one behind the other, by way of the page cache, where nobody has done so.
func (w *writer) segments(b *batch) error {
	if b.written {
		return b.err
	}
	return b.each(func(s *segment) error { return put(w.dev.WriteAt, s) })
}

// crew is how many read batches.
func (w *writer) crew() int {
	if w.memory {
		return runtime.GOMAXPROCS(0) // nobody waits
	}
	return crew
}

// early makes what one of the crew does with each batch when it has read it: it writes it too where the order does not
// matter. That is past the page cache, of whole pages: nobody else writes them by way of it. And it is in memory, where it
// is read back as well while it is at hand: later would prove no more.
func (w *writer) early() func(*batch) {
	switch {
	case w.past != nil:
		return func(b *batch) {
			if b.written = b.whole(int64(os.Getpagesize())); b.written {
				b.err = b.each(func(s *segment) error { return put(w.past.WriteMedium, s) })
			}
		}
	case w.memory && w.check != nil:
		buf := make([]byte, checkBytes)
		return func(b *batch) {
			b.written = true
			b.err = b.each(func(s *segment) error {
				if err := put(w.dev.WriteAt, s); err != nil {
					return err
				}
				return w.check.now(s.check(), buf)
			})
		}
	}
	return func(*batch) {}
}

// each calls f for the segments until there is an error.
func (b *batch) each(f func(*segment) error) error {
	for i := range b.segs {
		if err := f(&b.segs[i]); err != nil {
			return err
		}
	}
	return nil
}

// whole reports whether b is large segments of whole pages.
func (b *batch) whole(page int64) bool {
	all := int64(0)
	for i := range b.segs {
		all |= b.segs[i].off | int64(len(b.segs[i].b))
	}
	return all&(page-1) == 0 && b.n >= largeSegment*int64(len(b.segs))
}

// check is what the place of s should hold.
func (s *segment) check() check { return check{s.off, int32(len(s.b)), s.sum} }

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
	if w.check == nil || w.memory { // none, or it is done
		return nil
	}
	return w.check.add(s.check())
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
