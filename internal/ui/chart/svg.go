// SPDX-License-Identifier: GPL-2.0-only

package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image/color"
	"io"
)

// An svg is a picture of elements. Coordinates have one decimal, so that the last bits of a logarithm, which machines
// compute differently, do not show.
type svg struct{ b bytes.Buffer }

func newSVG(width, height float64) *svg {
	s := &svg{}
	fmt.Fprintf(&s.b, `<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" width="%[1]g" height="%[2]g" viewBox="0 0 %[1]g %[2]g" font-family="sans-serif">
<rect width="%[1]g" height="%[2]g" fill="#ffffff"/>
`, width, height)
	return s
}

func (s *svg) points(element string, points []Point) {
	fmt.Fprintf(&s.b, `<%s points="`, element)
	for i, p := range points {
		if i > 0 {
			s.b.WriteByte(' ')
		}
		fmt.Fprintf(&s.b, "%.1f,%.1f", p.X, p.Y)
	}
}

func (s *svg) stroke(points []Point, width float64, c color.RGBA) {
	s.points("polyline", points)
	fmt.Fprintf(&s.b, "\" fill=\"none\" stroke=\"%s\" stroke-width=\"%g\"/>\n", hex(c), width)
}

func (s *svg) fill(points []Point, c color.RGBA) {
	s.points("polygon", points)
	fmt.Fprintf(&s.b, "\" fill=\"%s\"/>\n", hex(c))
}

func (s *svg) text(at Point, a anchor, size float64, upwards bool, text string) {
	turn := ""
	if upwards {
		turn = fmt.Sprintf(` transform="rotate(-90 %.1f %.1f)"`, at.X, at.Y)
	}
	name := [...]string{start: "start", middle: "middle", end: "end"}[a]
	fmt.Fprintf(&s.b, `<text x="%.1f" y="%.1f" font-size="%g" text-anchor="%s"%s>`, at.X, at.Y, size, name, turn)
	_ = xml.EscapeText(&s.b, []byte(text)) // a buffer takes everything
	s.b.WriteString("</text>\n")
}

func (s *svg) finish(w io.Writer) error {
	s.b.WriteString("</svg>\n")
	_, err := s.b.WriteTo(w)
	return err
}

func hex(c color.RGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }
