// SPDX-License-Identifier: GPL-2.0-only

package progress

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"
)

// Short work draws nothing, and nothing is drawn after Done.
func TestShort(t *testing.T) {
	var w syncBuffer
	b := start(&w, "buckets", 10, 50*time.Millisecond)
	b.Add(10)
	b.Done()
	b.Done()
	time.Sleep(100 * time.Millisecond)
	if w.String() != "" {
		t.Errorf("drew %q", w.String())
	}
}

// Long work draws a bar and wipes it.
func TestLong(t *testing.T) {
	var w syncBuffer
	b := start(&w, "buckets", 0, 0)
	b.SetMax(10)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { b.Add(1) })
	}
	wg.Wait()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(w.String(), "buckets 10") && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	b.Done()
	b.Done()
	if got := w.String(); !strings.Contains(got, "buckets 10") || !strings.HasSuffix(strings.TrimRight(got, " "), "\r") {
		t.Errorf("drew %q", got)
	}
}

func TestSilent(t *testing.T) {
	c := Silent("buckets", 1)
	c.SetMax(2)
	c.Add(1)
	c.Done()
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
