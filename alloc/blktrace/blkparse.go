// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import (
	"bytes"
	"fmt"
)

// blkState is what is known of the output of blkparse that is being read.
type blkState struct {
	begun   bool // an event has been seen
	over    bool // the summary has begun
	last    uint64
	devices volumes
	levels  []byte // of each device: which moment of a request's life counts
}

// What a request goes through, of which one moment counts, or it would count thrice: it is queued, or where the trace
// does not tell that, issued, or completed. A trace that is begun in between tells later moments of requests whose
// earlier ones nobody saw: the level of a device only rises, so nothing counts twice.
var blkLevels = ['Z']byte{'C': 1, 'D': 2, 'Q': 3}

const (
	blkPeekLines = 1000 // looked at for the levels before the first line is read
	blkNextLines = 64   // the same where the next output begins
)

// blkPeek raises the levels by the lines that come.
func (r *Reader) blkPeek(ahead []byte, lines int) {
	var f [16][]byte
	for line := range bytes.Lines(ahead) {
		n := words(line, &f)
		if n > 0 && blkSummary(f[0]) || lines == 0 {
			return
		}
		if lines--; n >= 6 && isDevice(f[0]) {
			r.blkRaise(f[0], blkLevel(f[5]))
		}
	}
}

func blkLevel(action []byte) byte {
	if len(action) != 1 || action[0] >= 'Z' {
		return 0
	}
	return blkLevels[action[0]]
}

func blkSummary(word []byte) bool {
	return bytes.HasPrefix(word, []byte("CPU")) || string(word) == "Total"
}

// blkRaise raises a device's level, and returns it.
func (r *Reader) blkRaise(device []byte, level byte) byte {
	s := &r.state.blk
	d, err := s.devices.number(device)
	if err != nil {
		return level // too many to tell apart
	}
	if int(d) == len(s.levels) {
		s.levels = append(s.levels, 0)
	}
	s.levels[d] = max(s.levels[d], level)
	return s.levels[d]
}

// blkRestart begins the next output of blkparse.
func (r *Reader) blkRestart() {
	r.state.blk = blkState{begun: true}
	r.restart()
	r.blkPeek(r.buf[r.from:min(r.to, r.from+peekBytes)], blkNextLines)
}

// parseBlkparse reads a line of blkparse's default output. Behind the events stands a summary for each CPU and for
// all, which is skipped; behind that another output may follow.
func (r *Reader) parseBlkparse(line []byte) (q Request, ok bool, err error) {
	n := words(line, &r.state.fields)
	f := r.state.fields[:n]
	s := &r.state.blk
	switch {
	case n == 0:
		return q, false, nil
	case !isDevice(f[0]):
		return q, false, r.blkNoEvent(f)
	case s.over:
		r.blkRestart()
	}
	q, ok, err = r.blkEvent(f)
	if err == nil && !(ok && n > 10 && isDevice(f[10])) {
		s.begun = true
		return q, ok, nil
	}
	// What a writer that was stopped has left of its last line may have the next output's first line behind it.
	for i := 1; i+5 < n; i++ {
		if isDevice(f[i]) && bytes.IndexByte(f[i+3], '.') > 0 {
			r.skip(cutShort)
			r.blkRestart()
			return r.parseBlkparse(line[cap(line)-cap(f[i]):])
		}
	}
	return q, ok, err
}

// blkNoEvent judges a line that does not begin with a device.
func (r *Reader) blkNoEvent(f [][]byte) error {
	s := &r.state.blk
	switch {
	case blkSummary(f[0]):
		s.over = true
	case s.over || string(f[0]) == "Input" && len(f) > 1 && string(f[1]) == "file":
	case s.begun:
		r.skip(noEvents)
	default:
		return fmt.Errorf("%q: want a device MAJOR,MINOR", short(f[0]))
	}
	return nil
}

// blkEvent reads one event.
func (r *Reader) blkEvent(f [][]byte) (q Request, ok bool, err error) {
	if len(f) < 6 {
		return q, false, fmt.Errorf("%w: want DEVICE CPU SEQUENCE TIME PID ACTION", errColumns)
	}
	level := blkLevel(f[5])
	if level == 0 {
		return q, false, nil
	}
	us, err := seconds(f[3])
	if err != nil {
		return q, false, err
	}
	s := &r.state.blk
	if us+1e6 < s.last { // outputs without summaries, one behind the other
		r.blkRestart()
	}
	s.last = us
	if r.blkRaise(f[0], level) != level || len(f) < 7 {
		return q, false, nil
	}
	q.Op, q.Flags, ok = blkRWBS(f[6])
	place, err := r.blkPlace(f, &q, ok)
	if !place || err != nil {
		return q, false, err
	}
	q.Time = r.since(us)
	if pid, ok := number(f[4]); ok {
		q.Task = uint32(pid)
	}
	q.Volume, err = r.vols.number(f[0])
	return q, err == nil, err
}

// blkPlace fills in where a request goes, and says whether it is to be handed out. data: it reads, writes or trims.
func (r *Reader) blkPlace(f [][]byte, q *Request, data bool) (ok bool, err error) {
	switch {
	case len(f) > 7 && f[7][0] == '(' || len(f) > 8 && f[8][0] == '(':
		r.skip(passThrough)
		return false, nil
	case len(f) < 8 || f[7][0] == '[' || len(f) > 8 && f[8][0] == '[':
		return r.flush(q), nil
	case !data:
		r.skip(otherCommands)
		return false, nil
	case len(f) < 10 || string(f[8]) != "+":
		return false, fmt.Errorf("%s: want SECTOR + COUNT", f[6])
	}
	sector, count, err := pair(f[7], f[9])
	if err != nil {
		return false, err
	}
	if count == 0 && q.Flags&Preflush != 0 {
		return r.flush(q), nil
	}
	return true, q.sectorsAt(sector, count)
}

// flush makes q a flush, and says whether to hand it out.
func (r *Reader) flush(q *Request) bool {
	if q.Op = Flush; r.flushes {
		return true
	}
	r.skip(flushes)
	return false
}

// blkRWBS reads RWBS: F before the operation is a flush before it, behind it FUA. A D anywhere is a discard, whatever
// else it is; ZA appends to a zone; N is nothing of the kind.
func blkRWBS(rwbs []byte) (op Op, flags Flags, data bool) {
	for i, c := range rwbs {
		switch c {
		case 'D':
			op, data = Trim, true
		case 'W', 'Z':
			if op != Trim && (c == 'W' || i+1 < len(rwbs) && rwbs[i+1] == 'A') {
				op, data = Write, true
			}
		case 'R':
			data = true
		case 'F':
			if i == 0 {
				flags |= Preflush
			} else {
				flags |= FUA
			}
		case 'A':
			flags |= Readahead
		case 'S':
			flags |= Sync
		case 'M':
			flags |= Meta
		}
	}
	if op == Write {
		flags &^= Readahead // of ZA
	}
	return op, flags, data
}
