// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"testing"
	"time"
)

// The marker is idle when most leaves come late, and says so once; one that is late means nothing.
func TestPace(t *testing.T) {
	for late := range paceLeaves + 1 {
		m := &marker{}
		m.begin()
		for i := range paceLeaves {
			m.pace.left = time.Now().Add(time.Hour) // before it goes
			if i < late {
				m.pace.left = time.Now().Add(-time.Hour)
			}
			m.take()
			m.leave()
		}
		if got, want := m.idle(), late >= paceLate; got != want {
			t.Errorf("%d of %d late: idle %v, want %v", late, paceLeaves, got, want)
		}
		if m.idle() {
			t.Errorf("%d of %d late: idle twice", late, paceLeaves)
		}
	}
}
