// SPDX-License-Identifier: GPL-2.0-only

package chart

import (
	"bytes"
	"image/png"
	"strings"
	"testing"
)

func sample() Chart {
	return Chart{Title: "misses", X: "size", Y: "ratio", Tick: func(x float64) string { return "x" }, Lines: []Line{
		{"lru", []Point{{1024, 0.5}, {4096, 0.25}}}, {"fifo", []Point{{1024, 0.6}, {4096, 0.3}}},
	}}
}

// The same chart is the same bytes, so that a picture in the repository changes only with its figures.
func TestWrite(t *testing.T) {
	var a, b, picture bytes.Buffer
	for _, w := range []*bytes.Buffer{&a, &b} {
		if err := sample().Write(w, "svg"); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) || !strings.Contains(a.String(), "</svg>") || !strings.Contains(a.String(), "fifo") {
		t.Errorf("svg: %.200s", a.String())
	}
	if err := sample().Write(&picture, "png"); err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(&picture); err != nil {
		t.Error(err)
	}
	one := Chart{Lines: []Line{{"lru", []Point{{1024, 0}}}}}
	if err := one.Write(&a, "svg"); err != nil {
		t.Error(err)
	}
}
