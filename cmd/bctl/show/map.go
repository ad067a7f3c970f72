// SPDX-License-Identifier: GPL-2.0-only

package show

import (
	"bufio"
	"fmt"
	"io"

	"bctl/cmd/bctl/app"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
)

// A glyph is how the map shows a mark: readable without colours too.
type glyph struct {
	mark   inspect.Mark
	char   string
	colour string // SGR
}

// glyphs, the most telling first: of a cell's buckets the first of these that occurs is drawn.
var glyphs = []glyph{
	{inspect.Dirty, "#", "31"},
	{inspect.Metadata, "M", "35"},
	{inspect.Clean, "o", "32"},
	{inspect.Free, ".", "90"},
}

// unknownGlyph stands for what seems free, where a part of what could refer to it is lost.
var unknownGlyph = glyph{inspect.Free, "?", "33"}

// mapLines is how many lines the map takes at most.
const mapLines = 32

// mapWidth is how wide a picture may be.
func mapWidth(io *app.IO) int {
	if w := io.Width(); w > 20 {
		return w - 12
	}
	return 64
}

// writeMap draws the device, some buckets a cell, and says what the cells mean.
func writeMap(w io.Writer, cache *inspect.Cache, width int, colour bool) error {
	out := bufio.NewWriter(w)
	total := uint64(cache.Buckets.Len())
	per := max(1, (total+uint64(width*mapLines)-1)/uint64(width*mapLines))
	known := cache.Known()
	free := glyphs[len(glyphs)-1]
	if !known.Tree || !known.Journal {
		free = unknownGlyph
	}
	paint := func(g glyph) string {
		if g.mark == inspect.Free {
			g = free
		}
		if !colour {
			return g.char
		}
		return "\x1b[" + g.colour + "m" + g.char + "\x1b[0m"
	}
	for cell := uint64(0); cell*per < total; cell++ {
		if cell%uint64(width) == 0 {
			if cell > 0 {
				fmt.Fprintln(out)
			}
			fmt.Fprintf(out, "%10d  ", cell*per)
		}
		fmt.Fprint(out, paint(cellGlyph(cache, cell*per, min(total, (cell+1)*per))))
	}
	fmt.Fprintf(out, "\n\n%s a cell, the most telling of each:\n", app.Plural(int(per), "bucket"))
	counts := map[inspect.Mark]uint64{}
	for b := range cache.Buckets.Len() {
		counts[cache.Buckets.Mark(b)]++
	}
	for _, g := range glyphs {
		n, name := counts[g.mark], g.mark.String()
		if g.mark == inspect.Free && free == unknownGlyph {
			name = "unknown"
		}
		fmt.Fprintf(out, "  %s %-8s %10d  %5.1f %%\n", paint(g), name, n, 100*float64(n)/float64(total))
	}
	return out.Flush()
}

func cellGlyph(cache *inspect.Cache, from, to uint64) glyph {
	best := len(glyphs) - 1
	for b := from; b < to; b++ {
		for i := range best {
			if glyphs[i].mark == cache.Buckets.Mark(ondisk.Bucket(b)) {
				best = i
			}
		}
	}
	return glyphs[best]
}
