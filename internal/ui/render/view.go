// SPDX-License-Identifier: GPL-2.0-only

package render

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Column is one field of a row as text. JSON goes by the row's own tags instead.
type Column[T any] struct {
	Name string
	Num  bool           // right-aligned
	Cell func(T) string // nil only where Raw is set, a column of CSV alone, or Int
	Raw  func(T) string // what CSV gets, where it is not Cell
	Int  func(T) uint64 // instead of both: a plain number
	Has  func(T) bool   // whether it is known, nil: always; people read "unknown" where it is not, CSV gets nothing
}

// A Field is one fact that is not in the rows.
type Field struct {
	Key   string // its JSON key; none: for people only
	Value any    // what JSON gets
	Name  string // what a table calls it; none: for scripts only
	Text  string // what a table says; none: Value
}

// A View is what a command has to show. It knows no formats.
type View[T any] struct {
	Head    []Field
	Key     string              // the rows' JSON key
	Rows    iter.Seq2[T, error] // nil: there are only fields
	Columns []Column[T]
	Unknown bool           // nobody knows the rows, for what held them cannot be read: null in JSON, left out of a table
	Tail    func() []Field // asked after the last row; may be nil

	Limit int       // rows that a table shows; 0: DefaultLimit, below 0: all
	Notes io.Writer // where a table says how many rows it left out; nil: nowhere

	appendJSON func(b []byte, row T) []byte // of rows that are JSONAppenders
}

// DefaultLimit is for people: nobody reads more rows. Whoever does wants CSV or JSON.
const DefaultLimit = 1000

// Write shows v on w. It stops at the first row error or write error and returns it; JSON is then cut short, so
// that no script takes a part for the whole.
func Write[T any](w io.Writer, f Format, v View[T]) error { return write(w, f, byReference(v)) }

// byReference is the view of references to its rows. All of them are one type to the compiler, which would otherwise
// make the whole package anew for each type of rows.
func byReference[T any](v View[T]) View[*T] {
	r := View[*T]{Head: v.Head, Key: v.Key, Unknown: v.Unknown, Tail: v.Tail, Limit: v.Limit, Notes: v.Notes}
	if v.Rows != nil {
		r.Rows = Refs(v.Rows)
	}
	for _, c := range v.Columns {
		r.Columns = append(r.Columns, Column[*T]{c.Name, c.Num, referred(c.Cell), referred(c.Raw), referred(c.Int), referred(c.Has)})
	}
	return r
}

// Refs yields one row anew and anew: columns ask for it a dozen times, and would copy it as often.
func Refs[T any](rows iter.Seq2[T, error]) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		var at T
		for row, err := range rows {
			if at = row; !yield(&at, err) {
				return
			}
		}
	}
}

// WriteRefs is Write of rows that are references already.
func WriteRefs[T any](w io.Writer, f Format, v View[*T]) error {
	if _, ok := any((*T)(nil)).(JSONAppender); ok {
		v.appendJSON = func(b []byte, row *T) []byte { return any(row).(JSONAppender).AppendJSON(b) }
	}
	return write(w, f, v)
}

func referred[T, V any](f func(T) V) func(*T) V {
	if f == nil {
		return nil
	}
	return func(row *T) V { return f(*row) }
}

func write[T any](w io.Writer, f Format, v View[T]) error {
	b := bufio.NewWriterSize(w, 64<<10)
	var err error
	left := 0
	switch f {
	case Table:
		left, err = v.table(b)
	case JSON:
		err = v.json(b)
	case CSV:
		err = v.csv(b)
	default:
		err = fmt.Errorf("unknown format %q", f)
	}
	if ferr := b.Flush(); err == nil {
		err = ferr
	}
	if err == nil && left > 0 && v.Notes != nil {
		fmt.Fprintf(v.Notes, "%d more rows: --limit shows more of them, --format csv or json all\n", left)
	}
	return err
}

// WriteFields shows fields alone.
func WriteFields(w io.Writer, f Format, fields []Field) error {
	return Write(w, f, View[struct{}]{Head: fields})
}

// tail is Tail, if there is one.
func (v View[T]) tail() []Field {
	if v.Tail == nil {
		return nil
	}
	return v.Tail()
}

// raw is the cell as scripts want it.
func (c Column[T]) raw(row T) string {
	switch {
	case c.Has != nil && !c.Has(row):
		return ""
	case c.Raw != nil:
		return printable(c.Raw(row))
	}
	return c.text(row)
}

// text is the cell as people read it.
func (c Column[T]) text(row T) string {
	switch {
	case c.Has != nil && !c.Has(row):
		return "unknown"
	case c.Int != nil:
		return strconv.FormatUint(c.Int(row), 10)
	}
	return printable(c.Cell(row))
}

// text is the field as people read it.
func (f Field) text() string {
	if f.Text != "" {
		return printable(f.Text)
	}
	return printable(fmt.Sprint(f.Value))
}

// printable escapes whatever is not: labels and paths are bytes that anyone may have written.
func printable(s string) string {
	clean := true
	for i := 0; i < len(s) && clean; i++ {
		clean = s[i] >= ' ' && s[i] <= '~'
	}
	if clean { // as nearly all is
		return s
	}
	clean = true
	for _, r := range s {
		clean = clean && unicode.IsPrint(r) && r != utf8.RuneError
	}
	if clean {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
		s = s[n:]
	}
	return b.String()
}
