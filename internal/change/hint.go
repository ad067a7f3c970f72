// SPDX-License-Identifier: GPL-2.0-only

package change

import "fmt"

// hinted is an error to which there is a way out, which commands print on a line of its own.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }

// Hint is the way out.
func (e hinted) Hint() string { return e.hint }

// withHint adds the way out to an error.
func withHint(err error, format string, a ...any) error {
	return hinted{err, fmt.Sprintf(format, a...)}
}
