// SPDX-License-Identifier: GPL-2.0-only

package writeback

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/blockdev"
	"bctl/internal/disk/full"
	"bctl/internal/disk/plan"
	"bctl/internal/ui/progress"
	"bctl/internal/workers"
)

// How the copying goes. A batch is filled by whoever walks the tree, read from the cache by one of the crew, and written by
// the same where that may be (writer.early), else by the one writer: while it is written the others are read. The writer
// takes them in order.
const (
	batchBytes = 1 << 20
	batches    = 12
	crew       = 8
	batchRuns  = 4096
)

// A batch is pieces of a target whose data are side by side in buf. Those that are not copied have none.
type batch struct {
	buf  []byte
	n    int64
	runs []run
	segs []segment
	read chan struct{} // closed when it was read

	written bool  // by who read it
	err     error // of that
}

type run struct {
	piece
	lost []lostRun
}

type lostRun struct{ at, n int64 } // in the run

// memory is by way of what data are copied, of one volume after the other. It is one piece, so that it lies in huge pages.
type memory struct{ batches, checks [][]byte }

func newMemory(verify bool) *memory {
	readers := 0
	if verify {
		readers = checkers
	}
	all := blockdev.Aligned(batches*batchBytes + readers*checkBytes)
	cut := func(count, size int) (bufs [][]byte) {
		for range count {
			bufs, all = append(bufs, all[:size:size]), all[size:]
		}
		return bufs
	}
	return &memory{batches: cut(batches, batchBytes), checks: cut(readers, checkBytes)}
}

// A segment is what one write takes: bytes that stand side by side in buf and on the backing device.
type segment struct {
	off int64
	b   []byte
	sum uint64
}

// Data is a target's data, for change.Run.
func (j *Job) Data(t *Target) *Data { return &Data{j: j, t: t} }

// Data copies what a target lacks. It is a change.Data.
type Data struct {
	j *Job
	t *Target
}

// Writes are all writes that may be made. What cannot be read from the cache, and so is not written, comes as what is
// there already.
func (d *Data) Writes() iter.Seq2[plan.Write, error] {
	return func(yield func(plan.Write, error) bool) {
		for p, err := range d.j.pieces(d.t) {
			if err == nil && p.kind != copied {
				continue
			}
			w := plan.Write{Off: p.off, From: &wanted{d, p}, Bytes: p.n, What: "dirty data"}
			if !yield(w, err) || err != nil {
				return
			}
		}
	}
}

// wanted is a piece's data as they will be on the backing device.
type wanted struct {
	d *Data
	p piece
}

// ReadAt is io.ReaderAt.
func (w *wanted) ReadAt(b []byte, at int64) (n int, err error) {
	w.d.j.src.read(b, w.p.at+at, func(from, k int64) {
		err = errors.Join(err, full.ReadAt(w.d.t.Dev, b[from:from+k], w.p.off+at+from))
	})
	return len(b), err
}

// Carry copies, and has all of it on the medium. It ends between two batches when ctx does; what was read by then is
// written. Errors: the context's, inspect's, those of the device, and plan.ErrReadBack.
func (d *Data) Carry(ctx context.Context, dev plan.Device, done func(bytes int64)) error {
	total := d.j.Counts(d.t).Copy
	name := "volume"
	if len(d.j.targets) > 1 {
		name = fmt.Sprintf("volume %d", d.t.Inode)
	}
	count := d.j.o.Progress(progress.Bytes(name), total)
	defer count.Done()
	if d.j.mem == nil {
		d.j.mem = newMemory(d.j.o.Verify)
	}
	w := newWriter(d, dev)
	defer w.stop()
	// A processor is long in getting over that its thread waits for the medium. One volume is copied at a time.
	if w.past != nil {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(crew, runtime.GOMAXPROCS(0))))
	}
	p := newPipeline(d, w)
	defer p.stop()
	p.start(ctx)
	for b := range p.order {
		select {
		case <-b.read:
		case <-p.ctx.Done(): // somebody panicked: stop waits for them, and says so
			return p.ctx.Err()
		}
		if err := w.batch(b); err != nil {
			return err
		}
		done(b.n)
		count.Add(b.n)
		p.free <- b
	}
	return errors.Join(w.finish(), p.fault(ctx))
}

// A pipeline fills and reads batches.
type pipeline struct {
	d     *Data
	w     *writer
	ctx   context.Context // of all that work; the caller's ends only the filling
	quit  context.CancelFunc
	crew  workers.Group
	free  chan *batch
	work  chan *batch
	order chan *batch
	err   error // that ended the filling
}

func newPipeline(d *Data, w *writer) *pipeline {
	p := &pipeline{d: d, w: w, free: make(chan *batch, batches), work: make(chan *batch, batches), order: make(chan *batch, batches)}
	p.ctx, p.quit = context.WithCancel(context.Background())
	for _, buf := range d.j.mem.batches {
		p.free <- &batch{buf: buf}
	}
	return p
}

// worker runs f, and ends all if it panics.
func (p *pipeline) worker(f func()) {
	p.crew.Go(func() {
		sound := false
		defer func() {
			if !sound {
				p.quit()
			}
		}()
		f()
		sound = true
	})
}

func (p *pipeline) start(ctx context.Context) {
	p.worker(func() {
		defer close(p.order)
		defer close(p.work)
		p.err = p.fill(ctx)
	})
	for range p.w.crew() {
		p.worker(func() {
			early := p.w.early()
			for b := range p.work {
				if b.readFrom(p.d.j.src); p.ctx.Err() == nil {
					early(b)
				}
				close(b.read)
			}
		})
	}
}

// stop ends what still goes on.
func (p *pipeline) stop() {
	p.quit()
	p.crew.Wait()
}

// fault is what ended the filling, once the order is closed.
func (p *pipeline) fault(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return p.err
}

// fill makes batches of the target's pieces.
func (p *pipeline) fill(ctx context.Context) error {
	var b *batch
	for x, err := range p.d.j.pieces(p.d.t) {
		if err != nil {
			return err
		}
		if x.kind == old {
			continue
		}
		for x.n > 0 {
			if b != nil && (b.n == batchBytes || len(b.runs) == batchRuns) {
				if !p.hand(ctx, b) {
					return nil
				}
				b = nil
			}
			if b == nil {
				if b = p.take(ctx); b == nil {
					return nil
				}
			}
			x = b.add(x)
		}
	}
	if b != nil {
		p.hand(ctx, b)
	}
	return nil
}

// take takes an empty batch; nil when it is over.
func (p *pipeline) take(ctx context.Context) *batch {
	select {
	case b := <-p.free:
		b.n, b.runs, b.segs, b.read = 0, b.runs[:0], b.segs[:0], make(chan struct{})
		b.written, b.err = false, nil
		return b
	case <-ctx.Done():
	case <-p.ctx.Done():
	}
	return nil
}

// hand hands a batch on. There is room for all of them.
func (p *pipeline) hand(ctx context.Context, b *batch) bool {
	if ctx.Err() != nil || p.ctx.Err() != nil {
		return false
	}
	p.work <- b
	p.order <- b
	return true
}

// add takes as much of a piece as there is room for, and returns the rest.
func (b *batch) add(x piece) (rest piece) {
	part := x
	if x.kind == copied {
		part.n = min(x.n, batchBytes-b.n)
		b.n += part.n
	}
	b.runs = append(b.runs, run{piece: part})
	x.off, x.at, x.n = x.off+part.n, x.at+part.n, x.n-part.n
	return x
}

// readFrom reads the batch, and divides it into segments: whatever touches is one, but for what could not be read.
func (b *batch) readFrom(s *source) {
	at := int64(0)
	for i := range b.runs {
		r := &b.runs[i]
		if r.kind != copied {
			continue
		}
		data := b.buf[at : at+r.n]
		s.read(data, r.at, func(from, n int64) { r.lost = append(r.lost, lostRun{from, n}) })
		next := int64(0)
		for _, l := range r.lost {
			b.segment(r.off+next, at+next, l.at-next)
			next = l.at + l.n
		}
		b.segment(r.off+next, at+next, r.n-next)
		at += r.n
	}
	for i := range b.segs {
		b.segs[i].sum = ondisk.Crc64(b.segs[i].b)
	}
}

// segment puts n bytes of buf from at on behind the others, or joins them to the last.
func (b *batch) segment(off, at, n int64) {
	if n == 0 {
		return
	}
	if k := len(b.segs) - 1; k >= 0 {
		last := &b.segs[k]
		end := int64(cap(b.buf) - cap(last.b) + len(last.b)) // where it ends in buf
		if last.off+int64(len(last.b)) == off && end == at {
			last.b = last.b[:int64(len(last.b))+n]
			return
		}
	}
	b.segs = append(b.segs, segment{off: off, b: b.buf[at : at+n]})
}
