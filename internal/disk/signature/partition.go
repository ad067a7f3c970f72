// SPDX-License-Identifier: GPL-2.0-only

package signature

import (
	"bytes"
	"encoding/binary"
	"io"
)

// A partition is a part of a disk, in bytes. Its number is the kernel's.
type partition struct {
	number        int
	start, length int64
}

// What a table may hold, for tables may be anything.
const (
	maxGPT     = 256
	maxLogical = 60
)

// gptPartitions reads the entries that the header at byte at leads to. Its distance from the start is the sector.
func gptPartitions(r io.ReaderAt, size, at int64) (parts []partition) {
	p := probe{r: r, size: size}
	head := p.bytes(at, 92)
	if len(head) < 92 {
		return nil
	}
	le := binary.LittleEndian
	entries, count, length := le.Uint64(head[72:]), le.Uint32(head[80:]), le.Uint32(head[84:])
	if entries > uint64(size/at) || length < 128 || length > 4096 {
		return nil
	}
	for i := range int64(min(count, maxGPT)) {
		e := p.bytes(int64(entries)*at+i*int64(length), 128)
		if len(e) < 128 || len(bytes.Trim(e[:16], "\x00")) == 0 {
			continue
		}
		first, last := le.Uint64(e[32:]), le.Uint64(e[40:])
		if last < first || last >= 1<<50 {
			continue
		}
		parts = append(parts, partition{int(i) + 1, int64(first) * at, int64(last-first+1) * at})
	}
	return parts
}

// mbrPartitions reads the four entries, and the chain of tables in an extended one. Sectors have 512 bytes.
func mbrPartitions(r io.ReaderAt, size int64) (parts []partition) {
	p := probe{r: r, size: size}
	for i := range 4 {
		kind, start, length := p.mbrEntry(0, i)
		switch kind {
		case 0:
		case 0x05, 0x0f, 0x85:
			parts = append(parts, p.logical(start)...)
		default:
			parts = append(parts, partition{i + 1, start, length})
		}
	}
	return parts
}

// mbrEntry reads an entry of the table in the sector at byte table.
func (p *probe) mbrEntry(table int64, i int) (kind byte, start, length int64) {
	b := p.bytes(table, 512)
	if len(b) < 512 || b[510] != 0x55 || b[511] != 0xaa {
		return 0, 0, 0
	}
	e := b[446+16*i:]
	return e[4], table + int64(binary.LittleEndian.Uint32(e[8:]))*512, int64(binary.LittleEndian.Uint32(e[12:])) * 512
}

// logical follows the chain in an extended partition: in each table the first entry is a partition, the second leads
// to the next table, counted from the extended partition's start.
func (p *probe) logical(extended int64) (parts []partition) {
	for table := extended; len(parts) < maxLogical; {
		kind, start, length := p.mbrEntry(table, 0)
		if kind == 0 {
			break
		}
		parts = append(parts, partition{5 + len(parts), start, length})
		next, to, _ := p.mbrEntry(table, 1)
		if next == 0 || to <= table && to >= extended {
			break
		}
		table = extended + to - table
	}
	return parts
}
