// SPDX-License-Identifier: GPL-2.0-only

package full

import (
	"errors"
	"io"
	"testing"
)

var errBroken = errors.New("broken")

// answer is a reader that gives n bytes and err.
type answer struct {
	n   int
	err error
}

func (a answer) ReadAt([]byte, int64) (int, error) { return a.n, a.err }

func TestReadAt(t *testing.T) {
	for _, c := range []struct {
		r    answer
		want error
	}{
		{answer{4, nil}, nil},
		{answer{4, io.EOF}, nil}, // it ends with the last byte that was asked for
		{answer{3, io.EOF}, io.ErrUnexpectedEOF},
		{answer{3, nil}, io.ErrUnexpectedEOF},
		{answer{0, io.ErrUnexpectedEOF}, io.ErrUnexpectedEOF},
		{answer{3, errBroken}, errBroken},
		{answer{0, errBroken}, errBroken},
	} {
		if err := ReadAt(c.r, make([]byte, 4), 0); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%v: %v, want %v", c.r, err, c.want)
		}
	}
}
