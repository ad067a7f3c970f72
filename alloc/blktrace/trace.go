// SPDX-License-Identifier: GPL-2.0-only

// Package blktrace reads block traces, a request at a time, whatever their size. It owns klauspost/compress (for what
// bctl itself reads).
//
//	format         a record                                                     unit of offset and length
//	fio            fio version 2 iolog: FILE ACTION [OFFSET LENGTH]             bytes; waits in us
//	               fio version 3 iolog: TIMESTAMP FILE ACTION [OFFSET LENGTH]   bytes; us
//	blkparse       DEV CPU SEQ TIME PID ACTION RWBS SECTOR + N [CMD]            sectors; s.ns
//	msr            TIMESTAMP,HOST,DISK,Read|Write,OFFSET,SIZE,RESPONSE          bytes; 100 ns
//	alibaba        DEVICE,R|W,OFFSET,LENGTH,TIMESTAMP                           bytes; us
//	tencent        TIMESTAMP,OFFSET,SIZE,0|1,VOLUME                             sectors; s
//	oracleGeneral  u32 time, u64 object, u32 size, i64 next access; LE, packed  objects of bytes; s
//
// All of them may be compressed with zstd or gzip. What a request touches in part counts as touched: offsets are
// rounded down to sectors of 512 bytes, ends up. Volumes (files, devices, disks) are numbered as they appear.
package blktrace

import (
	"errors"
	"fmt"
)

// A Format is a kind of trace.
type Format uint8

// The formats. Detect stands for finding it out from how the trace begins.
const (
	Detect Format = iota
	Fio
	Blkparse
	MSR
	Alibaba
	Tencent
	OracleGeneral
)

var formatNames = [...]string{"auto", "fio", "blkparse", "msr", "alibaba", "tencent", "oracleGeneral"}

func (f Format) String() string { return formatNames[f] }

// FormatNames are the names that ParseFormat takes.
func FormatNames() []string { return formatNames[:] }

// ParseFormat finds a format by name.
func ParseFormat(name string) (Format, error) {
	for f, n := range formatNames {
		if n == name {
			return Format(f), nil
		}
	}
	return Detect, fmt.Errorf("trace format %q: want one of %v", name, formatNames)
}

// An Op is what a request does.
type Op uint8

// Flushes and the like are not handed out: they move no data.
const (
	Read Op = iota
	Write
	Trim
)

// A Request is one record of a trace.
type Request struct {
	Time    uint64 // us; only differences mean something, and 0 throughout where the trace has no times
	Sector  uint64 // of the volume
	Sectors uint32 // at least 1
	Volume  uint32 // from 0, as they appear
	Op      Op
}

// What a trace may hold. Real ones are far from it, so more is damage.
const (
	sectorBytes = 512
	MaxSector   = 1 << 50   // volumes end there: 2^59 bytes
	maxData     = 1 << 23   // of a read or a write: 4 GiB
	MaxVolumes  = 1<<20 - 1 // KEY_INODE has 20 bits
)

// ErrFormat says that a trace is of no known format.
var ErrFormat = errors.New("no known trace format")

// An Error says what is wrong with a record.
type Error struct {
	Record int64  // from 1
	Unit   string // what is counted: "line" or "record"
	Msg    string
}

func (e *Error) Error() string { return fmt.Sprintf("%s %d: %s", e.Unit, e.Record, e.Msg) }

// bytesAt makes a request of bytes one of sectors.
func (q *Request) bytesAt(offset, length uint64) error {
	end := offset + length
	switch {
	case length == 0:
		return errors.New("length 0")
	case end < offset || end > MaxSector*sectorBytes:
		return fmt.Errorf("offset %d and length %d: past 2^59 bytes", offset, length)
	}
	first := offset / sectorBytes
	return q.sectorsAt(first, (end+sectorBytes-1)/sectorBytes-first)
}

// sectorsAt fills in where a request goes.
func (q *Request) sectorsAt(sector, n uint64) error {
	switch {
	case n == 0:
		return errors.New("length 0")
	case n > 1<<32-1 || q.Op != Trim && n > maxData:
		return fmt.Errorf("length of %d sectors, at most %d, or %d of a trim", n, maxData, uint32(1<<32-1))
	case sector > MaxSector || sector+n > MaxSector:
		return fmt.Errorf("sector %d and length %d: past 2^59 bytes", sector, n)
	}
	q.Sector, q.Sectors = sector, uint32(n)
	return nil
}

// volumes numbers names.
type volumes struct {
	numbers map[string]uint32
	last    string // the one asked for last: mostly the one asked for next
	lastN   uint32
}

func (v *volumes) number(name []byte) (uint32, error) {
	if string(name) == v.last && v.numbers != nil {
		return v.lastN, nil
	}
	n, ok := v.numbers[string(name)]
	if !ok {
		if len(v.numbers) == MaxVolumes {
			return 0, fmt.Errorf("more than %d volumes", MaxVolumes)
		}
		if v.numbers == nil {
			v.numbers = map[string]uint32{}
		}
		n = uint32(len(v.numbers))
		v.numbers[string(name)] = n
	}
	v.last, v.lastN = string(name), n
	return n, nil
}
