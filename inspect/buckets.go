// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"sync"
	"sync/atomic"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/hugepages"
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
	flagFreed  // the record of a freed node is ahead of its gen on disk
	flagShared // two live extents claim the same sectors of it
	flagUntold // no prio set tells its gen, and no pointer yet

	levelShift = 12
	levelMask  = 0xf << levelShift
	lagShift   = 16
	lagMask    = 0xff << lagShift

	flagFixed = flagSuper | flagJournal | flagPrio | flagUUID
	flagMeta  = flagFixed | flagNode
)

// bucket is what is known of one, side by side: whoever looks at one part looks at the others, and most buckets are not
// in the processor's cache.
type bucket struct {
	head
	sectors uint32 // live
	owners  uint32 // see owners.go

	cells [cellWords]uint64 // that live extents claim; see judge.claim
}

// head is what is known of a bucket at least.
type head struct {
	gens  uint32 // gen, disk's gen, prio: 8, 8 and 16 bits
	flags uint32
}

// A bucket's sectors are claimed in so many cells.
const (
	cellWords = 2
	cells     = 64 * cellWords
)

// Buckets is the table of all buckets. Its methods may be called from several goroutines.
type Buckets struct {
	of    []bucket
	small []head // instead; see Options.Small

	// Where the prio chain could not be read whole; see adopt.go. Both are nil where it could.
	unknown []bool        // of each prio set: whether only pointers tell its buckets' gens
	told    []uint32      // of each bucket: by pointers
	perSet  ondisk.Bucket // buckets of a prio set

	sets ownerSets

	raised atomic.Bool // some gen was, since this was cleared

	once sync.Once
	sums Sums
}

// Sums are counts over all buckets.
type Sums struct {
	Marks  [4]uint64 // by Mark
	Leaked uint64    // hold nothing, but have a prio
	Lag    uint8     // of the oldest pointer behind its bucket's gen
}

// Sums counts the buckets, once: ask when the cache is read.
func (t *Buckets) Sums() Sums {
	t.once.Do(func() { t.sums = t.count() })
	return t.sums
}

func (t *Buckets) count() (s Sums) {
	for b := range t.Len() {
		m := t.Mark(b)
		s.Marks[m]++
		s.Lag = max(s.Lag, t.Lag(b))
		if m == Free && t.Prio(b) != 0 && t.GenKnown(b) {
			s.Leaked++
		}
	}
	return s
}

func newBuckets(g *superblock.Geometry) *Buckets {
	return &Buckets{
		of:     hugepages.Below(make([]bucket, g.NBuckets)),
		perSet: ondisk.Bucket(g.PriosPerBucket()),
	}
}

// newSmall is a table of a quarter of the memory; see Options.Small.
func newSmall(g *superblock.Geometry) *Buckets {
	return &Buckets{small: make([]head, g.NBuckets), perSet: ondisk.Bucket(g.PriosPerBucket())}
}

func (t *Buckets) Len() ondisk.Bucket { return ondisk.Bucket(max(len(t.of), len(t.small))) }

// at is what is known of b at least.
func (t *Buckets) at(b ondisk.Bucket) *head {
	if t.small != nil {
		return &t.small[b]
	}
	return &t.of[b].head
}

func (t *Buckets) set(b ondisk.Bucket, f uint32) { atomic.OrUint32(&t.at(b).flags, f) }
func (t *Buckets) has(b ondisk.Bucket, f uint32) bool {
	return atomic.LoadUint32(&t.at(b).flags)&f != 0
}

// Gen is the bucket's gen at registration: the disk's, raised by every adopted pointer.
func (t *Buckets) Gen(b ondisk.Bucket) uint8 { return uint8(atomic.LoadUint32(&t.at(b).gens)) }

// DiskGen is the gen in the prio chain.
func (t *Buckets) DiskGen(b ondisk.Bucket) uint8 { return uint8(t.at(b).gens >> 8) }

// Prio is the prio in the prio chain.
func (t *Buckets) Prio(b ondisk.Bucket) uint16 { return uint16(t.at(b).gens >> 16) }

// GenKnown reports whether the prio chain could be read for b.
func (t *Buckets) GenKnown(b ondisk.Bucket) bool { return t.unknown == nil || !t.unknown[b/t.perSet] }

// Sectors is the sum of the bucket's live extent pieces; 0 in a small table.
func (t *Buckets) Sectors(b ondisk.Bucket) uint32 {
	if t.small != nil {
		return 0
	}
	return atomic.LoadUint32(&t.of[b].sectors)
}

// Lag is how far the oldest pointer to the bucket is behind its gen.
func (t *Buckets) Lag(b ondisk.Bucket) uint8 { return uint8(t.at(b).flags >> lagShift) }

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
	switch f := t.at(b).flags; {
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
	t.at(b).gens = uint32(e.Gen) | uint32(e.Gen)<<8 | uint32(e.Prio)<<16
}

// lag notes how far a pointer is behind.
func (t *Buckets) lag(b ondisk.Bucket, by uint8) {
	for {
		w := atomic.LoadUint32(&t.at(b).flags)
		if uint8(w>>lagShift) >= by || atomic.CompareAndSwapUint32(&t.at(b).flags, w, w&^lagMask|uint32(by)<<lagShift) {
			return
		}
	}
}

// claimNode marks b as a node's. It returns what b was marked before; the level is that of the first claim.
func (t *Buckets) claimNode(b ondisk.Bucket, level int) uint32 {
	was := atomic.LoadUint32(&t.at(b).flags)
	if was&flagNode == 0 {
		t.set(b, flagNode|uint32(min(level, 15))<<levelShift)
	}
	return was
}

// unmark forgets all that extents made of the buckets but their gens.
func (t *Buckets) unmark() {
	for b := range t.Len() {
		t.at(b).flags &^= flagClean | flagDirty | flagShared | lagMask
	}
	for i := range t.of {
		b := &t.of[i]
		b.sectors, b.owners, b.cells = 0, 0, [cellWords]uint64{}
	}
	t.sets = ownerSets{}
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
	if t.small != nil {
		return
	}
	for {
		w := atomic.LoadUint32(&t.of[b].sectors)
		sum := uint32(min(uint64(w)+uint64(n), 1<<32-1))
		if atomic.CompareAndSwapUint32(&t.of[b].sectors, w, sum) {
			break
		}
	}
	t.own(b, inode)
}
