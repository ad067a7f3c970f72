// SPDX-License-Identifier: GPL-2.0-only

package render

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strconv"
)

// csv writes the rows under the columns' names. Fields have no place there, except where they are all there is.
func (v View[T]) csv(w io.Writer) error {
	out := csv.NewWriter(w)
	if v.Rows == nil {
		return writeFieldsCSV(out, append(v.Head, v.tail()...))
	}
	line := make([]string, 0, len(v.Columns))
	for _, c := range v.Columns {
		line = append(line, c.Name)
	}
	if err := out.Write(line); err != nil {
		return err
	}
	out.Flush() // what is plain goes around it
	b := make([]byte, 0, plainBytes)
	last := make([]string, len(v.Columns))
	for row, err := range v.Rows {
		if err != nil {
			return errors.Join(err, written(w, b))
		}
		n := len(b)
		var plain bool
		if b, plain = v.plainLine(b, row, last); !plain {
			line = line[:0]
			for _, c := range v.Columns {
				line = append(line, c.raw(row))
			}
			err = errors.Join(written(w, b[:n]), out.Write(line), flushed(out))
			b = b[:0]
		} else if len(b) > plainBytes/2 {
			err = written(w, b)
			b = b[:0]
		}
		if err != nil {
			return err
		}
	}
	return written(w, b)
}

// plainBytes is about what plain lines are kept back before they are written.
const plainBytes = 32 << 10

func written(w io.Writer, b []byte) error {
	_, err := w.Write(b)
	return err
}

func flushed(out *csv.Writer) error {
	out.Flush()
	return out.Error()
}

// plainLine appends the row's line to b, as csv.Writer would write it, if no cell of it can need quotes. last holds the
// columns' last texts: few are new, and the same text needs no second look.
func (v View[T]) plainLine(b []byte, row T, last []string) ([]byte, bool) {
	for i := range v.Columns {
		c := &v.Columns[i]
		if i > 0 {
			b = append(b, ',')
		}
		var text string
		switch {
		case c.Has != nil && !c.Has(row):
		case c.Raw != nil:
			text = c.Raw(row)
		case c.Int != nil:
			b = strconv.AppendUint(b, c.Int(row), 10)
			continue
		default:
			text = c.Cell(row)
		}
		if len(v.Columns) == 1 && text == "" || text != last[i] && !plain(text) {
			return b, false
		}
		last[i] = text
		b = append(b, text...)
	}
	return append(b, '\n'), true
}

// plain reports whether a cell is written as it is: nothing to escape, nothing to quote.
func plain(text string) bool {
	for i := range len(text) {
		if ch := text[i]; ch < ' ' || ch > '~' || ch == ',' || ch == '"' || ch == '\\' {
			return false
		}
	}
	return text == "" || text[0] != ' '
}

// writeFieldsCSV writes field,value lines: strings as they are, everything else as JSON has it.
func writeFieldsCSV(out *csv.Writer, fields []Field) error {
	lines := [][]string{{"field", "value"}}
	for _, f := range fields {
		if f.Key == "" {
			continue
		}
		text, ok := f.Value.(string)
		if !ok {
			b, err := json.Marshal(f.Value)
			if err != nil {
				return err
			}
			text = string(b)
		}
		lines = append(lines, []string{f.Key, printable(text)})
	}
	return out.WriteAll(lines)
}
