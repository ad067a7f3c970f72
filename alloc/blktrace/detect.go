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
		r.format = detect(bytes.TrimPrefix(begin, []byte("\xef\xbb\xbf")), r.err != nil)
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
	case SPC:
		r.parse = (*Reader).parseSPC
	case SYSTOR:
		r.parse = (*Reader).parseSYSTOR
	case FIU:
		r.parse = (*Reader).parseFIU
	case Tracepoints:
		r.parse = (*Reader).parseTracepoint
	case CSV:
		return r.beginCSV(begin)
	case LCS:
		return r.beginLCS(begin)
	case Vscsi:
		return r.beginVscsi(begin)
	case OracleGeneral:
		r.decode, r.size, r.unit = (*Reader).decodeOracle, oracleBytes, "record"
	default:
		if len(begin) == 0 {
			return fmt.Errorf("%w: it is empty", ErrFormat)
		}
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
		return detectRecords(begin, whole)
	}
	// The first line may be a header, so the second counts too. Before blkparse's events may stand what it says.
	for i := range 16 {
		line, rest, _ := bytes.Cut(begin, []byte{'\n'})
		if f := detectLine(bytes.TrimSuffix(line, []byte{'\r'})); f == Blkparse || f == Tracepoints || f != Detect && i < 2 {
			return f
		}
		begin = rest
	}
	return Detect
}

// beginCSV finds the columns.
func (r *Reader) beginCSV(begin []byte) (err error) {
	columns := r.asked.Columns
	if columns == nil {
		columns = new(Columns)
	}
	r.parse = (*Reader).parseCSV
	line, _, _ := bytes.Cut(begin, []byte{'\n'})
	if r.state.csv, err = columns.resolve(bytes.TrimSuffix(line, []byte{'\r'})); err != nil {
		return fmt.Errorf("%w: %w; it begins with %q", ErrFormat, err, line[:min(len(line), 60)])
	}
	return nil
}

// beginVscsi finds the version.
func (r *Reader) beginVscsi(begin []byte) error {
	r.decode, r.unit = (*Reader).decodeVscsi, "record"
	switch vscsiVersion(begin) {
	case 1:
		r.size = vscsi1Bytes
	case 2:
		r.size = vscsi2Bytes
	default:
		return fmt.Errorf("%w: neither version of vscsi", ErrFormat)
	}
	return nil
}

// detectRecords is detect for what is no text.
func detectRecords(begin []byte, whole bool) Format {
	if size, _ := lcsHeader(begin); size > 0 {
		return LCS
	}
	if vscsiVersion(begin) > 0 {
		return Vscsi
	}
	if isOracle(begin, whole) {
		return OracleGeneral
	}
	return Detect
}

func detectLine(line []byte) Format {
	var f [16][]byte
	n := words(line, &f)
	if n >= 6 && isDevice(f[0]) && bytes.IndexByte(line, '.') > 0 {
		return Blkparse
	}
	if name, _ := tracepoint(f[:n]); name != nil {
		return Tracepoints
	}
	if fiuOp(f[:n]) > 0 {
		return FIU
	}
	switch n := commas(line, &f); {
	case n == 7 && (isWord(f[3], "read") || isWord(f[3], "write") || isWord(f[3], "type")):
		return MSR
	case n == 5 && len(f[1]) == 1 && (f[1][0] == 'R' || f[1][0] == 'W') || n == 5 && isWord(f[1], "opcode") && isWord(f[0], "device_id"):
		return Alibaba
	case n == 5 && (isNumbers(f[:5]) && len(f[3]) == 1 && f[3][0] <= '1' || isWord(f[3], "iotype") && isWord(f[4], "volumeid")):
		return Tencent
	case n >= 5 && isSPC(f[:n]):
		return SPC
	case n == 6 && (isRW(f[2]) || isWord(f[2], "iotype")):
		return SYSTOR
	}
	if isCSV(line) {
		return CSV
	}
	return Detect
}

func isRW(b []byte) bool { return len(b) == 1 && (b[0]|0x20 == 'r' || b[0]|0x20 == 'w') }

// isSPC looks for the opcode between numbers.
func isSPC(f [][]byte) bool {
	if !isRW(trim(f[3])) {
		return false
	}
	_, err := seconds(trim(f[4]))
	return err == nil && isNumbers([][]byte{trim(f[0]), trim(f[1]), trim(f[2])})
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
