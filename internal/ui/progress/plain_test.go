// SPDX-License-Identifier: GPL-2.0-only

package progress

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// What the rescue build draws says how much is done of how much, and goes without a trace.
func TestPlain(t *testing.T) {
	var w syncBuffer
	p := startPlain(&w, Bytes("journal"), 0, 0)
	p.SetMax(40)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { p.Add(1) })
	}
	wg.Wait()
	p.draw()
	p.Done()
	p.Done()
	drawn := w.String()
	const last = "journal 10 of 40, 25%"
	if !strings.HasSuffix(drawn, last+"\r"+strings.Repeat(" ", len(last))+"\r") {
		t.Errorf("drew %q", drawn)
	}
	p.draw()
	time.Sleep(2 * repaint)
	if w.String() != drawn {
		t.Errorf("after Done drew %q", w.String())
	}
}

// Short work draws nothing, and where nobody knows the end there is no percentage.
func TestPlainShort(t *testing.T) {
	var w syncBuffer
	p := startPlain(&w, "buckets", 0, time.Hour)
	p.Add(3)
	p.Done()
	if w.String() != "" {
		t.Errorf("drew %q", w.String())
	}
	p = startPlain(&w, "buckets", 0, time.Hour)
	p.Add(3)
	p.draw()
	if w.String() != "buckets 3" {
		t.Errorf("drew %q", w.String())
	}
	p.Done()
}
