// SPDX-License-Identifier: GPL-2.0-only

package progress

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// A Watch knows the work that is being counted, for whoever asks in the middle of it. The zero value is ready.
type Watch struct {
	mu      sync.Mutex
	running []*watched
	screens int // how many draw on the whole terminal
}

// Screen says that somebody draws on the whole terminal, until what it returns is called. A nil watch changes nothing.
func (w *Watch) Screen() (done func()) {
	if w == nil {
		return func() {}
	}
	count := func(n int) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.screens += n
	}
	count(1)
	return func() { count(-1) }
}

// Drawn says whether somebody draws on the whole terminal.
func (w *Watch) Drawn() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.screens > 0
}

// Over is a Starter that counts as next does, and lets the watch know. A nil watch changes nothing.
func (w *Watch) Over(next Starter) Starter {
	if w == nil {
		return next
	}
	return func(what string, limit int64) Counter {
		c := &watched{Counter: next(what, limit), watch: w, what: what, limit: limit, began: time.Now()}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.running = append(w.running, c)
		return c
	}
}

// Report writes a line for each piece of work that is not done, after prefix. It says so if there is none.
func (w *Watch) Report(to io.Writer, prefix string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.running {
		name, bytes := unit(c.what)
		rate := ""
		if took := time.Since(c.began); bytes && took > 0 {
			rate = c.rate(took)
		}
		fmt.Fprintf(to, "%s%s: %s, %.1f s%s\n", prefix, name, c.count(), time.Since(c.began).Seconds(), rate)
	}
	if len(w.running) == 0 {
		fmt.Fprintf(to, "%snothing is being counted now\n", prefix)
	}
}

// A watched is a Counter that its watch reads.
type watched struct {
	Counter
	watch *Watch
	what  string
	began time.Time

	mu          sync.Mutex
	done, limit int64
}

func (c *watched) Add(n int64) {
	c.mu.Lock()
	c.done += n
	c.mu.Unlock()
	c.Counter.Add(n)
}

func (c *watched) SetMax(n int64) {
	c.mu.Lock()
	c.limit = n
	c.mu.Unlock()
	c.Counter.SetMax(n)
}

func (c *watched) Done() {
	c.watch.mu.Lock()
	c.watch.running = slices.DeleteFunc(c.watch.running, func(r *watched) bool { return r == c })
	c.watch.mu.Unlock()
	c.Counter.Done()
}

func (c *watched) count() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limit <= 0 {
		return fmt.Sprint(c.done)
	}
	return fmt.Sprintf("%d of %d (%d %%)", c.done, c.limit, int64(100*float64(c.done)/float64(c.limit)))
}

// rate is how fast it goes, and how long the rest will take.
func (c *watched) rate(took time.Duration) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	perSecond := float64(c.done) / took.Seconds()
	text := fmt.Sprintf(", %.1f MiB/s", perSecond/(1<<20))
	if left := c.limit - c.done; left > 0 && c.done > 0 {
		text += fmt.Sprintf(", ETA %v", time.Duration(float64(left)/perSecond*float64(time.Second)).Round(time.Second))
	}
	return text
}
