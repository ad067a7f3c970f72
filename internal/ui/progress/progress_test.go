// SPDX-License-Identifier: GPL-2.0-only

package progress

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cheggaaa/pb/v3"
)

// A template that does not parse is silently replaced by pb's own.
func TestTemplates(t *testing.T) {
	for _, test := range []struct {
		limit int64
		bytes bool
		want  []string
	}{
		{200, false, []string{"btree nodes 50 / 200", "25.00%"}},
		{0, false, []string{"btree nodes 50 "}},
		{200, true, []string{"btree nodes 50 B / 200 B", "25.00%", "/s"}},
	} {
		b := pb.New64(test.limit).SetTemplateString(template(test.limit, test.bytes)).Set(pb.Bytes, test.bytes).Set("what", "btree nodes").SetCurrent(50).SetWidth(80)
		for _, want := range test.want {
			if got := b.String(); !strings.Contains(got, want) {
				t.Errorf("bar %q: no %q in it", got, want)
			}
		}
	}
}

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
	time.Sleep(300 * time.Millisecond)
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
