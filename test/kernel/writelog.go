// SPDX-License-Identifier: GPL-2.0-only

package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"bctl/internal/lab/planter"
)

// The flags of an entry of a write log.
const (
	logFlush   = 1 << 0
	logFUA     = 1 << 1
	logDiscard = 1 << 2
)

// logMagic heads a log in the form of Linux' dm-log-writes, which QEMU's blklogwrites writes too.
const logMagic = 0x6a736677736872

// A logEntry is one write, discard or flush that a disk was given, in order.
type logEntry struct {
	Flags  uint64
	Off    int64 // on the disk, in bytes
	Len    int64
	dataAt int64 // in the log
}

func (e *logEntry) is(flag uint64) bool { return e.Flags&flag != 0 }

// writes reports whether the entry carries data.
func (e *logEntry) writes() bool { return e.Len > 0 && !e.is(logDiscard) }

// A writeLog is every write that a disk was given.
type writeLog struct {
	f       *os.File
	Entries []logEntry
}

// openLog reads the entries of a log.
func openLog(path string) (*writeLog, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	l := &writeLog{f: f}
	if err := l.read(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

func (l *writeLog) read() error {
	var head struct {
		Magic, Version, Entries uint64
		SectorSize              uint32
	}
	if err := binary.Read(l.f, binary.LittleEndian, &head); err != nil {
		return err
	}
	if head.Magic != logMagic || head.SectorSize < 512 {
		return errors.New("not a write log")
	}
	at, sector := int64(head.SectorSize), int64(head.SectorSize)
	for range head.Entries {
		var e struct{ Sector, Sectors, Flags, DataLen uint64 }
		if err := binary.Read(io.NewSectionReader(l.f, at, 32), binary.LittleEndian, &e); err != nil {
			return err
		}
		at += sector
		entry := logEntry{Flags: e.Flags, Off: int64(e.Sector) * sector, Len: int64(e.Sectors) * sector, dataAt: at}
		if entry.writes() {
			at += entry.Len
		}
		l.Entries = append(l.Entries, entry)
	}
	return nil
}

func (l *writeLog) close() error { return l.f.Close() }

// apply does entry i to an image.
func (l *writeLog) apply(image []byte, i int) error {
	e := &l.Entries[i]
	if e.Off+e.Len > int64(len(image)) {
		return fmt.Errorf("entry %d: writes behind the disk", i)
	}
	to := image[e.Off : e.Off+e.Len]
	if e.is(logDiscard) {
		clear(to)
		return nil
	}
	_, err := io.ReadFull(io.NewSectionReader(l.f, e.dataAt, e.Len), to)
	return err
}

// lastFlush is the last flush before entry n: what came before it is on the medium, whatever happens.
func (l *writeLog) lastFlush(n int) int {
	for n--; n > 0 && !l.Entries[n].is(logFlush); n-- {
	}
	return max(n, 0)
}

// saveSparse writes an image to a new file, and leaves holes where it is zero.
func saveSparse(path string, image []byte) error {
	return planter.NewImage(bytes.NewReader(image), int64(len(image))).Save(path)
}
