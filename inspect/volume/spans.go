// SPDX-License-Identifier: GPL-2.0-only

package volume

import (
	"errors"
	"iter"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
)

// Source says who has a run of bytes.
type Source uint8

const (
	Underneath Source = iota // the backing device, or zeroes where there is none
	Cache
	Unknown
)

func (s Source) String() string { return [...]string{"backing", "cache", "unknown"}[s] }

// Span is a run of a volume's bytes that stand side by side.
type Span struct {
	Off, Len int64 // in the volume
	Source   Source
	At       int64 // on the device that has it
	Dirty    bool  // the cache alone has it
	Lost     bool  // the cache had dirty data here, whose bucket was reused since: what lies below is older
}

// Spans yields the whole volume from its first byte to its last, every byte once; neighbours that go on on their device
// are one. An error ends it: the context's, or inspect.ErrChanged.
func (v *Volume) Spans() iter.Seq2[Span, error] {
	return func(yield func(Span, error) bool) {
		s := v.spanner(0, v.Size(), func(s Span) bool { return yield(s, nil) })
		if v.c != nil {
			for e, err := range v.c.Extents(s.r) {
				if err != nil {
					if s.flush() {
						yield(Span{}, err)
					}
					return
				}
				if !s.extent(e) {
					return
				}
			}
		}
		s.finish()
	}
}

// spans hands the spans of the sectors around the bytes from from up to before to to do, until that fails.
func (v *Volume) spans(from, to int64, do func(Span) error) error {
	if from >= to {
		return nil
	}
	var failed error
	s := v.spanner(from/sector*sector, (to+sector-1)/sector*sector, func(s Span) bool {
		failed = do(s)
		return failed == nil
	})
	if v.c != nil {
		if err := v.look.Extents(s.r, s.extent); err != nil {
			s.flush()
			return errors.Join(failed, err)
		}
	}
	if failed == nil {
		s.finish()
	}
	return failed
}

// A spanner makes spans of extents that come in order. It counts in sectors of the backing device.
type spanner struct {
	v     *Volume
	r     inspect.Range
	at    ondisk.Sector // up to here all is handed out
	holes []inspect.Range
	yield func(Span) bool
	last  Span // may grow yet; Len 0: there is none
}

// spanner is for the bytes of the volume from from up to before to, which are whole sectors.
func (v *Volume) spanner(from, to int64, yield func(Span) bool) *spanner {
	first, end := ondisk.Sector((v.below.Start+from)/sector), ondisk.Sector((v.below.Start+to)/sector)
	s := &spanner{v: v, r: inspect.Of(v.inode, first, end), at: first, yield: yield}
	if v.c != nil {
		s.holes = v.c.Holes(s.r)
	}
	return s
}

// extent takes the next extent. It is false once no more are wanted.
func (s *spanner) extent(e *inspect.Extent) bool {
	start := max(e.Offset(), e.Size()) - e.Size()
	from, to := max(start, s.at), min(e.Offset(), s.r.To.Offset)
	if from >= to {
		return true // of a leaf that holds what is not its own: a hole
	}
	if !s.gap(from) {
		return false
	}
	x := Span{Dirty: e.Dirty()}
	switch {
	case !e.Live:
		x = Span{Source: s.dead(e), Lost: e.Stale > 0 && e.Dirty()}
		x.Dirty = x.Source == Unknown && e.Dirty()
	case !e.Dirty() && (s.v.o.DirtyOnly || !s.gensKnown(e)):
		x.Source = Underneath
		if s.v.below.R == nil {
			x.Source = Unknown // whether these data are the bucket's is not known, and nobody else has them
			if s.gensKnown(e) {
				x.Source = Cache
			}
		}
	case s.v.o.Sure && !s.gensKnown(e):
		x.Source = Unknown
	default:
		x.Source = Cache
	}
	return s.run(from, to, x, e.Ptr[0].Offset()+from-start, e.FromJournal)
}

// gensKnown reports whether it is known that the extent's bucket was not reused since.
func (s *spanner) gensKnown(e *inspect.Extent) bool {
	return s.v.c.Buckets.GenKnown(s.v.c.Geo.BucketOf(e.Ptr[0].Offset()))
}

// dead is who has what an extent that is not live covers: what lies below, as for the kernel, but for dirty data of
// which the pointer is damaged.
func (s *spanner) dead(e *inspect.Extent) Source {
	damaged := e.Stale == 0 && e.Ptrs() > 0 && e.Ptr[0].Dev() != ondisk.PtrCheckDev
	if damaged && (e.Dirty() || s.v.below.R == nil) {
		return Unknown
	}
	return Underneath
}

// gap hands out what no extent covers, up to before to.
func (s *spanner) gap(to ondisk.Sector) bool {
	return s.at >= to || s.run(s.at, to, Span{}, 0, false)
}

// run hands out the sectors from from up to before to, which are like x and stand at at if the cache has them. What lies
// in a hole is unknown, unless it is sure.
func (s *spanner) run(from, to ondisk.Sector, x Span, at ondisk.Sector, sure bool) bool {
	s.at = to
	var cut ondisk.Sector
	for ; from < to; from = cut {
		for len(s.holes) > 0 && s.end(s.holes[0]) <= from {
			s.holes = s.holes[1:]
		}
		y := x
		cut = to
		if len(s.holes) > 0 && !sure {
			if start := s.start(s.holes[0]); start <= from {
				cut, y = min(to, s.end(s.holes[0])), Span{Source: Unknown}
			} else {
				cut = min(to, start)
			}
		}
		y.Off, y.Len = from.Bytes()-s.v.below.Start, (cut - from).Bytes()
		switch y.Source {
		case Cache:
			y.At = at.Bytes()
		case Underneath:
			y.At = from.Bytes()
		}
		at += cut - from
		if !s.push(y) {
			return false
		}
	}
	return true
}

// start and end are those of a hole in this volume; Holes has cut it to the range that is asked for.
func (s *spanner) start(h inspect.Range) ondisk.Sector { return h.From.Offset }
func (s *spanner) end(h inspect.Range) ondisk.Sector   { return h.To.Offset }

// push joins a span to the last, or hands the last out.
func (s *spanner) push(x Span) bool {
	l := &s.last
	if l.Len > 0 && l.Source == x.Source && l.Dirty == x.Dirty && l.Lost == x.Lost && (l.Source == Unknown || l.At+l.Len == x.At) {
		l.Len += x.Len
		return true
	}
	if !s.flush() {
		return false
	}
	s.last = x
	return true
}

func (s *spanner) flush() bool {
	x := s.last
	s.last = Span{}
	return x.Len == 0 || s.yield(x)
}

// finish hands out the rest.
func (s *spanner) finish() { _ = s.gap(s.r.To.Offset) && s.flush() }
