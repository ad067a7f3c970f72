// SPDX-License-Identifier: GPL-2.0-only

package chart

import (
	"math"
	"slices"
	"strconv"
)

const (
	titleSize  = 15
	labelSize  = 13
	tickSize   = 11
	minorSize  = 9
	legendStep = 18
	markSize   = 3.5 // from its middle
)

// A frame is where the lines go, and what it shows of both axes.
type frame struct {
	width, height            float64 // of the whole picture
	left, top, right, bottom float64 // of the lines' field
	minX, maxX, maxY         float64
}

// scale fits the axes to the lines.
func (p *frame) scale(lines []Line) {
	p.minX, p.maxX, p.maxY = math.Inf(1), 0, 0
	for _, l := range lines {
		for _, q := range l.Points {
			p.minX, p.maxX, p.maxY = min(p.minX, q.X), max(p.maxX, q.X), max(p.maxY, q.Y)
		}
	}
	switch {
	case p.maxX == 0:
		p.minX, p.maxX = 1, 2
	case p.minX == p.maxX: // one point: the axis needs a width
		p.minX, p.maxX = p.minX/2, p.maxX*2
	}
	p.maxY = max(p.maxY*1.1, 1e-6)
}

// at is where a point of a line lies in the picture.
func (p *frame) at(q Point) Point {
	return Point{
		p.left + (p.right-p.left)*math.Log(q.X/p.minX)/math.Log(p.maxX/p.minX),
		p.bottom - (p.bottom-p.top)*q.Y/p.maxY,
	}
}

// axes draws the titles, the grid and what its lines stand for.
func (p *frame) axes(on canvas, c Chart) {
	centre := (p.left + p.right) / 2
	on.text(Point{centre, 22}, middle, titleSize, false, c.Title)
	if c.Subtitle != "" {
		on.text(Point{centre, 40}, middle, tickSize, false, c.Subtitle)
	}
	on.text(Point{centre, p.bottom + 42}, middle, labelSize, false, c.X)
	on.text(Point{18, (p.top + p.bottom) / 2}, middle, labelSize, true, c.Y)
	step := niceStep(p.maxY)
	for y := 0.0; y <= p.maxY*(1+1e-9); y += step {
		at := p.at(Point{p.minX, y})
		on.stroke([]Point{{p.left, at.Y}, {p.right, at.Y}}, 1, faint)
		on.text(Point{p.left - 8, at.Y + 4}, end, tickSize, false, strconv.FormatFloat(math.Round(y/step)*step, 'g', 4, 64))
	}
	p.ticks(on, c)
	on.stroke([]Point{{p.left, p.top}, {p.left, p.bottom}, {p.right, p.bottom}}, 1, ink)
}

// ticks marks the X that there are, and the powers of two between them, smaller. Names that would not fit are left out.
func (p *frame) ticks(on canvas, c Chart) {
	var names []span
	name := func(x, size float64) {
		text, at := c.tick(x), p.at(Point{x, 0}).X
		half := textWidth(size, text) / 2
		it := span{at - half - 3, at + half + 3}
		if !slices.ContainsFunc(names, it.meets) {
			on.text(Point{at, p.bottom + 20}, middle, size, false, text)
			names = append(names, it)
		}
	}
	major := xs(c.Lines)
	for _, x := range major {
		at := p.at(Point{x, 0}).X
		on.stroke([]Point{{at, p.top}, {at, p.bottom}}, 1, faint)
		on.stroke([]Point{{at, p.bottom}, {at, p.bottom + 6}}, 1, ink)
		name(x, tickSize)
	}
	for x := math.Exp2(math.Ceil(math.Log2(p.minX))); x < p.maxX; x *= 2 {
		if slices.Contains(major, x) {
			continue
		}
		at := p.at(Point{x, 0}).X
		on.stroke([]Point{{at, p.bottom}, {at, p.bottom + 3}}, 1, ink)
		name(x, minorSize)
	}
}

// A span is where a name stands on an axis.
type span struct{ from, to float64 }

func (a span) meets(b span) bool { return a.from < b.to && b.from < a.to }

// lines draws the lines with their marks, and the legend in the lines' order.
func (p *frame) lines(on canvas, lines []Line) {
	for i, l := range lines {
		colour := colours[i%len(colours)]
		points := make([]Point, len(l.Points))
		for k, q := range l.Points {
			points[k] = p.at(q)
		}
		on.stroke(points, 2, colour)
		for _, q := range points {
			on.fill(mark(i, q), colour)
		}
		y := p.top + 10 + legendStep*float64(i)
		on.stroke([]Point{{p.right + 12, y}, {p.right + 32, y}}, 2, colour)
		on.fill(mark(i, Point{p.right + 22, y}), colour)
		on.text(Point{p.right + 38, y + 4}, start, tickSize, false, l.Name)
	}
}

// tick is an X as its tick has it.
func (c Chart) tick(x float64) string {
	if c.Tick != nil {
		return c.Tick(x)
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}

// xs are the X that there are, no more.
func xs(lines []Line) []float64 {
	var list []float64
	for _, l := range lines {
		for _, q := range l.Points {
			list = append(list, q.X)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// niceStep divides an axis that ends at limit into four to ten parts of a round number.
func niceStep(limit float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(limit)))
	for _, parts := range []float64{0.1, 0.2, 0.5} {
		if limit/(power*parts) <= 10 {
			return power * parts
		}
	}
	return power
}

// mark is the outline of the i-th line's mark: a disc, a square, a triangle, a diamond, and so on again.
func mark(i int, at Point) []Point {
	corners := []int{16, 4, 3, 4}[i%4]
	turn := []float64{0, math.Pi / 4, -math.Pi / 2, 0}[i%4]
	size := []float64{1, 1.25, 1.4, 1.4}[i%4] * markSize
	outline := make([]Point, corners)
	for k := range outline {
		sin, cos := math.Sincos(turn + 2*math.Pi*float64(k)/float64(corners))
		outline[k] = Point{at.X + size*cos, at.Y + size*sin}
	}
	return outline
}

// textWidth is about how wide a text of Latin letters is. Where letters stand is decided by whoever draws them.
func textWidth(size float64, s string) float64 { return 0.58 * size * float64(len([]rune(s))) }
