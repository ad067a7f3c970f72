// SPDX-License-Identifier: GPL-2.0-only

package render

import (
	"bytes"
	"encoding/csv"
	"math/rand/v2"
	"strconv"
	"testing"
)

// What goes around csv.Writer has the same bytes.
func TestCSVPlainLines(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	texts := []string{"", " ", "a", "a b", " a", "a ", "a,b", `"`, `a"b`, `\.`, `\`, "a\nb", "é", "\x7f", "\x00", "clean", "#", "'"}
	for columns := 1; columns <= 3; columns++ {
		var rows [][]string
		for range 300 {
			row := make([]string, columns+1)
			for i := range row {
				row[i] = texts[rnd.IntN(len(texts))]
			}
			rows = append(rows, row)
		}
		v := View[[]string]{Rows: func(yield func([]string, error) bool) {
			for _, r := range rows {
				if !yield(r, nil) {
					return
				}
			}
		}}
		var want bytes.Buffer
		slow := csv.NewWriter(&want)
		var names []string
		for i := range columns {
			v.Columns = append(v.Columns, Column[[]string]{Name: strconv.Itoa(i), Cell: func(r []string) string { return r[i] }})
			names = append(names, strconv.Itoa(i))
		}
		if columns > 1 {
			v.Columns[1] = Column[[]string]{Name: "1", Int: func(r []string) uint64 { return uint64(len(r[1])) }}
		}
		_ = slow.Write(names)
		for _, r := range rows {
			line := []string{}
			for i := range columns {
				if columns > 1 && i == 1 {
					line = append(line, strconv.Itoa(len(r[1])))
				} else {
					line = append(line, printable(r[i]))
				}
			}
			_ = slow.Write(line)
		}
		slow.Flush()
		var got bytes.Buffer
		if err := Write(&got, CSV, v); err != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("%d columns, %v:\n%s\nwant\n%s", columns, err, got.String(), want.String())
		}
	}
}
