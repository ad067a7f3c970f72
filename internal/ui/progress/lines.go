// SPDX-License-Identifier: GPL-2.0-only

package progress

import (
	"fmt"
	"io"
	"sync"
)

// Lines writes progress as fsck's front ends read it (e2fsck -C fd): a line "pass done of device" for each percent.
func Lines(w io.Writer, device string) Starter {
	pass := 0
	return func(_ string, limit int64) Counter {
		pass++
		l := &lines{w: w, device: device, pass: pass, max: limit, percent: -1}
		l.Add(0)
		return l
	}
}

type lines struct {
	w      io.Writer
	device string
	pass   int

	mu        sync.Mutex
	done, max int64
	percent   int64
}

func (l *lines) Add(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done += n
	l.write()
}

func (l *lines) SetMax(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.max = n
	l.write()
}

func (l *lines) write() {
	if percent := 100 * l.done / max(1, l.max); percent != l.percent {
		l.percent = percent
		fmt.Fprintf(l.w, "%d %d %d %s\n", l.pass, l.done, l.max, l.device)
	}
}

func (l *lines) Done() {}
