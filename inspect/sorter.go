// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"encoding/binary"

	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
)

// A Sorter hands out what plain keys say of their buckets, some thousand neighbours at a time: keys of a volume lie
// anywhere on the cache, and whoever looks at the bucket of one after the other waits for each; see trays. Of one bucket
// they are handed out in the order in which they came.
type Sorter struct{ t *trays }

// A Row is what a key says of its bucket.
type Row uint64

func (r Row) In() ondisk.Bucket      { return ondisk.Bucket(r >> trayBucket) } // behind the first of its run
func (r Row) Number() int            { return int(r >> traySlot % traySlots) } // see Turn
func (r Row) Dirty() bool            { return r>>trayDirty&1 != 0 }
func (r Row) Gen() uint8             { return uint8(r >> trayGen) }
func (r Row) Sectors() ondisk.Sector { return ondisk.Sector(r & 0xffff) }

// Numbers is how many numbers Turn takes, from 0 on, and RunBuckets how many buckets are a run.
const (
	Numbers    = traySlots
	RunBuckets = 1 << trayShift
)

// NewSorter hands rows, as words, to take, each time those of the run of buckets that begins with first. It returns nil
// where buckets are too large for that.
func (c *Cache) NewSorter(take func(first ondisk.Bucket, rows []uint64)) *Sorter {
	t := newTrays(c)
	if t == nil {
		return nil
	}
	t.count = func(i, n int) { take(ondisk.Bucket(i)<<trayShift, t.rows[i*t.stride():][:n]) }
	return &Sorter{t}
}

// Turn says that the next keys are of a volume, which ends at a sector, and gives their rows a number.
func (s *Sorter) Turn(inode uint32, end ondisk.Sector, number int) {
	s.t.turn(inode, end, uint64(number))
}

// Lay takes keys of btree.PlainKey bytes, as btree.Node.Plain returns them, and returns what is left of them: it begins with
// the first that is of another volume, or does not lie as it should, in whole blocks in a bucket of data.
func (s *Sorter) Lay(keys []byte) []byte {
	for len(keys) >= btree.PlainKey {
		n, _, _ := s.t.first(keys)
		s.t.spread(n)
		if keys = keys[n*btree.PlainKey:]; n < trayRun {
			break
		}
	}
	return keys
}

// Settle hands out what there is of bucket b.
func (s *Sorter) Settle(b ondisk.Bucket) {
	if i := int(b >> trayShift); i < len(s.t.full) {
		s.t.settle(i)
	}
}

// Empty hands out all that there is.
func (s *Sorter) Empty() { s.t.empty() }

// PlainInode is the inode of a plain key.
func PlainInode(key []byte) uint32 { return uint32(binary.LittleEndian.Uint64(key) & (1<<20 - 1)) }
