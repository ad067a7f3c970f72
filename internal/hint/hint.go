// SPDX-License-Identifier: GPL-2.0-only

// Package hint gives errors a way out. The error says what is wrong, the hint what to do: commands print it on a line
// of its own, and scripts get it apart.
package hint

import (
	"errors"
	"fmt"
)

// A hinted is an error with a way out.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// Add adds the way out to an error; it stays as it is if it is nil or there is none. Of several the outermost counts.
func Add(err error, format string, a ...any) error {
	text := fmt.Sprintf(format, a...)
	if err == nil || text == "" {
		return err
	}
	return hinted{err, text}
}

// Of is the way out of an error, or "".
func Of(err error) string {
	var h hinted
	if errors.As(err, &h) {
		return h.hint
	}
	return ""
}
