// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"time"
)

// A shortage is how a sample knows when the whole cache has no bucket to be had, because its allocator is held up by a
// prio write or a gc. A sample's own few buckets and requests are too coarse to run short as the whole does, so what lies
// ready there flows off at the rate at which the whole cache is filled.
type shortage struct {
	prios, gc  time.Duration // of the whole cache, as in its Config; off if both are 0
	share      Share
	bucket     float64 // sectors
	ready      float64 // sectors that can be had while prios are written, besides what is left of the open bucket
	refill     float64 // sectors that are invalidated at a time, but those that the prios take
	goesOnInGC bool

	sectors  uint64 // asked for in this window, of the sample
	requests int
	since    int64   // ns
	rate     float64 // sectors a ns, of the whole cache, in the last window
	took     float64 // ns: that window
	owed     float64 // sectors that were asked for, and have not flowed off

	at       int64   // ns: until when the rest is known
	stock    float64 // sectors that can be had
	low      float64 // at which more are invalidated
	refilled int64   // when what is being invalidated can be had; never: nothing is
	gcEnds   int64
	turn     uint64
}

const (
	openLeast      = 0.7 // of the open bucket is left when more are invalidated
	shortageWindow = 64  // fills that the rate is taken from
	mostRefills    = 16  // that are gone through between two requests
)

// shortageOf is that of a whole cache.
func shortageOf(c *Config, r Share) shortage {
	none, inc, prios := c.Alloc.Lists()
	b := float64(c.Alloc.BucketSize)
	h := shortage{
		prios: c.PrioWrite, gc: c.GC, share: r, goesOnInGC: c.Alloc.Model.GoesOnInGC, refilled: never,
		bucket: b, ready: b * float64(max(none-prios, 0)), refill: b * float64(max(inc-prios, 1)),
	}
	h.stock = h.ready + h.refill
	return h
}

// asked counts n sectors of the sample that are to be put into the cache, whether or not there is room. Each takes nodes
// of the btree besides: a part of a sector.
func (h *shortage) asked(n uint64, now int64, nodes float64) {
	if h.off() {
		return
	}
	h.sectors += n
	if h.rate > 0 {
		h.owed += float64(float64(h.share.whole(n)) * (1 + nodes))
	}
	if h.requests++; h.requests == shortageWindow {
		if took := float64(now - h.since); took > 0 {
			h.rate, h.took = float64(h.share.whole(h.sectors))*(1+nodes)/took, took
		}
		h.sectors, h.requests, h.since = 0, 0, now
	}
}

// flows is the rate at which the stock flows off: smoothly, and yet what was asked for in the long run. For gc comes when so
// much has been asked for, and how much lies ready then decides whether it will do.
func (h *shortage) flows() float64 {
	if h.rate == 0 {
		return 0
	}
	return max(h.rate+h.owed/h.took, h.rate/4)
}

func (h *shortage) off() bool { return h.prios == 0 && h.gc == 0 }

// none reports whether there is no bucket to be had.
func (h *shortage) none(now int64) bool {
	if h.off() {
		return false
	}
	h.advance(now)
	return h.stock <= 0
}

// gcBegins is what a gc of the sample is for the whole: it begins, too, and takes its time.
func (s *Sim) gcBegins(took time.Duration) {
	if h := &s.short; !h.off() {
		h.advance(s.now)
		h.gcEnds = s.now + int64(took)
	}
}

// advance lets the stock flow off until a time, and be refilled.
func (h *shortage) advance(now int64) {
	rate := h.flows()
	if rate == 0 {
		h.at = now
	} else if far := int64(mostRefills * h.refill / rate); now-h.at > far && h.refilled == never {
		h.at = now - far
	}
	for h.at < now {
		if h.refilled != never {
			h.flow(min(now, h.refilled), rate)
			if h.at == h.refilled {
				h.stock += h.refill
				h.refilled = never
				// When the last of the others is taken a bucket was opened just before, of which most is left.
				h.turn += 0x9e3779b97f4a7c15
				h.low = h.ready + float64(h.bucket*(openLeast+(1-openLeast)*float64(h.turn>>32)/whole))
			}
			continue
		}
		at := h.at
		if h.stock > h.low {
			at += int64((h.stock-h.low)/rate) + 1
		}
		h.flow(min(now, at), rate)
		if at <= now {
			h.refilled = at + int64(h.prios)
			if !h.goesOnInGC {
				h.refilled += max(0, h.gcEnds-at)
			}
		}
	}
}

func (h *shortage) flow(to int64, rate float64) {
	n := float64(rate * float64(to-h.at)) // rounded on every machine: some would multiply and add at once
	h.owed -= n
	h.stock = max(0, h.stock-n)
	h.at = to
}
