// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import (
	"bytes"
	"fmt"
)

// A KernelCount is what a kernel's own tracepoints tell of what it did with the requests of a trace.
type KernelCount struct {
	Hits         uint64 `json:"cache_hits"`
	Misses       uint64 `json:"cache_misses"`
	BypassHits   uint64 `json:"cache_bypass_hits"`
	BypassMisses uint64 `json:"cache_bypass_misses"`
	Written      uint64 `json:"written_sectors"`     // bcache_cache_insert
	Allocated    uint64 `json:"buckets_allocated"`   // bcache_alloc
	Invalidated  uint64 `json:"invalidated_buckets"` // bcache_invalidate, of those that held something
	AllocFails   uint64 `json:"reserve_failures"`    // bcache_alloc_fail
	GCs          uint64 `json:"gc_runs"`             // bcache_gc_start
}

// Kernel is what the kernel did so far, of a trace of its tracepoints; nil of others.
func (r *Reader) Kernel() *KernelCount {
	if r.format != Tracepoints {
		return nil
	}
	k := r.state.kernel
	return &k
}

var tracepointPrefix = []byte("bcache_")

// tracepoint finds the name of bcache's tracepoint on a line of perf script, trace-cmd report or tracefs.
func tracepoint(f [][]byte) (name []byte, at int) {
	for i, w := range f {
		w = bytes.TrimPrefix(w, []byte("bcache:"))
		if i > 0 && bytes.HasPrefix(w, tracepointPrefix) && w[len(w)-1] == ':' && bytes.HasSuffix(f[i-1], []byte{':'}) {
			return w[len(tracepointPrefix) : len(w)-1], i
		}
	}
	return nil, 0
}

// parseTracepoint reads a line of bcache's tracepoints. bcache_read is a read, when the cache has been looked at;
// bcache_write is a write or a discard, and where it is of a read, what a miss adds. Who asked only bcache_request_start
// tells, for the first comes from whatever was interrupted: without it all is one task's, and volumes are numbered as
// devices and as inodes appear.
func (r *Reader) parseTracepoint(line []byte) (q Request, ok bool, err error) {
	n := words(line, &r.state.fields)
	f := r.state.fields[:n]
	name, at := tracepoint(f)
	k := &r.state.kernel
	switch string(name) {
	case "request_start":
		return q, false, r.started(f, at)
	case "read":
		if q, ok, err = r.tracepointRequest(f, at+1, at+2, &r.vols); ok {
			r.kernelRead(f[at+6:])
		}
		return q, ok, err
	case "write":
		return r.tracepointRequest(f, at+3, at+4, &r.state.inodes)
	case "cache_insert":
		if n > at+3 && string(f[at+2]) == "len" {
			if sectors, ok := number(f[at+3]); ok {
				k.Written += sectors
			}
		}
	case "alloc":
		k.Allocated++
	case "alloc_fail":
		k.AllocFails++
	case "invalidate":
		k.Invalidated++
	case "gc_start":
		k.GCs++
	case "":
		if n > 0 && f[0][0] != '#' {
			r.skip(noEvents)
		}
	}
	return q, false, nil
}

// tracepointRequest reads VOLUME ... RWBS SECTOR + COUNT.
func (r *Reader) tracepointRequest(f [][]byte, volume, at int, vols *volumes) (q Request, ok bool, err error) {
	if len(f) < at+8 || string(f[at+2]) != "+" {
		return q, false, fmt.Errorf("%w: want RWBS SECTOR + COUNT hit H bypass B", errColumns)
	}
	data := false
	if q.Op, q.Flags, data = blkRWBS(f[at]); !data || q.Op == Read && vols == &r.state.inodes {
		return q, false, nil
	}
	us, err := seconds(bytes.TrimSuffix(f[r.tracepointTime(f)], []byte{':'}))
	if err != nil {
		return q, false, err
	}
	sector, count, err := pair(f[at+1], f[at+3])
	if err != nil {
		return q, false, err
	}
	q.Time, q.Task = r.since(us), fioTask
	if q.Op == Read {
		if q.Volume, err = vols.number(f[volume]); err != nil {
			return q, false, err
		}
	}
	if !r.asker(&q, sector, count) && q.Op != Read {
		if q.Volume, err = vols.number(f[volume]); err != nil {
			return q, false, err
		}
	}
	return q, true, q.sectorsAt(sector, count)
}

// tracepointTime is the word before the tracepoint's name.
func (r *Reader) tracepointTime(f [][]byte) int {
	_, at := tracepoint(f)
	return at - 1
}

// kernelRead counts "hit H bypass B" of a read.
func (r *Reader) kernelRead(f [][]byte) {
	k := &r.state.kernel
	if len(f) < 4 || string(f[0]) != "hit" || string(f[2]) != "bypass" {
		return
	}
	switch hit, bypass := string(f[1]) == "1", string(f[3]) == "1"; {
	case hit && bypass:
		k.BypassHits++
	case bypass:
		k.BypassMisses++
	case hit:
		k.Hits++
	default:
		k.Misses++
	}
}
