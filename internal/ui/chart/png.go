// SPDX-License-Identifier: GPL-2.0-only

package chart

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

const pixels = 2 // of a picture for each unit: letters stay sharp on today's screens

// A raster is a picture of pixels.
type raster struct {
	img  *image.RGBA
	font *opentype.Font
	err  error // the first of a face
}

func newPNG(width, height float64) (*raster, error) {
	f, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return nil, fmt.Errorf("font: %w", err)
	}
	img := image.NewRGBA(image.Rect(0, 0, int(math.Ceil(width*pixels)), int(math.Ceil(height*pixels))))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	return &raster{img: img, font: f}, nil
}

// fill goes over no more of the picture than the outline needs.
func (r *raster) fill(points []Point, c color.RGBA) {
	if len(points) == 0 {
		return
	}
	low, high := points[0], points[0]
	for _, p := range points {
		low = Point{min(low.X, p.X), min(low.Y, p.Y)}
		high = Point{max(high.X, p.X), max(high.Y, p.Y)}
	}
	box := image.Rect(int(low.X*pixels), int(low.Y*pixels), int(high.X*pixels)+1, int(high.Y*pixels)+1)
	if !box.In(r.img.Bounds()) {
		return // vector would write past the picture's end
	}
	v := vector.NewRasterizer(box.Dx(), box.Dy())
	for i, p := range points {
		x, y := float32(p.X*pixels-float64(box.Min.X)), float32(p.Y*pixels-float64(box.Min.Y))
		if i == 0 {
			v.MoveTo(x, y)
		} else {
			v.LineTo(x, y)
		}
	}
	v.ClosePath()
	v.Draw(r.img, box, image.NewUniform(c), image.Point{})
}

// stroke fills a bar for each piece of the line.
func (r *raster) stroke(points []Point, width float64, c color.RGBA) {
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		length := math.Hypot(b.X-a.X, b.Y-a.Y)
		if length == 0 {
			continue
		}
		x, y := (b.Y-a.Y)/length*width/2, (a.X-b.X)/length*width/2
		r.fill([]Point{{a.X + x, a.Y + y}, {b.X + x, b.Y + y}, {b.X - x, b.Y - y}, {a.X - x, a.Y - y}}, c)
	}
}

func (r *raster) text(at Point, a anchor, size float64, upwards bool, text string) {
	face, err := opentype.NewFace(r.font, &opentype.FaceOptions{Size: size * pixels, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		r.err = err
		return
	}
	defer face.Close()
	width := font.MeasureString(face, text)
	offset := [...]fixed.Int26_6{start: 0, middle: width / 2, end: width}[a]
	if !upwards {
		d := font.Drawer{Dst: r.img, Src: image.NewUniform(ink), Face: face, Dot: dot(at)}
		d.Dot.X -= offset
		d.DrawString(text)
		return
	}
	m := face.Metrics()
	line := image.NewRGBA(image.Rect(0, 0, width.Ceil()+2, (m.Ascent+m.Descent).Ceil()+2))
	d := font.Drawer{Dst: line, Src: image.NewUniform(ink), Face: face, Dot: fixed.Point26_6{Y: m.Ascent}}
	d.DrawString(text)
	r.turned(line, dot(at), m.Ascent.Ceil(), offset.Ceil())
}

// turned draws a line of text that goes upwards: what was offset pixels from its begin, on its base, comes to at.
func (r *raster) turned(line *image.RGBA, at fixed.Point26_6, base, offset int) {
	size := line.Bounds().Size()
	for y := range size.Y {
		for x := range size.X {
			to := image.Pt(at.X.Round()+y-base, at.Y.Round()+offset-x)
			draw.Draw(r.img, image.Rectangle{to, to.Add(image.Pt(1, 1))}, line, image.Pt(x, y), draw.Over)
		}
	}
}

func (r *raster) finish(w io.Writer) error {
	if r.err != nil {
		return r.err
	}
	return png.Encode(w, r.img)
}

// dot is a point as fonts have it.
func dot(p Point) fixed.Point26_6 {
	return fixed.Point26_6{X: fixed.Int26_6(p.X * pixels * 64), Y: fixed.Int26_6(p.Y * pixels * 64)}
}
