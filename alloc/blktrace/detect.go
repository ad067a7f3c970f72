// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// choose sets the reader up for its format, by how the trace begins if none was given.
func (r *Reader) choose(begin []byte) error {
	if r.format == Detect {
		r.format = detect(begin, r.err != nil)
	}
	switch r.format {
	case Fio:
		r.parse = (*Reader).parseFio
	case Blkparse:
		r.parse = (*Reader).parseBlkparse
		r.blkPeek(begin, blkPeekLines)
	case MSR:
		r.parse = (*Reader).parseMSR
	case Alibaba:
		r.parse = (*Reader).parseAlibaba
	case Tencent:
		r.parse = (*Reader).parseTencent
	case OracleGeneral:
		r.decode, r.size, r.unit = (*Reader).decodeOracle, oracleBytes, "record"
	default:
		return fmt.Errorf("%w: it begins with %q", ErrFormat, begin[:min(len(begin), 60)])
	}
	return nil
}

// detect says what a trace is by how it begins. whole: begin is all of it.
func detect(begin []byte, whole bool) Format {
	if bytes.HasPrefix(begin, fioHeader) {
		return Fio
	}
	if !isText(begin) {
		if isOracle(begin, whole) {
			return OracleGeneral
		}
		return Detect
	}
	// The first line may be a header, so the second counts too. Before blkparse's events may stand what it says.
	for i := range 16 {
		line, rest, _ := bytes.Cut(begin, []byte{'\n'})
		if f := detectLine(bytes.TrimSuffix(line, []byte{'\r'})); f == Blkparse || f != Detect && i < 2 {
			return f
		}
		begin = rest
	}
	return Detect
}

func detectLine(line []byte) Format {
	var f [16][]byte
	if n := words(line, &f); n >= 6 && isDevice(f[0]) && bytes.IndexByte(line, '.') > 0 {
		return Blkparse
	}
	switch n := commas(line, &f); {
	case n == 7 && (isWord(f[3], "read") || isWord(f[3], "write") || isWord(f[3], "type")):
		return MSR
	case n == 5 && len(f[1]) == 1 && (f[1][0] == 'R' || f[1][0] == 'W') || n == 5 && isWord(f[1], "opcode"):
		return Alibaba
	case n == 5 && (isNumbers(f[:5]) && len(f[3]) == 1 && f[3][0] <= '1' || isWord(f[3], "iotype")):
		return Tencent
	}
	return Detect
}

func isNumbers(fields [][]byte) bool {
	for _, f := range fields {
		if _, ok := number(f); !ok {
			return false
		}
	}
	return true
}

func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return false
		}
	}
	return true
}

// isOracle looks whether records with plausible times and next accesses stand there. A last one cut short is believed
// where there are others.
func isOracle(begin []byte, whole bool) bool {
	if len(begin) < oracleBytes || whole && len(begin)%oracleBytes != 0 && len(begin) < 2*oracleBytes {
		return false
	}
	last := uint32(0)
	for ; len(begin) >= oracleBytes; begin = begin[oracleBytes:] {
		time, next := binary.LittleEndian.Uint32(begin), int64(binary.LittleEndian.Uint64(begin[16:]))
		if time < last || next < -2 && next != math.MinInt64 || next == 0 {
			return false
		}
		last = time
	}
	return true
}
