// SPDX-License-Identifier: GPL-2.0-only

package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// json writes the object. Whatever is in it, it begins with the version.
func (v View[T]) json(w io.Writer) error {
	o := &object{w: w}
	o.member("format_version", FormatVersion)
	o.fields(v.Head)
	if v.Rows != nil {
		if err := writeRows(o, v); err != nil {
			return err
		}
	}
	if o.err == nil {
		o.fields(v.tail())
	}
	o.print("\n}\n")
	return o.err
}

// writeRows writes the rows' member, a row a line.
func writeRows[T any](o *object, v View[T]) error {
	o.key(v.Key)
	if v.Unknown {
		o.print("null")
		return o.err
	}
	o.print("[")
	sep := "\n    "
	for row, err := range v.Rows {
		if err != nil {
			return err
		}
		o.print(sep)
		if v.appendJSON != nil {
			o.line = v.appendJSON(o.line[:0], row)
			_, o.err = o.w.Write(o.line)
		} else {
			o.value(row)
		}
		if o.err != nil {
			return o.err
		}
		sep = ",\n    "
	}
	if sep[0] == ',' {
		o.print("\n  ")
	}
	o.print("]")
	return o.err
}

// A JSONAppender is a row that writes its own JSON, on one line: for WriteRefs.
type JSONAppender interface{ AppendJSON(b []byte) []byte }

// An object is a JSON object being written. Its first error stays.
type object struct {
	w       io.Writer
	members int
	buf     bytes.Buffer
	line    []byte // of a JSONAppender
	err     error
}

func (o *object) print(s string) {
	if o.err == nil {
		_, o.err = io.WriteString(o.w, s)
	}
}

// key begins a member.
func (o *object) key(name string) {
	sep := ",\n  "
	if o.members == 0 {
		sep = "{\n  "
	}
	o.members++
	o.print(fmt.Sprintf("%s%q: ", sep, name))
}

// value writes any value on one line.
func (o *object) value(x any) {
	if o.err != nil {
		return
	}
	o.buf.Reset()
	enc := json.NewEncoder(&o.buf)
	enc.SetEscapeHTML(false)
	if o.err = enc.Encode(x); o.err == nil {
		_, o.err = o.w.Write(bytes.TrimSuffix(o.buf.Bytes(), []byte("\n")))
	}
}

func (o *object) member(name string, x any) {
	o.key(name)
	o.value(x)
}

func (o *object) fields(fields []Field) {
	for _, f := range fields {
		if f.Key != "" {
			o.member(f.Key, f.Value)
		}
	}
}
