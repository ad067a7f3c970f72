// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"math/rand/v2"
	"testing"
)

// slowStreams is io_lru as a list, the one not used for longest first.
type slowStreams struct {
	last, bytes [recentIOs]uint64
	until       [recentIOs]int64
}

func (s *slowStreams) next(sector, n uint64, now int64) uint64 {
	at := -1
	for i := range s.last {
		if s.last[i] == sector && now < s.until[i] {
			at = i // the newest of several
		}
	}
	bytes := uint64(0)
	if at >= 0 {
		bytes = s.bytes[at]
	} else {
		at = 0
	}
	copy(s.last[at:], s.last[at+1:])
	copy(s.bytes[at:], s.bytes[at+1:])
	copy(s.until[at:], s.until[at+1:])
	s.last[recentIOs-1], s.bytes[recentIOs-1], s.until[recentIOs-1] = sector+n, bytes+n*sectorBytes, now+recentTime
	return s.bytes[recentIOs-1]
}

// Streams are followed as by a list that is searched from end to end.
func TestStreams(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var fast streams
	var slow slowStreams
	at := make([]uint64, 200)
	now := int64(0)
	for step := range 300_000 {
		i := r.IntN(1 + r.IntN(len(at)))
		if r.IntN(4) == 0 {
			at[i] = r.Uint64N(1 << 30)
		}
		n := 1 + r.Uint64N(64)
		now += r.Int64N(2e8)
		if got, want := uint64(fast.next(nil, at[i], n, now)), slow.next(at[i], n, now); got != want {
			t.Fatalf("request %d: %d bytes in a row, want %d", step, got, want)
		}
		at[i] += n
	}
}

// A task's average moves as ewma_add() moves it, and is what counts where it is more than the stream.
func TestTaskAverage(t *testing.T) {
	var s streams
	var task taskIO
	for i := range uint64(256) {
		s.next(&task, i*256, 256, 0)
	}
	if task.sequential != 32<<20 || task.average != 0 {
		t.Fatalf("%+v after a stream of 32 MiB", task)
	}
	if got := s.next(&task, 1<<30, 8, 0); got != 4<<20 || task.sequential != 4096 {
		t.Errorf("the request behind it counts as %d bytes, %+v", got, task)
	}
	if got := s.next(&task, 1<<31, 8, 0); got != (7*(4<<20)+4096)/8 {
		t.Errorf("the next as %d", got)
	}
}
