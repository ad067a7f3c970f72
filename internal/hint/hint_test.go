// SPDX-License-Identifier: GPL-2.0-only

package hint

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestHint(t *testing.T) {
	inner := fmt.Errorf("a: %w", Add(io.EOF, "do %d", 1))
	for _, test := range []struct {
		err       error
		text, way string
	}{
		{io.EOF, "EOF", ""},
		{Add(io.EOF, ""), "EOF", ""},
		{inner, "a: EOF", "do 1"},
		{Add(inner, "no, this"), "a: EOF", "no, this"},
		{errors.Join(errors.New("b"), inner), "b\na: EOF", "do 1"},
	} {
		if test.err.Error() != test.text || Of(test.err) != test.way {
			t.Errorf("%v: %q, want %q, %q", test.err, Of(test.err), test.text, test.way)
		}
	}
	if !errors.Is(inner, io.EOF) || Add(nil, "x") != nil || Of(nil) != "" {
		t.Error("a hint hides its error, or makes one")
	}
}
