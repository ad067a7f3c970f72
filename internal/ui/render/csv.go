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
	var b []byte
	for row, err := range v.Rows {
		if err != nil {
			return err
		}
		var plain bool
		if b, plain = v.plainLine(b[:0], row); plain {
			_, err = w.Write(b)
		} else {
			line = line[:0]
			for _, c := range v.Columns {
				line = append(line, c.raw(row))
			}
			err = errors.Join(out.Write(line), flushed(out))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func flushed(out *csv.Writer) error {
	out.Flush()
	return out.Error()
}

// plainLine appends the row's line to b, as csv.Writer would write it, if no cell of it can need quotes.
func (v View[T]) plainLine(b []byte, row T) ([]byte, bool) {
	for i := range v.Columns {
		c := &v.Columns[i]
		if i > 0 {
			b = append(b, ',')
		}
		if c.Int != nil && c.Raw == nil && (c.Has == nil || c.Has(row)) {
			b = strconv.AppendUint(b, c.Int(row), 10)
			continue
		}
		text := c.raw(row)
		if len(v.Columns) == 1 && text == "" || len(text) > 0 && text[0] == ' ' {
			return b, false
		}
		for j := 0; j < len(text); j++ {
			if ch := text[j]; ch < ' ' || ch > '~' || ch == ',' || ch == '"' || ch == '\\' {
				return b, false
			}
		}
		b = append(b, text...)
	}
	return append(b, '\n'), true
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
