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
//
// What the writer of a format leaves in a trace never stops a reader: the header of the next job or run, a last line
// cut short, flushes, requests of no length, pass-through requests. They are counted, and Skipped tells them. What no
// writer makes is an *Error.
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

// ErrFormat says that a trace is of no known format.
var ErrFormat = errors.New("no known trace format")

// An Error says what is wrong with a record.
type Error struct {
	Record int64  // from 1
	Unit   string // what is counted: "line" or "record"
	Msg    string
}

func (e *Error) Error() string { return fmt.Sprintf("%s %d: %s", e.Unit, e.Record, e.Msg) }
