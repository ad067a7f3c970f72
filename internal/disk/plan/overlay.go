// SPDX-License-Identifier: GPL-2.0-only

package plan

import (
	"cmp"
	"io"
	"slices"
)

// Overlay is a device as it will be: what stands on it now, under what is going to be written. Reads may go on in
// several goroutines; Put may not.
type Overlay struct {
	r    io.ReaderAt
	over []Write // by offset; they do not overlap
}

// NewOverlay shows r with nothing over it.
func NewOverlay(r io.ReaderAt) *Overlay { return &Overlay{r: r} }

// Overlay shows r as it will be once the plan is carried out.
func (p *Plan) Overlay(r io.ReaderAt) *Overlay {
	o := NewOverlay(r)
	for _, step := range p.Steps {
		for _, w := range step {
			o.Put(w)
		}
	}
	return o
}

// Put lays w over what is there.
func (o *Overlay) Put(w Write) {
	end := w.Off + int64(len(w.Data))
	if n := len(o.over); n == 0 || o.over[n-1].end() <= w.Off {
		o.over = append(o.over, w)
		return
	}
	lo := o.first(w.Off)
	hi := lo
	keep := []Write{w}
	for ; hi < len(o.over) && o.over[hi].Off < end; hi++ {
		old := o.over[hi]
		if old.Off < w.Off {
			keep = slices.Insert(keep, 0, Write{old.Off, old.Data[:w.Off-old.Off], old.What})
		}
		if old.end() > end {
			keep = append(keep, Write{end, old.Data[end-old.Off:], old.What})
		}
	}
	o.over = slices.Replace(o.over, lo, hi, keep...)
}

func (w Write) end() int64 { return w.Off + int64(len(w.Data)) }

// first is the first write that ends behind off.
func (o *Overlay) first(off int64) int {
	i, _ := slices.BinarySearchFunc(o.over, off, func(w Write, off int64) int { return cmp.Or(cmp.Compare(w.end(), off), -1) })
	return i
}

// Writes are what lies over the device, by offset.
func (o *Overlay) Writes() []Write { return slices.Clone(o.over) }

// ReadAt is io.ReaderAt. What the device cannot give is its error, up to there; what is written over a place that
// cannot be read can.
func (o *Overlay) ReadAt(b []byte, off int64) (n int, err error) {
	for i := o.first(off); n < len(b); i++ {
		at := off + int64(n)
		gap := int64(len(b) - n)
		if i < len(o.over) {
			gap = min(gap, o.over[i].Off-at)
		}
		if gap > 0 {
			got, err := o.r.ReadAt(b[n:n+int(gap)], at)
			n += got
			if got < int(gap) {
				if err == nil {
					err = io.ErrUnexpectedEOF
				}
				return n, err
			}
		}
		if n < len(b) && i < len(o.over) {
			n += copy(b[n:], o.over[i].Data[max(0, at-o.over[i].Off):])
		}
	}
	return n, nil
}
