// SPDX-License-Identifier: GPL-2.0-only

package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"testing"
)

type row struct {
	Bucket int    `json:"bucket"`
	Owner  string `json:"owner"`
}

var columns = []Column[row]{
	{Name: "bucket", Num: true, Cell: func(r row) string { return strconv.Itoa(r.Bucket) }},
	{Name: "prio_read", Num: true, Cell: func(r row) string { return "1.0k" }, Raw: func(r row) string { return "1024" }},
	{Name: "owner", Cell: func(r row) string { return r.Owner }},
}

// rows yields n rows, then err if there is one.
func rows(n int, err error) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		for i := range n {
			if !yield(row{i, fmt.Sprintf("owner %d <\x1b>", i)}, nil) {
				return
			}
		}
		if err != nil {
			yield(row{}, err)
		}
	}
}

func view(n int) View[row] {
	return View[row]{
		Head:    []Field{{Key: "device", Value: "a.img"}, {Name: "Label", Text: "some\nthing"}},
		Key:     "buckets",
		Rows:    rows(n, nil),
		Columns: columns,
		Tail:    func() []Field { return []Field{{Key: "total", Value: n, Name: "Buckets in all"}} },
	}
}

func TestWrite(t *testing.T) {
	for format, want := range map[Format]string{
		Table: `Label  some\nthing

bucket  prio_read  owner
     0       1.0k  owner 0 <\x1b>
     1       1.0k  owner 1 <\x1b>

Buckets in all  2
`,
		JSON: `{
  "format_version": 1,
  "device": "a.img",
  "buckets": [
    {"bucket":0,"owner":"owner 0 <\u001b>"},
    {"bucket":1,"owner":"owner 1 <\u001b>"}
  ],
  "total": 2
}
`,
		CSV: `bucket,prio_read,owner
0,1024,owner 0 <\x1b>
1,1024,owner 1 <\x1b>
`,
	} {
		var b bytes.Buffer
		if err := Write(&b, format, view(2)); err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		if b.String() != want {
			t.Errorf("%s:\n%s\nwant\n%s", format, b.String(), want)
		}
	}
}

func TestWriteFields(t *testing.T) {
	fields := []Field{
		{Key: "version", Value: 3, Name: "sb.version", Text: "3 [cache device]"},
		{Key: "label", Value: "a,b", Name: "dev.label"},
		{Key: "csum", Value: map[string]any{"ok": true}},
	}
	for format, want := range map[Format]string{
		Table: "sb.version  3 [cache device]\ndev.label   a,b\n",
		JSON:  "{\n  \"format_version\": 1,\n  \"version\": 3,\n  \"label\": \"a,b\",\n  \"csum\": {\"ok\":true}\n}\n",
		CSV:   "field,value\nversion,3\nlabel,\"a,b\"\ncsum,\"{\"\"ok\"\":true}\"\n",
	} {
		var b bytes.Buffer
		if err := WriteFields(&b, format, fields); err != nil || b.String() != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", format, err, b.String(), want)
		}
	}
}

// No rows are an empty list, not a missing one.
func TestNoRows(t *testing.T) {
	for format, want := range map[Format]string{
		Table: "bucket  prio_read  owner\n",
		JSON:  "{\n  \"format_version\": 1,\n  \"buckets\": []\n}\n",
		CSV:   "bucket,prio_read,owner\n",
	} {
		var b bytes.Buffer
		if err := Write(&b, format, View[row]{Key: "buckets", Columns: columns, Rows: rows(0, nil)}); err != nil || b.String() != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", format, err, b.String(), want)
		}
	}
}

func TestTableLimit(t *testing.T) {
	for _, test := range []struct{ limit, lines int }{{0, DefaultLimit}, {7, 7}, {2500, 2500}, {-1, 3000}, {5000, 3000}} {
		var b, notes bytes.Buffer
		v := View[row]{Key: "buckets", Columns: columns, Rows: rows(3000, nil), Limit: test.limit, Notes: &notes}
		if err := Write(&b, Table, v); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(b.String(), "\n") - 1; got != test.lines {
			t.Errorf("limit %d: %d rows, want %d", test.limit, got, test.lines)
		}
		if n := strings.Count(b.String(), "prio_read"); n != 1 {
			t.Errorf("limit %d: %d headers", test.limit, n)
		}
		if left := strconv.Itoa(3000 - test.lines); left != "0" && !strings.HasPrefix(notes.String(), left+" more rows") {
			t.Errorf("limit %d: said %q", test.limit, notes.String())
		}
	}
}

// A wide cell late in the list is shown in full.
func TestWideCell(t *testing.T) {
	wide := strings.Repeat("w", 300)
	cols := []Column[row]{{Name: "n", Cell: func(r row) string {
		if r.Bucket == 1500 {
			return wide
		}
		return "x"
	}}, {Name: "o", Cell: func(row) string { return "end" }}}
	var b bytes.Buffer
	if err := Write(&b, Table, View[row]{Columns: cols, Rows: rows(2000, nil), Limit: -1}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), wide+"  end\n") {
		t.Error("the wide cell was cut")
	}
}

// What was read before an error is shown, but a JSON object is not closed.
func TestRowError(t *testing.T) {
	broken := errors.New("bucket 3: input/output error")
	for _, format := range Formats {
		var b bytes.Buffer
		err := Write(&b, format, View[row]{Key: "buckets", Columns: columns, Rows: rows(3, broken)})
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", format, err)
		}
		if !strings.Contains(b.String(), "owner 2") {
			t.Errorf("%s: the rows before the error are lost:\n%s", format, b.String())
		}
		if format == JSON && json.Valid(b.Bytes()) {
			t.Error("a part of the rows looks like a whole object")
		}
	}
}

type full struct{ err error }

func (f full) Write([]byte) (int, error) { return 0, f.err }

func TestWriteError(t *testing.T) {
	for _, format := range Formats {
		if err := Write(full{io.ErrShortWrite}, format, view(2)); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("%s: %v", format, err)
		}
	}
	if err := Write(io.Discard, "xml", view(2)); err == nil {
		t.Error("xml is no format")
	}
}
