// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"sync/atomic"
	"time"
)

// pace says whether the marker waits for leaves. It takes one at a time, and what it keeps near moves from processor to
// processor with the workers that hand leaves to it: where reading and checking them is quick, as from the page cache, one
// worker is as fast as two and takes less of the processors. Where that is slow, because of the device or the processor,
// the marker is idle, and more workers read ahead.
type pace struct {
	took, left   time.Time // when the last leaf came, and went
	leaves, late int       // of the last few: how many came late
	idle         atomic.Bool
}

// A leaf is late if the marker waited for it as long as it takes for so many. The marker is idle when so many of a few
// leaves are late: not when one is, because something else had the processor.
const (
	lateTimes  = 2
	paceLeaves = 8
	paceLate   = 6
)

// begin starts the clock.
func (m *marker) begin() { m.pace.left = time.Now() }

// take is where a worker comes with a leaf, and leave where it goes: one at a time.
func (m *marker) take() {
	m.mu.Lock()
	m.pace.took = time.Now()
}

func (m *marker) leave() {
	p, now := &m.pace, time.Now()
	if p.took.Sub(p.left) > lateTimes*now.Sub(p.took) {
		p.late++
	}
	p.left = now
	if p.leaves++; p.leaves == paceLeaves {
		p.idle.Store(p.late >= paceLate)
		p.leaves, p.late = 0, 0
	}
	m.mu.Unlock()
}

// idle reports, once, whether another worker would be of use.
func (m *marker) idle() bool { return m.pace.idle.CompareAndSwap(true, false) }
