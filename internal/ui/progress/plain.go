// SPDX-License-Identifier: GPL-2.0-only

package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// repaint is how often the plain line is drawn anew.
const repaint = 200 * time.Millisecond

// A plain counter is the bar of a console in an initramfs, where pb would be too heavy: one line, "btree nodes 12 of 40,
// 30%", that comes after a while and goes without a trace.
type plain struct {
	w         io.Writer
	name      string
	done, max atomic.Int64

	mu    sync.Mutex // the timer, what stands on the line, and the writer
	timer *time.Timer
	wide  int
	over  bool
}

func startPlain(w io.Writer, what string, limit int64, wait time.Duration) *plain {
	p := &plain{w: w}
	p.name, _ = unit(what)
	p.max.Store(limit)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(wait, p.draw)
	return p
}

func (p *plain) Add(n int64)    { p.done.Add(n) }
func (p *plain) SetMax(n int64) { p.max.Store(n) }

// Done waits for a line that is just being drawn, so that nothing comes after it.
func (p *plain) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer.Stop()
	p.over = true
	p.show("")
}

func (p *plain) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	line := fmt.Sprintf("%s %d", p.name, p.done.Load())
	if limit := p.max.Load(); limit > 0 {
		line += fmt.Sprintf(" of %d, %d%%", limit, int64(100*float64(p.done.Load())/float64(limit)))
	}
	p.show(line)
	p.timer.Reset(repaint)
}

// show puts a line in the place of the last. What a terminal does not take is no matter.
func (p *plain) show(line string) {
	if p.wide > 0 {
		fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.wide))
	}
	fmt.Fprint(p.w, line)
	p.wide = len(line)
}
