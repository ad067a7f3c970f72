// SPDX-License-Identifier: GPL-2.0-only

package show

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"bctl/cmd/bctl/app"
	"bctl/internal/ui/render"
)

// A superRow is the superblock of one device of several.
type superRow []render.Field

// MarshalJSON is the object that show-super writes for one device.
func (r superRow) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	sep := "{"
	for _, f := range r {
		v, err := json.Marshal(f.Value)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%s%q:%s", sep, f.Key, v)
		sep = ","
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// showSupers shows the superblocks of several devices, of those that have one. What is damaged is its
// error only where all could be read.
func showSupers(paths []string, io *app.IO) error {
	var rows []superRow
	var failed, damaged error
	for _, path := range paths {
		fields, damage, err := readSuper(path, io)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		damaged = errors.Join(damaged, damage)
		rows = append(rows, fields)
	}
	if err := writeSupers(rows, io); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	return damaged
}

func writeSupers(rows []superRow, io *app.IO) error {
	switch {
	case len(rows) == 0:
		return nil
	case io.Format == render.Table:
		for i, r := range rows {
			if i > 0 {
				fmt.Fprintln(io.Out)
			}
			if err := render.WriteFields(io.Out, io.Format, r); err != nil {
				return err
			}
		}
		return nil
	}
	view := render.View[*superRow]{Key: "devices", Rows: func(yield func(*superRow, error) bool) {
		for i := range rows {
			if !yield(&rows[i], nil) {
				return
			}
		}
	}}
	for i, f := range rows[0] {
		view.Columns = append(view.Columns, render.Column[*superRow]{Name: f.Key, Raw: func(r *superRow) string { return fieldText((*r)[i].Value) }})
	}
	return render.WriteRefs(io.Out, io.Format, view)
}

// fieldText is a value for CSV: nothing where there is none.
func fieldText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "" // cannot be: JSON got it too
	}
	return string(b)
}
