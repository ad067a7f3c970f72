// SPDX-License-Identifier: GPL-2.0-only

package chart

import (
	"bytes"
	"encoding/xml"
	"image/png"
	"io"
	"math"
	"strconv"
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
	if err := sample().Write(&a, "pdf"); err == nil {
		t.Error("pdf is no format")
	}
	one := Chart{Lines: []Line{{"lru", []Point{{1024, 0}}}}}
	if err := one.Write(&a, "svg"); err != nil {
		t.Error(err)
	}
}

// What a trace is called is text, whatever is in it; a chart may have any number of lines, and lines of nothing.
func TestOdd(t *testing.T) {
	odd := Chart{Title: `a<b>&"c`, Subtitle: "\xff", Lines: []Line{{Name: "empty"}}}
	for range 40 {
		odd.Lines = append(odd.Lines, Line{"same", []Point{{1, 1}}})
	}
	for _, c := range []Chart{odd, {}} {
		var b, picture bytes.Buffer
		if err := c.Write(&b, "svg"); err != nil {
			t.Fatal(err)
		}
		decoder := xml.NewDecoder(&b)
		texts := 0
		for {
			token, err := decoder.Token()
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if _, ok := token.(xml.StartElement); ok {
				texts++
			}
		}
		if texts < 2*len(c.Lines) {
			t.Errorf("%d elements for %d lines", texts, len(c.Lines))
		}
		if err := c.Write(&picture, "png"); err != nil {
			t.Error(err)
		}
	}
}

// A point lies where the axes say: the middle of a logarithmic axis is the geometric mean.
func TestScale(t *testing.T) {
	p := frame{left: 100, right: 300, top: 0, bottom: 110}
	p.scale([]Line{{"", []Point{{1, 100}, {100, 0}}}})
	for q, want := range map[Point]Point{{1, 100}: {100, 10}, {10, 50}: {200, 60}, {100, 0}: {300, 110}} {
		if got := p.at(q); math.Abs(got.X-want.X) > 1e-9 || math.Abs(got.Y-want.Y) > 1e-9 {
			t.Errorf("%v lies at %v, want %v", q, got, want)
		}
	}
	for limit, want := range map[float64]float64{1.1: 0.2, 0.7: 0.1, 5: 0.5, 10: 1, 1e-6: 1e-7} {
		if got := niceStep(limit); math.Abs(got-want) > want*1e-9 {
			t.Errorf("an axis to %v has steps of %v, want %v", limit, got, want)
		}
	}
}

// Between the sizes that were tried the powers of two are marked, and named where there is room.
func TestMinorTicks(t *testing.T) {
	var b bytes.Buffer
	c := sample()
	c.Tick = func(x float64) string { return "size " + strconv.Itoa(int(x)) }
	if err := c.Write(&b, "svg"); err != nil {
		t.Fatal(err)
	}
	for _, x := range []string{"size 1024<", "size 2048<", "size 4096<"} {
		if strings.Count(b.String(), x) != 1 {
			t.Errorf("%s: %d times", x, strings.Count(b.String(), x))
		}
	}
}
