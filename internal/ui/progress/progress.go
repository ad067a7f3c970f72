// SPDX-License-Identifier: GPL-2.0-only

// Package progress counts work: on a terminal with a bar, elsewhere in silence. Whoever works takes a Starter and
// knows no more; cmd/bctl decides which one. The package owns pb.
package progress

import (
	"io"
	"strings"
	"sync"
	"time"

	"github.com/cheggaaa/pb/v3"
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

// On returns a Starter that draws on w, which is a terminal: pb would fill a file with bars.
func On(w io.Writer) Starter {
	return func(what string, limit int64) Counter { return start(w, what, limit, patience) }
}

const (
	barTemplate   = `{{string . "what"}} {{counters .}} {{bar .}} {{percent .}} {{rtime . "ETA %s"}}`
	bytesTemplate = `{{string . "what"}} {{counters .}} {{bar .}} {{percent .}} {{speed . "%s/s"}} {{rtime . "ETA %s"}}`
	countTemplate = `{{string . "what"}} {{counters .}} {{cycle . "|" "/" "-" "\\"}}`
)

// A bar is one pb bar that comes after a while and goes without a trace.
type bar struct {
	pb    *pb.ProgressBar
	bytes bool
	timer *time.Timer

	mu   sync.Mutex // pb's Start and Finish, and its template, against each other
	over bool
}

func start(w io.Writer, what string, limit int64, wait time.Duration) *bar {
	name, bytes := unit(what)
	b := &bar{pb: pb.New64(limit), bytes: bytes}
	b.pb.Set("what", name)
	b.pb.Set(pb.Bytes, bytes)
	b.pb.Set(pb.CleanOnFinish, true)
	b.pb.Set(pb.Terminal, true)
	b.pb.Set(pb.ReturnSymbol, "\r")
	b.pb.SetTemplateString(template(limit, bytes))
	b.pb.SetWriter(w)
	b.timer = time.AfterFunc(wait, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if !b.over {
			b.pb.Start()
		}
	})
	return b
}

// template has no percentage while the end is not known.
func template(limit int64, bytes bool) string {
	switch {
	case limit > 0 && bytes:
		return bytesTemplate
	case limit > 0:
		return barTemplate
	}
	return countTemplate
}

func (b *bar) Add(n int64) { b.pb.Add64(n) }

func (b *bar) SetMax(n int64) {
	b.pb.SetTotal(n)
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.pb.IsStarted() { // pb draws without asking for its lock
		b.pb.SetTemplateString(template(n, b.bytes))
	}
}

func (b *bar) Done() {
	b.timer.Stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	if b.pb.IsStarted() {
		b.pb.Finish()
	}
}
