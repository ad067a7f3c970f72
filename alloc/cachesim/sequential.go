// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"math"
	"math/bits"
)

// What check_should_bypass() knows of the past.
const (
	recentIOs  = 128 // RECENT_IO: streams that are remembered of each volume
	recentTime = 5e9 // ns: how long
	taskWeight = 8   // of the average of a task's streams
)

// A recentIO is struct io: a stream, by where it stopped.
type recentIO struct {
	last       uint64 // sector behind its last request; gone: something has gone on from it
	expires    int64  // ns
	sequential uint32 // bytes
	before     uint32 // the one before it of the same hash
}

const gone = math.MaxUint64

// streams is io_hash and io_lru of a cached_dev: its last 128 streams. Entries are only ever added, in order of use, to a
// ring; a stream that goes on gets a new one. They are numbered from 1, and those before the tail are no more.
type streams struct {
	io    []recentIO // a power of two
	heads []uint32   // the newest of each hash; before the tail or 0: there is none
	shift uint       // of hashes
	n     uint32     // the next one's number
	tail  uint32
	stop  uint32 // the number that there may be no room for
	live  int

	continued uint64 // requests that went on where one had stopped
}

const (
	firstEntries = 16 // of a volume; most of many volumes have few streams
	headsOfEntry = 4
	mostNumber   = 1 << 31
)

// head is the newest of a sector's hash.
func (s *streams) head(sector uint64) *uint32 {
	return &s.heads[sector*0x9e3779b97f4a7c15>>s.shift]
}

// at is an entry by its number.
func (s *streams) at(i uint32) *recentIO { return &s.io[i&uint32(len(s.io)-1)] }

// find is the stream that stopped at sector, the one used last if there are several, or 0.
func (s *streams) find(i uint32, sector uint64, now int64) uint32 {
	for i >= s.tail {
		e := s.at(i)
		if e.last == sector && now < e.expires {
			return i
		}
		i = e.before
	}
	return 0
}

// add makes an entry the newest.
func (s *streams) add(last uint64, expires int64, sequential uint32) {
	e, head := s.at(s.n), s.head(last)
	e.last, e.expires, e.sequential, e.before = last, expires, sequential, *head
	*head = s.n
	s.n++
	if s.live++; s.live > recentIOs {
		s.dropOldest()
	}
}

// dropOldest gives up the one not used for longest.
func (s *streams) dropOldest() {
	for s.at(s.tail).last == gone {
		s.tail++
	}
	s.tail++
	s.live--
}

// room makes room for entries.
func (s *streams) room() {
	size := uint32(len(s.io))
	if used := s.n - s.tail; used <= size/2 && size > 0 && s.n < mostNumber {
		s.stop = s.tail + size
		return
	}
	kept := make([]recentIO, 0, recentIOs)
	for i := s.tail; i != s.n; i++ {
		if e := s.at(i); e.last != gone {
			kept = append(kept, *e)
		}
	}
	if 2*len(kept) >= int(size) {
		size = max(2*size, firstEntries)
		s.io, s.heads = make([]recentIO, size), make([]uint32, headsOfEntry*size)
		s.shift = uint(64 - bits.Len(uint(len(s.heads)-1)))
	}
	clear(s.heads)
	s.n, s.tail, s.live, s.stop = 1, 1, 0, 1+size
	for _, e := range kept {
		s.add(e.last, e.expires, e.sequential)
	}
}

// A taskIO is what a task_struct knows of its I/O, in bytes and 32 bits, which wrap as there.
type taskIO struct{ sequential, average uint32 }

// next counts a request of task t, nil where nobody knows tasks. It returns the bytes that are compared with the
// cutoff: the stream's, or the task's average if that is more.
func (s *streams) next(t *taskIO, sector, n uint64, now int64) uint32 {
	if s.n == s.stop {
		s.room()
	}
	sequential := uint32(0)
	head := s.head(sector)
	if i := s.find(*head, sector, now); i != 0 {
		old := s.at(i)
		sequential = old.sequential
		old.last = gone
		s.live--
		s.continued++
		if i == s.n-1 { // the newest goes on: it is the first of its hash
			*head = old.before
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
