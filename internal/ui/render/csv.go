// SPDX-License-Identifier: GPL-2.0-only

package render

import (
	"encoding/csv"
	"encoding/json"
	"io"
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
	for row, err := range v.Rows {
		if err != nil {
			out.Flush()
			return err
		}
		line = line[:0]
		for _, c := range v.Columns {
			line = append(line, c.raw(row))
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
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
