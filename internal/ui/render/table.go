// SPDX-License-Identifier: GPL-2.0-only

package render

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// chunk is how many rows are laid out at a time: a layout holds all it is given.
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
	if v.Rows != nil && !v.Unknown {
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
	right  []bool
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
		l.header = append(l.header, c.Name)
		l.right = append(l.right, c.Num)
		l.widths = append(l.widths, width(c.Name))
	}
	return l
}

// add appends a row.
func (l *layout) add(cells []string) {
	for i, cell := range cells {
		l.widths[i] = max(l.widths[i], width(cell))
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

// flush renders the rows so far, the first time under the header, without the blanks that the last column is padded with.
func (l *layout) flush(w io.Writer) error {
	first := l.count == len(l.cells)
	if len(l.cells) == 0 && !first {
		return nil
	}
	var b bytes.Buffer
	if err := l.draw(&b, first); err != nil {
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
	widest := 0
	for _, f := range fields {
		widest = max(widest, width(f.Name))
	}
	for _, f := range fields {
		if f.Name != "" {
			pad := strings.Repeat(" ", widest-width(f.Name))
			fmt.Fprintln(w, strings.TrimRight(f.Name+pad+"  "+f.text(), " "))
		}
	}
}
