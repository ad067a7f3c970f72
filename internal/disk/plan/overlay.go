// SPDX-License-Identifier: GPL-2.0-only

package plan

import (
	"cmp"
	"io"
	"math"
	"slices"
	"sort"
)

// Overlay is a device as it will be: what stands on it now, under what is going to be written. Reads may go on in
// several goroutines; Put may not.
type Overlay struct {
	r     io.ReaderAt
	pages [][]Write // by offset; none is empty, and no two writes overlap
}

// pageWrites is how many writes a page takes: a new one moves no more than these.
const pageWrites = 512

// NewOverlay shows r with nothing over it.
func NewOverlay(r io.ReaderAt) *Overlay { return &Overlay{r: r} }

// Overlay shows r as it will be once the plan is carried out.
func (p *Plan) Overlay(r io.ReaderAt) *Overlay {
	o := NewOverlay(r)
	for w := range p.Writes() {
		o.Put(w)
	}
	return o
}

// Put lays w over what is there.
func (o *Overlay) Put(w Write) {
	if w.Len() == 0 {
		return
	}
	from, at := o.first(w.Off)
	if from == len(o.pages) {
		o.add(w)
		return
	}
	// What w covers goes: from place at of page from up to place upto of page to. Of the first and the last a part stays.
	keep := []Write{w}
	to, upto := from, at
	for to < len(o.pages) && o.pages[to][upto].Off < w.end() {
		old := &o.pages[to][upto]
		if old.Off < w.Off {
			keep = slices.Insert(keep, 0, old.cut(old.Off, w.Off))
		}
		if old.end() > w.end() {
			keep = append(keep, old.cut(w.end(), old.end()))
		}
		if upto++; upto == len(o.pages[to]) {
			to, upto = to+1, 0
		}
	}
	if to > from { // whole pages between go, and what stays of the last one moves to the first
		var rest []Write
		if to < len(o.pages) && upto > 0 {
			rest, to = o.pages[to][upto:], to+1
		}
		o.pages[from] = slices.Concat(o.pages[from][:at], keep, rest)
		o.pages = slices.Delete(o.pages, from+1, to)
	} else {
		o.pages[from] = slices.Replace(o.pages[from], at, upto, keep...)
	}
	o.split(from)
}

// add takes a write behind all others.
func (o *Overlay) add(w Write) {
	if n := len(o.pages); n > 0 && len(o.pages[n-1]) < pageWrites {
		o.pages[n-1] = append(o.pages[n-1], w)
		return
	}
	o.pages = append(o.pages, []Write{w})
}

// split halves a page that is full.
func (o *Overlay) split(page int) {
	all := o.pages[page]
	if len(all) <= pageWrites {
		return
	}
	half := len(all) / 2
	o.pages[page] = all[:half:half]
	o.pages = slices.Insert(o.pages, page+1, slices.Clone(all[half:]))
}

// first is the first write that ends behind off: its page, and its place there. Without one it is behind the last page.
func (o *Overlay) first(off int64) (page, at int) {
	page = sort.Search(len(o.pages), func(i int) bool { return o.pages[i][len(o.pages[i])-1].end() > off })
	if page < len(o.pages) {
		at = sort.Search(len(o.pages[page]), func(i int) bool { return o.pages[page][i].end() > off })
	}
	return page, at
}

// Writes are what lies over the device, by offset.
func (o *Overlay) Writes() []Write { return slices.Concat(o.pages...) }

// ReadAt is io.ReaderAt. What the device cannot give is its error, up to there, and io.EOF where it ends; what is
// written over a place that cannot be read can be.
func (o *Overlay) ReadAt(b []byte, off int64) (n int, err error) {
	for page, i := o.first(off); n < len(b); i++ {
		if page < len(o.pages) && i == len(o.pages[page]) {
			page, i = page+1, 0
		}
		gap := int64(len(b) - n)
		if page < len(o.pages) {
			gap = min(gap, o.pages[page][i].Off-off-int64(n))
		}
		if gap > 0 {
			got, err := o.r.ReadAt(b[n:n+int(gap)], off+int64(n))
			n += got
			if got < int(gap) {
				return n, cmp.Or(err, io.ErrUnexpectedEOF)
			}
		}
		if n == len(b) || page == len(o.pages) {
			break
		}
		w := &o.pages[page][i]
		from := off + int64(n) - w.Off // it is not negative: what is before w was the gap
		part := b[n : n+int(min(int64(len(b)-n), w.Len()-from))]
		if err := w.readAt(part, from); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// Data is the first run of bytes at off or behind that may hold anything but zeroes, as far as the device below knows
// where it has a hole. It is empty where there is none.
func (o *Overlay) Data(off int64) (from, to int64) {
	from, to = off, math.MaxInt64
	if r, ok := o.r.(interface {
		Data(off int64) (from, to int64)
	}); ok {
		from, to = r.Data(off)
	}
	if page, at := o.first(off); page < len(o.pages) {
		if w := &o.pages[page][at]; max(off, w.Off) < from || from == to {
			return max(off, w.Off), w.end()
		}
	}
	return from, to
}
