// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"bctl/internal/hint"
)

// WithHint adds the way out to an error. It is printed on a line of its own.
func WithHint(err error, format string, a ...any) error { return hint.Add(err, format, a...) }

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
	what, way := err.Error(), hint.Of(err)
	if code == ExitInterrupted {
		what = "interrupted"
	}
	if errors.As(err, new(jsonError)) {
		b, _ := json.Marshal(map[string]errorView{"error": {codeNames[code], what, way, code}}) // it holds what JSON can
		fmt.Fprintf(w, "%s\n", b)
		return
	}
	fmt.Fprintf(w, "%s: %s\n", name, OneLine(what))
	if way != "" {
		fmt.Fprintf(w, "hint: %s\n", OneLine(way))
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
