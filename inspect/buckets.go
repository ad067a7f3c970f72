// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"iter"
	"math"
	"math/bits"
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

// What is known of a bucket at least is a word: its gen, the disk's and its prio, of 8, 8 and 16 bits; then what it is used
// for, a bit each, its btree level, its oldest pointer's lag, and whose live data are in it: see owners.go.
const (
	genMask   = 0xff
	diskShift = 8
	prioShift = 16
)

const flagShift = 32 // those that a mark goes by come first

const (
	flagSuper uint64 = 1 << (flagShift + iota)
	flagJournal
	flagPrio
	flagUUID
	flagNode
	flagClean
	flagDirty
	flagFreed  // the record of a freed node is ahead of its gen on disk
	flagShared // two live extents claim the same sectors of it
	flagUntold // no prio set tells its gen, and no pointer yet

	levelShift        = 42
	levelMask  uint64 = 0xf << levelShift
	lagShift          = 46
	lagMask    uint64 = 0xff << lagShift
	ownShift          = 54
	ownMask    uint64 = (1<<firstOwners - 1) << ownShift
	ownMany    uint64 = 1 << 63

	flagFixed = flagSuper | flagJournal | flagPrio | flagUUID
	flagMeta  = flagFixed | flagNode
)

// A bucket's sectors are claimed in so many cells.
const (
	cellWords = 2
	cells     = 64 * cellWords
)

// Buckets is the table of all buckets. Its methods may be called from several goroutines, but for those that count live
// extents: the marker calls these, under its lock.
type Buckets struct {
	of    []uint64
	small bool // there is nothing else; see Options.Small

	// The cells of each bucket that live extents claim; nil where the judge keeps account otherwise. See judge.claim.
	cells [][cellWords]uint64

	// How many live sectors a bucket has follows from its cells, where a cell is a block: cell sectors each, and more where
	// they are claimed twice. Where it does not follow, sums has it.
	cell ondisk.Sector
	more []int64 // nil: none anywhere
	sums []uint32

	// Where the prio chain could not be read whole; see adopt.go. Both are nil where it could.
	unknown []bool        // of each prio set: whether only pointers tell its buckets' gens
	told    []uint32      // of each bucket: by pointers
	perSet  ondisk.Bucket // buckets of a prio set

	first  [firstOwners]uint32 // whose data are told by a bit, in the order in which they came
	firsts int
	many   []uint32 // of buckets with ownMany; nil: none
	sets   ownerSets

	raised atomic.Bool // some gen was, since this was cleared

	once sync.Once
	all  Sums
}

// Sums are counts over all buckets.
type Sums struct {
	Marks  [4]uint64 // by Mark
	Leaked uint64    // hold nothing, but have a prio
	Lag    uint8     // of the oldest pointer behind its bucket's gen
}

// Sums counts the buckets, once: ask when the cache is read.
func (t *Buckets) Sums() Sums {
	t.once.Do(func() { t.all = t.sum() })
	return t.all
}

func (t *Buckets) sum() (s Sums) {
	// Buckets are free or not at random, so it does not branch: it counts all combinations of the flags that a mark goes
	// by, with a prio and without, in turn in a few places, for each has to be written before it can be read again.
	const marking, places = 7, 4
	var counts [places][2 << marking]uint64
	for i, w := range t.of {
		hasPrio := uint64(0)
		if uint16(w>>prioShift) != 0 {
			hasPrio = 1
		}
		counts[i%places][w>>flagShift%(1<<marking)|hasPrio<<marking]++
		s.Lag = max(s.Lag, uint8(w>>lagShift))
	}
	for _, c := range counts {
		for i, n := range c {
			m := markOf(uint64(i) % (1 << marking) << flagShift)
			s.Marks[m] += n
			if m == Free && i>>marking != 0 {
				s.Leaked += n
			}
		}
	}
	if t.unknown != nil {
		for i, w := range t.of { // what no prio set tells has none
			if markOf(w) == Free && uint16(w>>prioShift) != 0 && !t.GenKnown(ondisk.Bucket(i)) {
				s.Leaked--
			}
		}
	}
	return s
}

func newBuckets(g *superblock.Geometry) *Buckets {
	return &Buckets{
		of:     hugepages.Make[uint64](uint64(g.NBuckets)),
		perSet: ondisk.Bucket(g.PriosPerBucket()),
	}
}

// newSmall is a table of a third of the memory; see Options.Small.
func newSmall(g *superblock.Geometry) *Buckets {
	return &Buckets{of: make([]uint64, g.NBuckets), small: true, perSet: ondisk.Bucket(g.PriosPerBucket())}
}

// keepCells has live extents claim cells of so many sectors.
func (t *Buckets) keepCells(cell ondisk.Sector) {
	if t.cells == nil {
		t.cell, t.cells = cell, hugepages.Make[[cellWords]uint64](uint64(len(t.of)))
	}
}

// keepSums counts live sectors, for they do not follow from the cells.
func (t *Buckets) keepSums() {
	if t.sums == nil {
		t.sums = hugepages.Make[uint32](uint64(len(t.of)))
	}
}

func (t *Buckets) Len() ondisk.Bucket { return ondisk.Bucket(len(t.of)) }

func (t *Buckets) is(b ondisk.Bucket) uint64          { return atomic.LoadUint64(&t.of[b]) }
func (t *Buckets) set(b ondisk.Bucket, f uint64)      { atomic.OrUint64(&t.of[b], f) }
func (t *Buckets) has(b ondisk.Bucket, f uint64) bool { return t.is(b)&f != 0 }
func (t *Buckets) swap(b ondisk.Bucket, w, n uint64) bool {
	return atomic.CompareAndSwapUint64(&t.of[b], w, n)
}

// Gen is the bucket's gen at registration: the disk's, raised by every adopted pointer.
func (t *Buckets) Gen(b ondisk.Bucket) uint8 { return uint8(t.is(b)) }

// DiskGen is the gen in the prio chain.
func (t *Buckets) DiskGen(b ondisk.Bucket) uint8 { return uint8(t.is(b) >> diskShift) }

// Prio is the prio in the prio chain.
func (t *Buckets) Prio(b ondisk.Bucket) uint16 { return uint16(t.is(b) >> prioShift) }

// Settled reports whether no pointer raised the bucket's gen, and its prio is no node's. Nearly all buckets are.
func (t *Buckets) Settled(b ondisk.Bucket) bool {
	w := t.is(b)
	return uint8(w) == uint8(w>>diskShift) && uint16(w>>prioShift) != ondisk.BtreePrio
}

// GenKnown reports whether the prio chain could be read for b.
func (t *Buckets) GenKnown(b ondisk.Bucket) bool { return t.unknown == nil || !t.unknown[b/t.perSet] }

// Sectors is the sum of the bucket's live extent pieces; 0 in a small table.
func (t *Buckets) Sectors(b ondisk.Bucket) uint32 {
	switch {
	case t.sums != nil:
		return t.sums[b]
	case t.cells == nil:
		return 0
	}
	n := int64(bits.OnesCount64(t.cells[b][0])+bits.OnesCount64(t.cells[b][1])) * int64(t.cell)
	if t.more != nil {
		n += t.more[b]
	}
	return uint32(max(0, min(n, math.MaxUint32)))
}

// Crowded yields the buckets with more live sectors than they have, by the count of those.
func (t *Buckets) Crowded(has ondisk.Sector) iter.Seq2[ondisk.Bucket, uint32] {
	return func(yield func(ondisk.Bucket, uint32) bool) {
		if t.sums == nil && t.more == nil {
			return // none of them is claimed twice
		}
		for b := range t.Len() {
			if n := t.Sectors(b); ondisk.Sector(n) > has && !yield(b, n) {
				return
			}
		}
	}
}

// Lag is how far the oldest pointer to the bucket is behind its gen.
func (t *Buckets) Lag(b ondisk.Bucket) uint8 { return uint8(t.is(b) >> lagShift) }

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
	return markOf(t.is(b))
}

func markOf(f uint64) Mark {
	switch {
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
	const all = 1<<32 - 1
	t.of[b] = t.of[b]&^all | uint64(e.Gen) | uint64(e.Gen)<<diskShift | uint64(e.Prio)<<prioShift
}

// lag notes how far a pointer is behind.
func (t *Buckets) lag(b ondisk.Bucket, by uint8) {
	for {
		if w := t.is(b); uint8(w>>lagShift) >= by || t.swap(b, w, w&^lagMask|uint64(by)<<lagShift) {
			return
		}
	}
}

// claimNode marks b as a node's. It returns what b was marked before; the level is that of the first claim.
func (t *Buckets) claimNode(b ondisk.Bucket, level int) uint64 {
	was := t.is(b)
	if was&flagNode == 0 {
		t.set(b, flagNode|uint64(min(level, 15))<<levelShift)
	}
	return was
}

// unmark forgets all that extents made of the buckets but their gens.
func (t *Buckets) unmark() {
	for b := range t.of {
		t.of[b] &^= flagClean | flagDirty | flagShared | lagMask | ownMask | ownMany
	}
	clear(t.cells)
	clear(t.sums)
	clear(t.many)
	t.more, t.sets = nil, ownerSets{}
}

// add counts a live extent of n sectors, of which taken were not claimed before: in whole cells.
func (t *Buckets) add(b ondisk.Bucket, n, taken ondisk.Sector, dirty bool, inode uint32) {
	f := flagClean
	if dirty {
		f = flagDirty
	}
	if !t.has(b, f) {
		t.set(b, f)
	}
	if t.small {
		return
	}
	t.count(b, n, taken)
	t.own(b, inode)
}

// count counts live sectors; see add.
func (t *Buckets) count(b ondisk.Bucket, n, taken ondisk.Sector) {
	switch {
	case t.sums != nil:
		t.sums[b] = uint32(min(uint64(t.sums[b])+uint64(n), math.MaxUint32))
	case n != taken:
		if t.more == nil {
			t.more = make([]int64, len(t.of))
		}
		t.more[b] += int64(n) - int64(taken)
	}
}
