// SPDX-License-Identifier: GPL-2.0-only

// Package chart draws lines over a logarithmic axis into an SVG or PNG file. It owns gonum.org/v1/plot.
package chart

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A Line is a series of points, in order of X. All X are above 0.
type Line struct {
	Name   string
	Points []Point
}

// A Point is one of a Line's.
type Point struct{ X, Y float64 }

// A Chart is what is drawn. Y begins at 0.
type Chart struct {
	Title, X, Y string
	Tick        func(x float64) string // how an X is written
	Lines       []Line
}

// The colours are told apart by those who see no red or green, too (Okabe and Ito).
var colours = []color.RGBA{
	{0, 114, 178, 255},
	{213, 94, 0, 255},
	{0, 158, 115, 255},
	{204, 121, 167, 255},
	{230, 159, 0, 255},
	{86, 180, 233, 255},
	{0, 0, 0, 255},
}

// Write draws c as "svg" or "png".
func (c Chart) Write(w io.Writer, format string) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, c.X, c.Y
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, c.ticks()
	p.Legend.Top = true
	p.Add(plotter.NewGrid())
	for i, l := range c.Lines {
		points := make(plotter.XYs, len(l.Points))
		for k, q := range l.Points {
			points[k] = plotter.XY{X: q.X, Y: q.Y}
		}
		line, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return fmt.Errorf("line %s: %w", l.Name, err)
		}
		line.Color, line.Width = colours[i%len(colours)], vg.Points(1.5)
		marks.Color, marks.Shape = line.Color, shapes()[i%len(shapes())]
		p.Add(line, marks)
		p.Legend.Add(l.Name, line, marks)
	}
	p.Y.Min = 0
	if p.X.Min == p.X.Max { // one cache size: the axis needs a width
		p.X.Min, p.X.Max = p.X.Min/2, p.X.Max*2
	}
	p.Y.Max = math.Max(p.Y.Max*1.1, 1e-6)
	out, err := draw.NewFormattedCanvas(width, height, format)
	if err != nil {
		return err
	}
	out.SetColor(color.White)
	out.Fill(vg.Rectangle{Max: vg.Point{X: width, Y: height}}.Path())
	p.Draw(draw.Crop(draw.New(out), margin, -margin, margin, -margin))
	_, err = out.WriteTo(w)
	return err
}

const (
	width  = 560 * vg.Length(1)
	height = 360 * vg.Length(1)
	margin = 10 * vg.Length(1) // or the outermost letters are cut
)

func shapes() []draw.GlyphDrawer {
	return []draw.GlyphDrawer{draw.CircleGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.CrossGlyph{}}
}

// ticks are the X that there are, no more.
func (c Chart) ticks() plot.ConstantTicks {
	seen := map[float64]bool{}
	var ticks plot.ConstantTicks
	for _, l := range c.Lines {
		for _, q := range l.Points {
			if seen[q.X] {
				continue
			}
			seen[q.X] = true
			label := strconv.FormatFloat(q.X, 'g', -1, 64)
			if c.Tick != nil {
				label = c.Tick(q.X)
			}
			ticks = append(ticks, plot.Tick{Value: q.X, Label: label})
		}
	}
	return ticks
}
