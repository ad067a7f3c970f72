// SPDX-License-Identifier: GPL-2.0-only

//go:build !rescue

package progress

import (
	"io"
	"sync"
	"time"

	"github.com/cheggaaa/pb/v3"
)

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
