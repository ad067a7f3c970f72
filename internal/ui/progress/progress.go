// SPDX-License-Identifier: GPL-2.0-only

// Package progress counts work: on a terminal with a bar, elsewhere in silence. Whoever works takes a Starter and
// knows no more; cmd/bctl decides which one. The package owns pb, which the
// rescue build goes without.
package progress

import (
	"io"
	"strings"
	"time"
)

// A Counter counts one piece of work. All methods may be called at the same time.
type Counter interface {
	Add(n int64)    // so much more is done
	SetMax(n int64) // so much there is; 0 while nobody knows
	Done()          // ends the bar: defer it, it may be called again
}

// A Starter begins to count a piece of work, named as its bar says it: "btree nodes".
type Starter func(what string, limit int64) Counter

// Silent is the Starter of everything that is not a terminal.
func Silent(string, int64) Counter { return silence{} }

type silence struct{}

func (silence) Add(int64)    {}
func (silence) SetMax(int64) {}
func (silence) Done()        {}

// Bytes is the name of work that is counted in bytes: its rate is of interest, and numbers are shown in larger units.
func Bytes(what string) string { return what + inBytes }

const inBytes = ", bytes"

// unit is what a name says of its work's unit.
func unit(what string) (name string, bytes bool) { return strings.CutSuffix(what, inBytes) }

// patience is how long work may take before it needs a bar.
const patience = time.Second

// On returns a Starter that draws on w, which is a terminal: a file would be filled with bars.
func On(w io.Writer) Starter {
	return func(what string, limit int64) Counter { return start(w, what, limit, patience) }
}
