// SPDX-License-Identifier: GPL-2.0-only

package blktrace

import (
	"errors"
	"fmt"
)

// An Op is what a request does.
type Op uint8

// A Flush moves no data and has no place: it is handed out only after KeepFlushes.
const (
	Read Op = iota
	Write
	Trim
	Flush
)

// Flags are what a request says beside its operation, where the format has it (blkparse's RWBS).
type Flags uint8

// The flags: REQ_RAHEAD, REQ_META, REQ_SYNC, REQ_FUA, REQ_PREFLUSH of the kernel.
const (
	Readahead Flags = 1 << iota
	Meta
	Sync
	FUA
	Preflush
)

// A Request is one record of a trace.
type Request struct {
	Time    uint64 // us since the trace began; it falls where records are out of order; 0 throughout where there are no times
	Sector  uint64 // of the volume
	Sectors uint32 // at least 1, but of a Flush
	Volume  uint32 // from 0, as they appear
	Task    uint32 // the process that asked; 0 where the format does not tell
	Op      Op
	Flags   Flags
}

// What a trace may hold. Real ones are far from it, so more is damage.
const (
	sectorBytes = 512
	MaxSector   = 1 << 50   // volumes end there: 2^59 bytes
	maxData     = 1 << 23   // of a read or a write: 4 GiB
	MaxVolumes  = 1<<20 - 1 // KEY_INODE has 20 bits
)

// errEmpty says that a request has no length. Writers make such; readers skip them.
var errEmpty = errors.New("length 0")

// bytesAt makes a request of bytes one of sectors. Errors: errEmpty, and that it is out of bounds.
func (q *Request) bytesAt(offset, length uint64) error {
	end := offset + length
	switch {
	case length == 0:
		return errEmpty
	case end < offset || end > MaxSector*sectorBytes:
		return fmt.Errorf("offset %d and length %d: past 2^59 bytes", offset, length)
	}
	first := offset / sectorBytes
	return q.sectorsAt(first, (end+sectorBytes-1)/sectorBytes-first)
}

// sectorsAt fills in where a request goes. Errors: as of bytesAt.
func (q *Request) sectorsAt(sector, n uint64) error {
	switch {
	case n == 0:
		return errEmpty
	case n > 1<<32-1 || q.Op != Trim && n > maxData:
		return fmt.Errorf("length of %d sectors, at most %d, or %d of a trim", n, maxData, uint32(1<<32-1))
	case sector > MaxSector || sector+n > MaxSector:
		return fmt.Errorf("sector %d and length %d: past 2^59 bytes", sector, n)
	}
	q.Sector, q.Sectors = sector, uint32(n)
	return nil
}

// An objectClass is where objects of a range of sizes are put: each has room for the largest, so that no two of them
// overlap, and the classes lie one after the other.
type objectClass struct {
	largest uint64 // sectors
	start   uint64 // sector
	shift   uint   // the room of one: 1<<shift sectors
	slots   uint   // there are 1<<slots
}

// Traces of blocks number them in 4 KiB or in sectors: in the first class neighbours stay neighbours. In the others an
// object is on its own. One whose size changes between classes is another object from then on.
var objectClasses = [...]objectClass{
	{1 << 3, 0, 3, 46},
	{1 << 11, 1 << 49, 11, 37},
	{1 << 17, 3 << 48, 17, 30},
	{1 << 23, 7 << 47, 23, 24},
}

// objectAt fills in where an object of so many bytes is put. Errors: errEmpty, and that it is too large.
func (q *Request) objectAt(id, size uint64) error {
	n := size/sectorBytes + (size%sectorBytes+sectorBytes-1)/sectorBytes
	if n == 0 {
		return errEmpty
	}
	for i := range objectClasses {
		c := &objectClasses[i]
		if n > c.largest {
			continue
		}
		slot := id
		if slot >= 1<<c.slots { // ids may be hashes of 64 bits
			slot = mix(slot) >> (64 - c.slots)
		}
		q.Sector, q.Sectors = c.start+slot<<c.shift, uint32(n)
		return nil
	}
	return fmt.Errorf("object %d: %d bytes, at most %d", id, size, uint64(maxData*sectorBytes))
}

// mix scatters the bits of an id, so that those which differ anywhere differ at the top.
func mix(id uint64) uint64 {
	id ^= id >> 32
	id *= 0xd6e8feb86659fd93
	id ^= id >> 32
	id *= 0xd6e8feb86659fd93
	return id ^ id>>32
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
