// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"sync"
	"sync/atomic"

	"bctl/internal/bcache/ondisk"
	"bctl/superblock"
)

// Mark is what the next garbage collection would make of a bucket: GC_MARK.
type Mark uint8

const (
	Free     Mark = iota // nothing live: 0 in the kernel
	Clean                // GC_MARK_RECLAIMABLE: only live clean data
	Dirty                // GC_MARK_DIRTY: some live dirty data
	Metadata             // GC_MARK_METADATA: superblock, journal, prio, uuids, btree
)

// Marks are the names of all marks.
var Marks = []string{"free", "clean", "dirty", "metadata"}

func (m Mark) String() string { return Marks[m] }

// What is known of a bucket besides its gens, a bit each; its btree level and its oldest pointer's lag stand above.
const (
	flagSuper uint32 = 1 << iota
	flagJournal
	flagPrio
	flagUUID
	flagNode
	flagClean
	flagDirty
	flagGenUnknown // its prio set could not be read
	flagGenSeen    // ... but a pointer told
	flagFreed      // its gen was raised by the record of a freed node

	levelShift = 12
	levelMask  = 0xf << levelShift
	lagShift   = 16
	lagMask    = 0xff << lagShift

	flagFixed = flagSuper | flagJournal | flagPrio | flagUUID
	flagMeta  = flagFixed | flagNode
)

const bucketBytes = 16 // of the four tables below, a bucket

// Buckets is the table of all buckets. Its methods may be called from several goroutines.
type Buckets struct {
	gens    []uint32 // gen, disk's gen, prio: 8, 8 and 16 bits
	flags   []uint32
	sectors []uint32 // live
	owners  []uint32 // see owners.go

	sets ownerSets
	slow sync.Mutex
}

func newBuckets(g *superblock.Geometry) *Buckets {
	n := g.NBuckets
	return &Buckets{gens: make([]uint32, n), flags: make([]uint32, n), sectors: make([]uint32, n), owners: make([]uint32, n)}
}

func (t *Buckets) Len() ondisk.Bucket                 { return ondisk.Bucket(len(t.gens)) }
func (t *Buckets) set(b ondisk.Bucket, f uint32)      { atomic.OrUint32(&t.flags[b], f) }
func (t *Buckets) has(b ondisk.Bucket, f uint32) bool { return atomic.LoadUint32(&t.flags[b])&f != 0 }

// Gen is the bucket's gen at registration: the disk's, raised by every adopted pointer.
func (t *Buckets) Gen(b ondisk.Bucket) uint8 { return uint8(atomic.LoadUint32(&t.gens[b])) }

// DiskGen is the gen in the prio chain.
func (t *Buckets) DiskGen(b ondisk.Bucket) uint8 { return uint8(t.gens[b] >> 8) }

// Prio is the prio in the prio chain.
func (t *Buckets) Prio(b ondisk.Bucket) uint16 { return uint16(t.gens[b] >> 16) }

// GenKnown reports whether the prio chain could be read for b.
func (t *Buckets) GenKnown(b ondisk.Bucket) bool { return !t.has(b, flagGenUnknown) }

// GenSeen reports whether, where the prio chain could not be read, a pointer told the gen.
func (t *Buckets) GenSeen(b ondisk.Bucket) bool { return t.has(b, flagGenSeen) }

// Sectors is the sum of the bucket's live extent pieces.
func (t *Buckets) Sectors(b ondisk.Bucket) uint32 { return atomic.LoadUint32(&t.sectors[b]) }

// Lag is how far the oldest pointer to the bucket is behind its gen.
func (t *Buckets) Lag(b ondisk.Bucket) uint8 { return uint8(t.flags[b] >> lagShift) }

// RaisedByFreedNode reports whether a freed node's record raised the gen.
func (t *Buckets) RaisedByFreedNode(b ondisk.Bucket) bool { return t.has(b, flagFreed) }

// IsNode reports whether a btree node stands in the bucket.
func (t *Buckets) IsNode(b ondisk.Bucket) bool { return t.has(b, flagNode) }

// Shared reports whether a prio bucket is used for something else too.
func (t *Buckets) Shared(b ondisk.Bucket) bool {
	return t.has(b, flagPrio) && t.has(b, flagJournal|flagUUID|flagNode|flagClean|flagDirty)
}

// Mark is the bucket's mark.
func (t *Buckets) Mark(b ondisk.Bucket) Mark {
	switch f := t.flags[b]; {
	case f&flagMeta != 0:
		return Metadata
	case f&flagDirty != 0:
		return Dirty
	case f&flagClean != 0:
		return Clean
	}
	return Free
}

func (t *Buckets) load(b ondisk.Bucket, e ondisk.PrioEntry) {
	t.gens[b] = uint32(e.Gen) | uint32(e.Gen)<<8 | uint32(e.Prio)<<16
}

// unknownGens marks the buckets whose gens only pointers can tell.
func (t *Buckets) unknownGens(from, to ondisk.Bucket) {
	for b := from; b < to; b++ {
		t.set(b, flagGenUnknown)
	}
}

// adopt raises the bucket's gen to a pointer's, where that is ahead: 1 to 127.
func (t *Buckets) adopt(b ondisk.Bucket, gen uint8, freed bool) {
	if t.has(b, flagGenUnknown) {
		t.adoptUnknown(b, gen)
		return
	}
	for {
		w := atomic.LoadUint32(&t.gens[b])
		if ahead := gen - uint8(w); ahead == 0 || ahead >= 128 {
			return
		}
		if atomic.CompareAndSwapUint32(&t.gens[b], w, w&^0xff|uint32(gen)) {
			if freed {
				t.set(b, flagFreed)
			}
			return
		}
	}
}

// adoptUnknown takes the first pointer's gen as it is: nothing else tells it.
func (t *Buckets) adoptUnknown(b ondisk.Bucket, gen uint8) {
	t.slow.Lock()
	defer t.slow.Unlock()
	w := t.gens[b]
	if ahead := gen - uint8(w); !t.has(b, flagGenSeen) || ahead > 0 && ahead < 128 {
		atomic.StoreUint32(&t.gens[b], w&^0xff|uint32(gen))
		t.set(b, flagGenSeen)
	}
}

// lag notes how far a pointer is behind.
func (t *Buckets) lag(b ondisk.Bucket, by uint8) {
	for {
		w := atomic.LoadUint32(&t.flags[b])
		if uint8(w>>lagShift) >= by || atomic.CompareAndSwapUint32(&t.flags[b], w, w&^lagMask|uint32(by)<<lagShift) {
			return
		}
	}
}

// claimNode marks b as a node's. It returns what b was marked before.
func (t *Buckets) claimNode(b ondisk.Bucket, level int) uint32 {
	return atomic.OrUint32(&t.flags[b], flagNode|uint32(min(level, 15))<<levelShift)
}

// add counts a live extent of n sectors.
func (t *Buckets) add(b ondisk.Bucket, n ondisk.Sector, dirty bool, inode uint32) {
	f := flagClean
	if dirty {
		f = flagDirty
	}
	if !t.has(b, f) {
		t.set(b, f)
	}
	for {
		w := atomic.LoadUint32(&t.sectors[b])
		sum := uint32(min(uint64(w)+uint64(n), 1<<32-1))
		if atomic.CompareAndSwapUint32(&t.sectors[b], w, sum) {
			break
		}
	}
	t.own(b, inode)
}
