// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import "math"

// What check_should_bypass() knows of the past.
const (
	recentIOs  = 128 // RECENT_IO: streams that are remembered of each volume
	recentTime = 5e9 // ns: how long
	taskWeight = 8   // of the average of a task's streams
	none       = -1  // no entry
)

// A recentIO is struct io: a stream, by where it stopped.
type recentIO struct {
	last       uint64 // sector behind its last request
	expires    int64  // ns
	sequential uint32 // bytes
	before     uint16 // the one before it of the same hash, plus 1; 0 for none
	live       bool   // nothing has gone on from it, nor has it been given up
}

// streams is io_hash and io_lru of a cached_dev: its last 128 streams. Entries are only ever added, in order of use; a
// stream that goes on gets a new one. Those that are no more are thrown out together.
type streams struct {
	io    []recentIO  // n of them are used
	heads [512]uint16 // the newest of each hash, plus 1
	n     int
	tail  int // nothing before it is live
	live  int

	continued uint64 // requests that went on where one had stopped
}

const (
	firstEntries = 16 // of a volume; most of many volumes have few streams
	mostEntries  = 512
)

func streamHash(sector uint64) uint64 { return sector * 0x9e3779b97f4a7c15 >> 55 }

// find is the stream that stopped at sector, the one used last if there are several, or none.
func (s *streams) find(sector uint64, now int64) int {
	for i := int(s.heads[streamHash(sector)]) - 1; i >= s.tail; i = int(s.io[i].before) - 1 {
		if e := &s.io[i]; e.last == sector && e.live && now < e.expires {
			return i
		}
	}
	return none
}

// add makes an entry the newest. Its fields are stored one by one: a copy of it would wait for them.
func (s *streams) add(last uint64, expires int64, sequential uint32) {
	if s.n == len(s.io) {
		s.room()
	}
	e, head := &s.io[s.n], &s.heads[streamHash(last)]
	e.last, e.expires, e.sequential, e.before, e.live = last, expires, sequential, *head, true
	s.n++
	*head = uint16(s.n)
	if s.live++; s.live > recentIOs {
		s.dropOldest()
	}
}

// dropOldest gives up the one not used for longest.
func (s *streams) dropOldest() {
	for !s.io[s.tail].live {
		s.tail++
	}
	s.io[s.tail].live = false
	s.tail++
	s.live--
}

// room makes room for an entry.
func (s *streams) room() {
	if s.n < mostEntries {
		s.io = append(s.io, make([]recentIO, max(s.n, firstEntries))...)
		return
	}
	kept := s.io[:0]
	s.heads = [512]uint16{}
	for _, e := range s.io[s.tail:] {
		if e.live {
			h := streamHash(e.last)
			e.before = s.heads[h]
			kept = append(kept, e)
			s.heads[h] = uint16(len(kept))
		}
	}
	s.n, s.tail = len(kept), 0
}

// A taskIO is what a task_struct knows of its I/O, in bytes and 32 bits, which wrap as there.
type taskIO struct{ sequential, average uint32 }

// next counts a request of task t, nil where nobody knows tasks. It returns the bytes that are compared with the
// cutoff: the stream's, or the task's average if that is more.
func (s *streams) next(t *taskIO, sector, n uint64, now int64) uint32 {
	sequential := uint32(0)
	if i := s.find(sector, now); i != none {
		old := &s.io[i]
		sequential = old.sequential
		old.live = false
		s.live--
		s.continued++
		if i == s.n-1 { // the newest goes on: it is the first of its hash
			s.heads[streamHash(old.last)] = old.before
			s.n = i
		}
	} else if t != nil {
		t.average = (t.average*(taskWeight-1) + t.sequential) / taskWeight
	}
	if sum := uint64(sequential) + n*sectorBytes; sum <= math.MaxUint32 {
		sequential = uint32(sum)
	}
	s.add(sector+n, now+recentTime, sequential)
	if t == nil {
		return sequential
	}
	t.sequential = sequential
	return max(t.sequential, t.average)
}

// tasks are those that have asked, by number.
type tasks struct {
	all    map[uint32]*taskIO
	last   *taskIO
	lastID uint32
}

func (t *tasks) get(id uint32) *taskIO {
	if t.last != nil && t.lastID == id {
		return t.last
	}
	io := t.all[id]
	if io == nil {
		if t.all == nil {
			t.all = map[uint32]*taskIO{}
		}
		io = new(taskIO)
		t.all[id] = io
	}
	t.last, t.lastID = io, id
	return io
}
