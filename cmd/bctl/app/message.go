// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// A hintError is an error to which there is a way out. Packages below may have their own: whatever has a method Hint
// is asked.
type hintError struct {
	error
	hint string
}

func (e hintError) Unwrap() error { return e.error }

func (e hintError) Hint() string { return e.hint }

// WithHint adds the way out to an error. It is printed on a line of its own. Of several hints the outermost counts.
func WithHint(err error, format string, a ...any) error {
	hint := fmt.Sprintf(format, a...)
	if err == nil || hint == "" {
		return err
	}
	return hintError{err, hint}
}

// hintOf is the way out, or "".
func hintOf(err error) string {
	var h interface {
		error
		Hint() string
	}
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// A jsonError is one that is to be told as JSON.
type jsonError struct{ error }

func (e jsonError) Unwrap() error { return e.error }

// sameForm gives next the form of err.
func sameForm(err, next error) error {
	if errors.As(err, new(jsonError)) {
		return jsonError{next}
	}
	return next
}

// say writes a message: "NAME: WHAT", and "hint: WAY OUT" if there is one; or one object in one line.
func say(w io.Writer, name string, code int, err error) {
	what, hint := err.Error(), hintOf(err)
	if code == ExitInterrupted {
		what = "interrupted"
	}
	if errors.As(err, new(jsonError)) {
		b, _ := json.Marshal(map[string]errorView{"error": {codeNames[code], what, hint, code}}) // it holds what JSON can
		fmt.Fprintf(w, "%s\n", b)
		return
	}
	fmt.Fprintf(w, "%s: %s\n", name, OneLine(what))
	if hint != "" {
		fmt.Fprintf(w, "hint: %s\n", OneLine(hint))
	}
}

// An errorView is an error as JSON has it.
type errorView struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Exit    int    `json:"exit"`
}

// codeNames are the exit codes for scripts that read JSON.
var codeNames = map[int]string{
	ExitRepaired: "repaired", ExitDamage: "damaged", ExitCannot: "failed", ExitUsage: "usage", ExitInterrupted: "interrupted",
}

// OneLine makes a message safe for a terminal and a log: a path or a label may hold anything.
func OneLine(s string) string {
	s = strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, s)
}
