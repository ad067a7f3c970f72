// SPDX-License-Identifier: GPL-2.0-only

package render

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// chunk is how many rows are laid out at a time: tablewriter holds all it is given.
const chunk = 1000

// table writes the labelled fields, the first rows and the later fields, a blank line between them. It returns how
// many rows it left out.
func (v View[T]) table(w io.Writer) (left int, err error) {
	parts := 0
	gap := func() {
		if parts > 0 {
			fmt.Fprintln(w)
		}
		parts++
	}
	if hasNames(v.Head) {
		gap()
		writeFields(w, v.Head)
	}
	if v.Rows != nil {
		gap()
		if left, err = v.rows(w); err != nil {
			return left, err
		}
	}
	if tail := v.tail(); hasNames(tail) {
		gap()
		writeFields(w, tail)
	}
	return left, nil
}

// rows lays out the rows up to the limit, and counts the others.
func (v View[T]) rows(w io.Writer) (left int, err error) {
	limit := v.Limit
	if limit == 0 {
		limit = DefaultLimit
	}
	l := newLayout(v.Columns)
	for row, err := range v.Rows {
		switch {
		case err != nil:
			_ = l.flush(w) // what was read before the error is shown
			return left, err
		case limit >= 0 && l.count >= limit:
			left++
			continue
		}
		l.add(cells(v.Columns, row))
		if len(l.cells) == chunk {
			if err := l.flush(w); err != nil {
				return left, err
			}
		}
	}
	return left, l.flush(w)
}

// A layout is a table in the making. Its columns only ever grow wider, from one chunk to the next.
type layout struct {
	header []string
	align  tw.Alignment
	widths []int
	cells  [][]string
	count  int
}

func newLayout[T any](columns []Column[T]) *layout {
	l := &layout{}
	for _, c := range columns {
		if c.Cell == nil && c.Int == nil {
			continue
		}
		align := tw.AlignLeft
		if c.Num {
			align = tw.AlignRight
		}
		l.header = append(l.header, c.Name)
		l.align = append(l.align, align)
		l.widths = append(l.widths, twwidth.Width(c.Name))
	}
	return l
}

// add appends a row.
func (l *layout) add(cells []string) {
	for i, cell := range cells {
		l.widths[i] = max(l.widths[i], twwidth.Width(cell))
	}
	l.cells = append(l.cells, cells)
	l.count++
}

// cells is what a table shows of a row.
func cells[T any](columns []Column[T], row T) []string {
	var texts []string
	for _, c := range columns {
		if c.Cell != nil || c.Int != nil {
			texts = append(texts, c.text(row))
		}
	}
	return texts
}

// flush renders the rows so far, the first time under the header. It goes through a buffer, because tablewriter
// drops write errors, and cuts the blanks that it pads the last column with.
func (l *layout) flush(w io.Writer) error {
	first := l.count == len(l.cells)
	if len(l.cells) == 0 && !first {
		return nil
	}
	var b bytes.Buffer
	t := tablewriter.NewTable(&b, l.options()...)
	if first {
		t.Header(l.header)
	}
	if err := t.Bulk(l.cells); err != nil {
		return err
	}
	if err := t.Render(); err != nil {
		return err
	}
	l.cells = l.cells[:0]
	for line := range strings.Lines(b.String()) {
		if _, err := io.WriteString(w, strings.TrimRight(line, " \n")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// options make tablewriter leave the text alone: no upper-case headers, no wrapping, no borders, two blanks
// between columns so that cut, awk and grep work.
func (l *layout) options() []tablewriter.Option {
	widths := tw.NewMapper[int, int]()
	for i, width := range l.widths {
		widths.Set(i, width+2)
	}
	return []tablewriter.Option{
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders:  tw.BorderNone,
			Settings: tw.Settings{Lines: tw.LinesNone, Separators: tw.SeparatorsNone},
		})),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithTrimSpace(tw.Off),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithAlignment(l.align),
		tablewriter.WithPadding(tw.Padding{Left: "", Right: "  ", Overwrite: true}),
		tablewriter.WithColumnWidths(widths),
	}
}

// hasNames says whether people see any of fields.
func hasNames(fields []Field) bool {
	for _, f := range fields {
		if f.Name != "" {
			return true
		}
	}
	return false
}

// writeFields writes a name and a text a line.
func writeFields(w io.Writer, fields []Field) {
	width := 0
	for _, f := range fields {
		width = max(width, twwidth.Width(f.Name))
	}
	for _, f := range fields {
		if f.Name != "" {
			pad := strings.Repeat(" ", width-twwidth.Width(f.Name))
			fmt.Fprintln(w, strings.TrimRight(f.Name+pad+"  "+f.text(), " "))
		}
	}
}
