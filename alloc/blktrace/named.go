// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
)

// A role is what a column of a CSV trace means.
type role uint8

const (
	colTime role = iota
	colOp
	colOffset  // bytes
	colSector  // sectors
	colObject  // a number or a name
	colSize    // bytes
	colSectors // sectors
	colVolume
	colTask
	roles
)

// roleNames are how the columns are called in --trace-format, which are libCacheSim's names where it has one.
var roleNames = [roles]string{
	"time-col", "op-col", "offset-col", "sector-col", "obj-id-col", "obj-size-col", "sectors-col", "volume-col", "task-col",
}

// headerNames are the names that headers give to columns, without case, blanks and signs between.
var headerNames = map[string]role{
	"time": colTime, "timestamp": colTime, "ts": colTime, "clocktime": colTime, "clock": colTime,
	"times": colTime, "timems": colTime, "timeus": colTime, "timens": colTime,
	"timestamps": colTime, "timestampms": colTime, "timestampus": colTime, "timestampns": colTime,
	"tss": colTime, "tsms": colTime, "tsus": colTime, "tsns": colTime,
	"op": colOp, "operation": colOp, "opcode": colOp, "type": colOp, "iotype": colOp, "rw": colOp, "iswrite": colOp,
	"offset": colOffset, "offsetbytes": colOffset, "byteoffset": colOffset, "start": colOffset,
	"sector": colSector, "lba": colSector, "lbn": colSector, "startsector": colSector, "offsetsectors": colSector,
	"objid": colObject, "objectid": colObject, "object": colObject, "obj": colObject, "key": colObject, "id": colObject,
	"size": colSize, "length": colSize, "len": colSize, "bytes": colSize, "objsize": colSize, "objectsize": colSize,
	"sizebytes": colSize, "lengthbytes": colSize, "requestsize": colSize, "iosize": colSize,
	"sectors": colSectors, "nsectors": colSectors, "sizesectors": colSectors, "lengthsectors": colSectors, "count": colSectors,
	"volume": colVolume, "volumeid": colVolume, "device": colVolume, "deviceid": colVolume, "dev": colVolume,
	"disk": colVolume, "diskid": colVolume, "disknumber": colVolume, "lun": colVolume, "asu": colVolume, "tenant": colVolume,
	"pid": colTask, "task": colTask, "tid": colTask, "process": colTask,
}

// Columns say where a CSV trace has what. The zero value takes all from the header.
type Columns struct {
	named     [roles]string // a name of the header, or a number from 1; "": the header tells
	delimiter byte          // 0: found out
	header    byte          // 'y', 'n', or 0: found out
	unit      string        // of times: s, ms, us, ns; "": the column's name or its first value tells
}

// ParseColumns reads KEY=VALUE,...: the keys are those of libCacheSim (time-col, obj-id-col, obj-size-col, op-col,
// delimiter, has-header) and offset-col, sector-col, sectors-col, size-col, volume-col, task-col, time-unit.
func ParseColumns(text string) (*Columns, error) {
	c := new(Columns)
	for rest := text; rest != ""; {
		var key, value string
		key, rest, _ = strings.Cut(rest, "=")
		key = strings.TrimSpace(key)
		if key == "delimiter" && strings.HasPrefix(rest, ",") { // the comma itself
			value, rest = ",", strings.TrimPrefix(rest[1:], ",")
		} else {
			value, rest, _ = strings.Cut(rest, ",")
		}
		if err := c.set(key, strings.TrimSpace(value)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// set sets one of them.
func (c *Columns) set(key, value string) error {
	if key == "size-col" {
		key = roleNames[colSize]
	}
	if i := slices.Index(roleNames[:], key); i >= 0 && value != "" {
		c.named[i] = value
		return nil
	}
	switch key {
	case "delimiter":
		if value == `\t` || value == "tab" {
			value = "\t"
		}
		if len(value) == 1 {
			c.delimiter = value[0]
			return nil
		}
		return fmt.Errorf("delimiter %q: want one character", value)
	case "has-header":
		if b, err := strconv.ParseBool(value); err == nil {
			c.header = map[bool]byte{true: 'y', false: 'n'}[b]
			return nil
		}
		return fmt.Errorf("has-header %q: want true or false", value)
	case "obj-id-is-num": // found out
		return nil
	case "time-unit":
		if timeUnits[value] != 0 {
			c.unit = value
			return nil
		}
		return fmt.Errorf("time-unit %q: want s, ms, us or ns", value)
	}
	return fmt.Errorf("%s=%s: want one of %s, delimiter, has-header, time-unit with a value", key, value, strings.Join(roleNames[:], ", "))
}

// timeUnits are how many of each are a second.
var timeUnits = map[string]uint64{"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}

// csvState is how the trace at hand is read.
type csvState struct {
	column    [roles]int // from 0; -1: there is none
	delimiter byte
	perSecond uint64 // 0: the first time will tell
	first     []byte // the first cell of the header, which may come again
	fields    [][]byte
}

// cells cuts a line.
func (s *csvState) cells(line []byte) [][]byte {
	s.fields = s.fields[:0]
	if s.delimiter == ' ' {
		line = bytes.TrimLeft(line, " ")
	}
	for len(s.fields) < 64 {
		i := bytes.IndexByte(line, s.delimiter)
		if i < 0 {
			break
		}
		s.fields = append(s.fields, trim(line[:i]))
		if line = line[i+1:]; s.delimiter == ' ' {
			line = bytes.TrimLeft(line, " ")
		}
	}
	return append(s.fields, trim(line))
}

// trim cuts blanks and quotes off a cell.
func trim(b []byte) []byte {
	b = bytes.TrimSpace(b)
	if n := len(b); n > 1 && b[0] == '"' && b[n-1] == '"' {
		b = b[1 : n-1]
	}
	return b
}

// plain is a header's name as headerNames has it.
func plain(name []byte) string {
	return string(bytes.Map(func(c rune) rune {
		switch {
		case c >= 'A' && c <= 'Z':
			return c + 'a' - 'A'
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			return c
		}
		return -1
	}, name))
}

// hashOf is an object's number where it has a name.
func hashOf(name []byte) uint64 {
	h := fnv.New64a()
	h.Write(name)
	return h.Sum64() | 1<<63 // no number of a trace with numbers
}
