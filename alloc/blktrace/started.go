// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import "bytes"

// A start is a request as bcache_request_start tells of it, in the thread that asked. What is told of it later comes from
// whatever was interrupted, but is of the same sectors.
type start struct {
	sector uint64
	count  uint32
	op     Op
	volume uint32 // of a read, at whose end it is told, too; else 0
}

// A starter is who asked, and of which volume.
type starter struct{ task, volume uint32 }

// mostStarted is how many requests may be under way. What is told of none of them later, because its line was lost, goes
// when there are so many.
const mostStarted = 4096

// started reads the words of a bcache_request_start: ... COMM-PID [CPU] ... TIME: NAME: DEVICE RWBS SECTOR + COUNT (from ...).
func (r *Reader) started(f [][]byte, at int) error {
	if len(f) < at+6 || string(f[at+4]) != "+" {
		return nil // nothing that a request needs
	}
	task, known := threadOf(f[:at])
	op, _, data := blkRWBS(f[at+2])
	if !known || !data {
		return nil
	}
	sector, count, err := pair(f[at+3], f[at+5])
	if err != nil {
		return err
	}
	volume, err := r.vols.number(f[at+1])
	if err != nil {
		return err
	}
	if r.state.started == nil || len(r.state.started) >= mostStarted {
		r.state.started = map[start]starter{}
	}
	k := start{sector: sector, count: uint32(count), op: op}
	if op == Read {
		k.volume = volume
	}
	r.state.started[k] = starter{task, volume}
	return nil
}

// asker sets who asked for a request of which a tracepoint tells at last, and its volume, if it was told when it began.
func (r *Reader) asker(q *Request, sector, count uint64) (known bool) {
	k := start{sector, uint32(count), q.Op, q.Volume}
	by, known := r.state.started[k]
	if known {
		q.Task, q.Volume = by.task, by.volume
		delete(r.state.started, k)
	}
	return known
}

// threadOf is the thread in the words before a tracepoint's name: the word before [CPU], as PID, PID/TID or COMM-PID.
func threadOf(f [][]byte) (task uint32, ok bool) {
	for i := 1; i < len(f); i++ {
		if f[i][0] != '[' || f[i][len(f[i])-1] != ']' {
			continue
		}
		w := f[i-1]
		w = w[bytes.LastIndexByte(w, '-')+1:]
		w = w[bytes.LastIndexByte(w, '/')+1:]
		n, ok := number(w)
		if ok && n > 0 && n < 1<<31 {
			return uint32(n), true
		}
	}
	return 0, false
}
