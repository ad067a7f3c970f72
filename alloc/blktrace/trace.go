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
//	spc            ASU,LBA,SIZE,R|W,TIMESTAMP                                   sectors, bytes; s
//	systor         TIMESTAMP,RESPONSE,R|W,LUN,OFFSET,SIZE                       bytes; s
//	fiu            TIMESTAMP PID PROCESS LBA COUNT R|W MAJOR MINOR MD5          sectors; ns
//	csv            columns as the header names them, or as Columns say          as they say
//	tracepoints    bcache's own, of perf script, trace-cmd or tracefs          sectors; s
//	vscsi          records of 32 (v1) or 40 bytes (v2), see vscsi.go            sectors, bytes; us
//	oracleGeneral  u32 time, u64 object, u32 size, i64 next access; LE, packed  objects of bytes; s
//	lcs            a header, then records of objects, see lcs.go                objects of bytes; s
//
// All of them may be compressed with zstd or gzip. What a request touches in part counts as touched: offsets are
// rounded down to sectors of 512 bytes, ends up. Volumes (files, devices, disks, tenants) are numbered as they appear.
//
// What the writer of a format leaves in a trace never stops a reader: the header of the next job or run, a last line
// cut short, flushes, requests of no length, pass-through requests. They are counted, and Skipped tells them. What no
// writer makes is an *Error.
package blktrace

import (
	"errors"
	"fmt"
	"strings"
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
	SPC
	SYSTOR
	FIU
	Vscsi
	LCS
	CSV
	Tracepoints
	formats
)

var formatNames = [formats]string{
	"auto", "fio", "blkparse", "msr", "alibaba", "tencent", "oracleGeneral", "spc", "systor", "fiu", "vscsi", "lcs", "csv", "tracepoints",
}

func (f Format) String() string { return formatNames[f] }

// FormatNames are the names that ParseFormat takes.
func FormatNames() []string { return formatNames[:] }

// ParseFormat finds a format by name, in any case.
func ParseFormat(name string) (Format, error) {
	for f, n := range formatNames {
		if strings.EqualFold(n, name) {
			return Format(f), nil
		}
	}
	return Detect, fmt.Errorf("trace format %q: want one of %s", name, strings.Join(formatNames[:], ", "))
}

// A Spec is a format, with the columns of a CSV where the user tells them.
type Spec struct {
	Format  Format
	Columns *Columns
}

// ParseSpec reads the name of a format, or csv:KEY=VALUE,... as ParseColumns has it.
func ParseSpec(text string) (Spec, error) {
	name, columns, ok := strings.Cut(text, ":")
	f, err := ParseFormat(name)
	if err != nil || !ok {
		return Spec{Format: f}, err
	}
	if f != CSV {
		return Spec{}, fmt.Errorf("trace format %q: only csv has columns", text)
	}
	c, err := ParseColumns(columns)
	if err != nil {
		return Spec{}, fmt.Errorf("trace format csv: %w", err)
	}
	return Spec{f, c}, nil
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
