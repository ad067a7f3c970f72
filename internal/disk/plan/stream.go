// SPDX-License-Identifier: GPL-2.0-only

package plan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"sort"
)

// A Stream is writes that are too many to be held: each time it is called they come again, the same, in the order of
// their places, none over another.
type Stream func() iter.Seq2[Write, error]

var errStream = errors.New("not the same writes in order")

// all are the writes of the stream and then those of p, with their numbers and their steps: the stream is the first. A
// nil stream is none.
func (s Stream) all(p *Plan) iter.Seq2[place, error] {
	return func(yield func(place, error) bool) {
		nth, step := 0, 0
		if s != nil {
			for w, err := range s() {
				if !yield(place{&w, step, nth}, err) || err != nil {
					return
				}
				nth++
			}
			step++
		}
		for _, writes := range p.Steps {
			for i := range writes {
				if !yield(place{&writes[i], step, nth}, nil) {
					return
				}
				nth++
			}
			step++
		}
	}
}

// count is how many writes all gives. Errors: the stream's, and where it is not in order, or goes where p does.
func (s Stream) count(p *Plan) (n int, err error) {
	if s == nil {
		return p.Count(), nil
	}
	taken := p.Overlay(nil).Writes()
	end := int64(0)
	for w, err := range s() {
		if err != nil {
			return 0, err
		}
		i := sort.Search(len(taken), func(i int) bool { return taken[i].end() > w.Off })
		if w.Off < end || i < len(taken) && taken[i].Off < w.end() {
			return 0, fmt.Errorf("%s: %w", w.name(), errStream)
		}
		end = w.end()
		n++
	}
	return n + p.Count(), nil
}

// index writes where each write goes. Errors stay with to but for the stream's own.
func (s Stream) index(to io.Writer, p *Plan, blocks int) error {
	n := 0
	for w, err := range s.all(p) {
		if err != nil {
			return err
		}
		b := binary.LittleEndian.AppendUint64(nil, uint64(w.Off))
		b = binary.LittleEndian.AppendUint64(b, uint64(w.Len()))
		to.Write(binary.LittleEndian.AppendUint32(b, uint32(w.step))) //nolint:errcheck // it stays
		n++
	}
	if n != blocks {
		return errStream
	}
	return nil
}
