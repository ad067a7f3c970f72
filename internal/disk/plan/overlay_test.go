// SPDX-License-Identifier: GPL-2.0-only

package plan

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

// An overlay reads as a copy of the device that was written to.
func TestOverlay(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for round := range 300 {
		model := make([]byte, 2000)
		for i := range model {
			model[i] = byte(rng.Uint32())
		}
		o := NewOverlay(bytes.NewReader(bytes.Clone(model)))
		for range rng.IntN(30) {
			off := rng.IntN(len(model))
			data := bytes.Repeat([]byte{byte(rng.Uint32())}, 1+rng.IntN(min(300, len(model)-off)))
			w := Write{Off: int64(off), Data: data}
			if rng.IntN(3) == 0 { // the same bytes, from elsewhere
				w = Write{Off: int64(off), From: bytes.NewReader(append([]byte("xyz"), data...)), At: 3, Bytes: int64(len(data))}
			}
			o.Put(w)
			copy(model[off:], data)
		}
		for range 50 {
			off := rng.IntN(len(model) + 10)
			want, got := make([]byte, rng.IntN(400)), make([]byte, 400)
			n, werr := bytes.NewReader(model).ReadAt(want, int64(off))
			k, err := o.ReadAt(got[:len(want)], int64(off))
			if errors.Is(werr, io.EOF) != errors.Is(err, io.EOF) && n < len(want) {
				t.Fatalf("round %d: %d bytes at %d: %v, want %v", round, len(want), off, err, werr)
			}
			if n != k || !bytes.Equal(got[:k], want[:n]) || (err == nil) != (werr == nil || n == len(want)) {
				t.Fatalf("round %d: %d bytes at %d: %d, %v; want %d, %v", round, len(want), off, k, err, n, werr)
			}
		}
		over := o.Writes()
		for i, w := range over[:max(0, len(over)-1)] {
			if w.end() > over[i+1].Off {
				t.Fatalf("round %d: writes %d and the next overlap", round, i)
			}
		}
	}
}

type broken struct{ io.ReaderAt }

func (broken) ReadAt([]byte, int64) (int, error) { return 0, errIO }

// What is written over a place that cannot be read can be read.
func TestOverlayOverBroken(t *testing.T) {
	o := (&Plan{Steps: [][]Write{{{Off: 512, Data: []byte("abcd")}}}}).Overlay(broken{})
	b := make([]byte, 4)
	if n, err := o.ReadAt(b, 512); n != 4 || err != nil || string(b) != "abcd" {
		t.Errorf("%d, %v, %q", n, err, b)
	}
	if n, err := o.ReadAt(b, 514); n != 2 || !errors.Is(err, errIO) {
		t.Errorf("%d, %v", n, err)
	}
}

// Writes in any order, over one another, across the pages: every byte is that of the last one that went there.
func TestOverlayOfMany(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	const size = 20_000
	model := make([]byte, size)
	o := NewOverlay(bytes.NewReader(make([]byte, size)))
	for i := range 20_000 {
		n := 1 + rng.IntN(3)
		if i%5000 == 4999 {
			n = 3000 // covers pages
		}
		off := rng.IntN(size - n)
		data := bytes.Repeat([]byte{byte(i)}, n)
		o.Put(Write{Off: int64(off), Data: data})
		copy(model[off:], data)
		if i%1000 == 0 || i%5000 == 4999 {
			got := make([]byte, size)
			if n, err := o.ReadAt(got, 0); n != size || err != nil || !bytes.Equal(got, model) {
				t.Fatalf("after %d writes: %d, %v", i, n, err)
			}
		}
	}
	if len(o.pages) < 5 {
		t.Errorf("%d pages", len(o.pages))
	}
	for i, page := range o.pages {
		if len(page) == 0 || len(page) > pageWrites {
			t.Errorf("page %d has %d writes", i, len(page))
		}
	}
}

// holed has data in some places and zeroes elsewhere.
type holed struct {
	io.ReaderAt
	runs [][2]int64
}

func (h holed) Data(off int64) (from, to int64) {
	for _, r := range h.runs {
		if off < r[1] {
			return max(off, r[0]), r[1]
		}
	}
	return 1000, 1000
}

// What no run of data covers reads as zeroes through an overlay too, and the runs go forward.
func TestOverlayData(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 1))
	for round := range 200 {
		below := make([]byte, 1000)
		h := holed{bytes.NewReader(below), nil}
		for at := int64(rng.IntN(300)); at < 900; at += 1 + int64(rng.IntN(300)) {
			end := min(at+1+int64(rng.IntN(100)), 1000)
			copy(below[at:end], bytes.Repeat([]byte{1}, 100))
			h.runs = append(h.runs, [2]int64{at, end})
			at = end
		}
		o := NewOverlay(h)
		for range rng.IntN(8) {
			o.Put(Write{Off: int64(rng.IntN(900)), Data: bytes.Repeat([]byte{2}, 1+rng.IntN(90))})
		}
		want, got := make([]byte, 1000), make([]byte, 1000)
		if _, err := o.ReadAt(want, 0); err != nil {
			t.Fatal(err)
		}
		for at := int64(0); ; {
			from, to := o.Data(at)
			if from == to {
				break
			}
			if from < at || to < from {
				t.Fatalf("round %d: data behind %d: %d to %d", round, at, from, to)
			}
			copy(got[from:to], want[from:to])
			at = to
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("round %d: something is left out", round)
		}
	}
	if from, to := NewOverlay(broken{}).Data(7); from != 7 || to < 1<<60 {
		t.Errorf("of what knows of no holes: %d to %d", from, to)
	}
}
