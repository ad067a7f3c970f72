// SPDX-License-Identifier: GPL-2.0-only

// Package chart draws lines over a logarithmic axis into an SVG or PNG file: the same bytes for the same chart. It
// draws itself, because the one plotter that there is for Go links what the GPL's version 2 does not allow. It owns
// golang.org/x/image.
package chart

import (
	"fmt"
	"image/color"
	"io"
)

// A Line is a series of points, in order of X. All X are above 0.
type Line struct {
	Name   string
	Points []Point
}

// A Point is one of a Line's.
type Point struct{ X, Y float64 }

// A Chart is what is drawn. Y begins at 0; the legend stands beside the lines.
type Chart struct {
	Title, X, Y string
	Subtitle    string                 // a smaller line below the title, if it is not empty
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

var (
	ink   = color.RGBA{0, 0, 0, 255}
	faint = color.RGBA{221, 221, 221, 255}
)

// An anchor says which part of a text stands at its point.
type anchor int

const (
	start anchor = iota
	middle
	end
)

// A canvas is what a chart is drawn on. Its points count from the upper left corner, in units of a 96th inch.
type canvas interface {
	stroke(points []Point, width float64, c color.RGBA)
	fill(points []Point, c color.RGBA)
	text(at Point, a anchor, size float64, upwards bool, s string)
	finish(w io.Writer) error
}

// Write draws c as "svg" or "png".
func (c Chart) Write(w io.Writer, format string) error {
	width := textWidth(tickSize, "0") // a legend of nothing
	for _, l := range c.Lines {
		width = max(width, textWidth(tickSize, l.Name))
	}
	p := frame{left: 64, top: 40, right: 584, bottom: 344}
	if c.Subtitle != "" {
		p.top += 18
	}
	p.bottom = max(p.bottom, p.top+legendStep*float64(len(c.Lines)))
	p.width, p.height = p.right+40+width, p.bottom+56
	var on canvas
	switch format {
	case "svg":
		on = newSVG(p.width, p.height)
	case "png":
		png, err := newPNG(p.width, p.height)
		if err != nil {
			return err
		}
		on = png
	default:
		return fmt.Errorf("no picture of format %q", format)
	}
	p.scale(c.Lines)
	p.axes(on, c)
	p.lines(on, c.Lines)
	return on.finish(w)
}
