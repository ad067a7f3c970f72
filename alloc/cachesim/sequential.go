// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import "math"

// What check_should_bypass() knows of the past.
const (
	recentIOs  = 128  // RECENT_IO: streams that are remembered of each volume
	recentTime = 5e9  // ns: how long
	taskWeight = 8    // of the average of a task's streams
	none       = 0xff // no entry
)

// A recentIO is struct io: a stream, by where it stopped.
type recentIO struct {
	last       uint64 // sector behind its last request
	expires    int64  // ns
	sequential uint32 // bytes
	chain      uint8  // the next of the same hash
	newer      uint8  // the next in order of use
	older      uint8
}

// streams is io_hash and io_lru of a cached_dev: its last 128 streams. It grows as they come.
type streams struct {
	io             []recentIO
	heads          [recentIOs]uint8 // entry + 1 of each hash, 0 for none
	oldest, newest uint8
}

func streamHash(sector uint64) uint64 { return sector * 0x9e3779b97f4a7c15 >> 57 }

// find is the stream that stopped at sector, the one used last if there are several.
func (s *streams) find(sector uint64, now int64) uint8 {
	i := s.heads[streamHash(sector)] - 1
	for ; i != none; i = s.io[i].chain {
		if e := &s.io[i]; e.last == sector && now < e.expires {
			return i
		}
	}
	return none
}

// take is the entry for a new stream: the one not used for longest.
func (s *streams) take() uint8 {
	if n := len(s.io); n < recentIOs {
		s.io = append(s.io, recentIO{chain: none, newer: none, older: s.newest})
		if n == 0 {
			s.oldest, s.io[0].older = 0, none
		} else {
			s.io[s.newest].newer = uint8(n)
		}
		s.newest = uint8(n)
		return uint8(n)
	}
	i := s.oldest
	s.unchain(i)
	s.io[i].sequential = 0
	return i
}

// unchain takes an entry from the others of its hash.
func (s *streams) unchain(i uint8) {
	h := streamHash(s.io[i].last)
	if s.heads[h]-1 == i {
		s.heads[h] = s.io[i].chain + 1
		return
	}
	for at := s.heads[h] - 1; ; at = s.io[at].chain {
		if s.io[at].chain == i {
			s.io[at].chain = s.io[i].chain
			return
		}
	}
}

// moved puts an entry, which is on no chain, where a stream now ends, and makes it the newest.
func (s *streams) moved(i uint8, end uint64, now int64) {
	e := &s.io[i]
	e.last, e.expires = end, now+recentTime
	h := streamHash(end)
	e.chain = s.heads[h] - 1
	s.heads[h] = i + 1
	if s.newest == i {
		return
	}
	if e.older != none {
		s.io[e.older].newer = e.newer
	} else {
		s.oldest = e.newer
	}
	s.io[e.newer].older = e.older
	s.io[s.newest].newer = i
	e.older, e.newer = s.newest, none
	s.newest = i
}

// A taskIO is what a task_struct knows of its I/O, in bytes and 32 bits, which wrap as there.
type taskIO struct{ sequential, average uint32 }

// next counts a request of task t, nil where nobody knows tasks. It returns the bytes that are compared with the
// cutoff: the stream's, or the task's average if that is more.
func (s *streams) next(t *taskIO, sector, n uint64, now int64) uint32 {
	i := s.find(sector, now)
	if i != none {
		s.unchain(i)
	} else {
		i = s.take()
		if t != nil {
			t.average = (t.average*(taskWeight-1) + t.sequential) / taskWeight
		}
	}
	e := &s.io[i]
	if sum := uint64(e.sequential) + n*sectorBytes; sum <= math.MaxUint32 {
		e.sequential = uint32(sum)
	}
	s.moved(i, sector+n, now)
	if t == nil {
		return e.sequential
	}
	t.sequential = e.sequential
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
