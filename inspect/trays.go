// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"encoding/binary"
	"math/bits"

	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/hugepages"
)

// trays are where the first walk lays plain keys before it looks at their buckets. Neighbours in a volume lie anywhere on
// the cache, and the table of buckets is far larger than what the processor keeps near: one key after the other would each
// wait for its bucket. So there is a tray for each run of neighbouring buckets, and once it is full, the run is fetched in
// order, which takes a quarter of the time, and all that is on the tray is counted there.
//
// What is on a tray is all that a live extent changes of its bucket, in one word. A finding needs the whole key: where
// there is one, the walk is taken back, and the second, which uses no trays, makes it.
type trays struct {
	size int      // what a tray holds
	rows []uint64 // of all trays; each has a cache line more, or all would begin in the same place of the nearest cache
	full []uint32 // how much is on each

	count func(tray, n int) // takes the first n rows of a tray, which are all of it

	like likeArgs // what the keys are held against that come now

	// Whose keys there are: a row has the owner's number here.
	slots  map[uint32]uint64
	owners [traySlots]trayOwner
	marks  [2 * traySlots]uint64 // by owner and dirty: what a bucket's word has of an extent

	eight  bool // the processor can look at eight keys at once
	made   made
	halves [trayHalves]uint32 // trays whose next line was not fetched yet
	noted  uint32             // how many those are

	fetched uint64 // means nothing, but without it the compiler would fetch nothing
}

type trayOwner struct {
	owner uint32
	vol   *Volume
}

// The parts of a row: 16 bits of the bucket, 7 of the owner, dirty, 8 of the gen, and 16 each of the place and the size
// in sectors.
const (
	trayBucket = 48
	traySlot   = 41
	trayDirty  = 40
	trayGen    = 32
	trayPlace  = 16
	traySlots  = 1 << (trayBucket - traySlot)
	trayMost   = 1 << 16 // the largest bucket, in sectors
)

// How large trays are: a run of buckets fits the second cache of a processor, and all trays together take little beside
// the table.
const (
	trayShift  = 12
	trayRows   = 3072
	trayAll    = 3 << 19
	trayLine   = 8   // rows in a cache line
	trayRun    = 128 // rows that are made before they are laid
	trayHalves = 128
)

// newTrays makes trays for a table of buckets; nil where the words would be too short.
func newTrays(c *Cache) *trays {
	n := (len(c.Buckets.of)-1)>>trayShift + 1
	if c.Geo.BucketSectors > trayMost || len(c.Buckets.of) == 0 {
		return nil
	}
	g := &c.Geo
	t := &trays{size: min(trayRows, max(trayAll/n, trayLine)), slots: map[uint32]uint64{}, eight: hasLikeEight(), full: make([]uint32, n)}
	t.like = likeArgs{
		dev: uint64(g.ThisDev) << ptrDev, first: uint64(g.FirstBucket), count: uint64(max(g.NBuckets, g.FirstBucket) - g.FirstBucket),
		bucket: uint64(g.BucketSectors), blocks: uint64(g.BlockSectors) - 1, shift: uint64(bits.TrailingZeros64(uint64(g.BucketSectors))),
	}
	t.rows = hugepages.Make[uint64](uint64(n * t.stride()))
	return t
}

func (t *trays) stride() int { return t.size + trayLine }

// turn turns to the keys of another volume, which ends at a sector; they have a number on the trays.
func (t *trays) turn(inode uint32, end ondisk.Sector, number uint64) {
	t.like.inode, t.like.end, t.like.slot = uint64(inode), uint64(end), number<<traySlot
}

// slot turns to another volume: what of its keys is laid on trays has its number there.
func (m *marker) slot() {
	t := m.trays
	slot, ok := t.slots[m.owner]
	if !ok {
		if len(t.slots) == traySlots {
			t.empty()
			clear(t.slots)
		}
		slot = uint64(len(t.slots))
		t.slots[m.owner], t.owners[slot] = slot, trayOwner{m.owner, m.vol}
		t.marks[2*slot], t.marks[2*slot+1] = flagClean|m.own, flagDirty|m.own
	}
	t.turn(m.owner-1, m.end, slot)
}

// lay takes plain keys: those like most go on their trays, some at a time.
func (m *marker) lay(keys []byte) {
	for len(keys) >= btree.PlainKey {
		n, sum, dirt := m.trays.first(keys)
		if n > 0 {
			m.vol.Extents += int64(n)
			m.vol.LiveSectors += ondisk.Sector(sum)
			m.vol.DirtySectors += ondisk.Sector(dirt)
		}
		m.trays.spread(n)
		keys = keys[n*btree.PlainKey:]
		if n == trayRun || len(keys) < btree.PlainKey {
			continue
		}
		high, low, ptr := plainWords(keys)
		if owner := uint32(high&(1<<20-1)) + 1; owner != m.owner {
			m.turn(owner)
			continue
		}
		m.odd(high, low, ptr)
		keys = keys[btree.PlainKey:]
	}
}

// first makes the rows of the first keys, as long as they are of the volume that was turned to, and each lies as it should.
// It returns how many there are, and how many sectors they have, and those that are dirty.
func (t *trays) first(keys []byte) (n int, sum, dirt uint64) {
	k, out := &t.like, &t.made
	if t.eight && len(keys) >= 8*btree.PlainKey {
		n = 8 * likeEight(&keys[0], min(len(keys)/btree.PlainKey, trayRun)/8, k, out)
		for i := range out.sum {
			sum += out.sum[i]
			dirt += out.dirt[i]
		}
	}
	return k.each(keys, n, out, sum, dirt)
}

// likeArgs are what a key is held against. The assembly knows each by its place.
type likeArgs struct{ inode, end, dev, first, count, bucket, blocks, slot, shift uint64 }

// made is rows that were not laid yet, and for which tray each is; in eight parts their sectors, and those that are dirty.
// The assembly knows each by its place.
type made struct {
	rows      [trayRun]uint64
	trays     [trayRun]uint32
	sum, dirt [8]uint64
}

// ptrDev is where the device stands in a pointer, of 12 bits.
const ptrDev = 51

// each makes the rows of keys from n on, one by one.
func (k *likeArgs) each(keys []byte, n int, out *made, sum, dirt uint64) (int, uint64, uint64) {
	inode, end, dev, first, count, bucket, blocks, slot, shift := k.inode, k.end, k.dev, k.first, k.count, k.bucket, k.blocks, k.slot, k.shift&63
	for keys = keys[n*btree.PlainKey:]; n < trayRun && len(keys) >= btree.PlainKey; n++ {
		high, low, ptr := plainWords(keys)
		size, at, dirty := high>>20&0xffff, ptr>>8&(1<<43-1), high>>36&1
		b, in := at>>shift, at&(bucket-1)
		if high&(1<<20-1) != inode || ptr&(0xfff<<ptrDev) != dev || b-first >= count || in+size > bucket || (low|size|at)&blocks != 0 || low > end {
			break
		}
		sum += size
		dirt += size & -dirty
		out.trays[n] = uint32(b >> trayShift)
		out.rows[n] = b%(1<<trayShift)<<trayBucket | slot | dirty<<trayDirty | ptr&0xff<<trayGen | in<<trayPlace | size
		keys = keys[btree.PlainKey:]
	}
	return n, sum, dirt
}

func plainWords(b []byte) (high, low, ptr uint64) {
	k := b[:btree.PlainKey:btree.PlainKey]
	return binary.LittleEndian.Uint64(k), binary.LittleEndian.Uint64(k[8:]), binary.LittleEndian.Uint64(k[16:])
}

// spread lays the first n rows that were made on their trays.
func (t *trays) spread(n int) {
	for at := 0; at < n; {
		if hasLayRows {
			at = layRows(&t.made, at, n, &t.rows[0], &t.full[0], t.stride(), t.size)
		} else {
			at = t.layEach(at, n)
		}
		if tray := t.made.trays[at-1]; int(t.full[tray]) == t.size {
			t.count(int(tray), t.size)
			t.full[tray] = 0
		}
	}
	if t.noted >= trayHalves/4 {
		t.fetched = uint64(t.fetchNext())
	}
}

// layEach lays rows from at up to n, or to the first that fills its tray; it returns the place behind the last. Where one
// comes half way along a cache line it notes that, so that the next lines of many trays are fetched together, before they are
// needed.
func (t *trays) layEach(at, n int) int {
	rows, full, stride, size := t.rows, t.full, t.stride(), uint32(t.size)
	for i := at; i < n; i++ {
		tray := t.made.trays[i]
		on := full[tray]
		rows[int(tray)*stride+int(on)] = t.made.rows[i]
		on++
		if full[tray] = on; on == size {
			return i + 1
		}
		t.halves[t.noted%trayHalves] = tray
		if on%trayLine == trayLine/2 {
			t.noted++
		}
	}
	return n
}

// fetchNext has the processor fetch the lines that come next. It answers, or the compiler would fetch nothing.
//
//go:noinline
func (t *trays) fetchNext() (seen uint32) {
	rows, stride := t.rows, t.stride()
	for _, tray := range t.halves[:min(t.noted, trayHalves)] {
		if at := int(tray)*stride + int(t.full[tray]) + trayLine; at < len(rows) {
			seen |= uint32(rows[at])
		}
	}
	t.noted = 0
	return seen
}

// empty counts what is on all trays.
func (t *trays) empty() {
	for i := range t.full {
		t.settle(i)
	}
}

// settle counts what is on a tray.
func (t *trays) settle(i int) {
	if n := int(t.full[i]); n > 0 {
		t.count(i, n)
		t.full[i] = 0
	}
}

// putAway counts what is on the trays still: no more keys come.
func (m *marker) putAway() {
	if m.trays != nil {
		m.trays.empty()
		m.trays = nil
	}
}

// tray counts the first n rows of tray i.
func (m *marker) tray(i, n int) {
	t, table, from := m.trays, m.c.Buckets, i<<trayShift
	rows := t.rows[i*t.stride():][:n]
	of := table.of[from:min(from+1<<trayShift, len(table.of))]
	cells := table.cells
	if cells != nil {
		cells = cells[from:][:len(of)]
	}
	m.fetched = fetchRun(of, cells, rows)
	if table.told != nil {
		m.fetched |= uint64(fetchTold(table.told[from:][:len(of)]))
	}
	shift, inCell, sums := m.cell&63, uint64(1)<<(m.cell&63)-1, table.sums != nil
	for _, r := range rows {
		in := r >> trayBucket
		w, marks := of[in], t.marks[uint8(r>>trayDirty)]
		if (w^r>>trayGen)&rowOdd|marks&ownMany == 0 {
			of[in] = w | marks
		} else if !m.row(&of[in], ondisk.Bucket(from)+ondisk.Bucket(in), r) {
			continue
		}
		place, size := r>>trayPlace&0xffff, r&0xffff
		if at, n := place>>shift, size>>shift; !sums && in < uint64(len(cells)) && (place|size)&inCell == 0 && at%64+n <= 64 {
			mask := (^uint64(0) >> ((64 - n) & 63)) << (at & 63)
			if c := &cells[in][at/64%cellWords]; *c&mask == 0 {
				*c |= mask
				continue
			}
		}
		m.claim(ondisk.Bucket(from)+ondisk.Bucket(in), place, size)
	}
}

// rowOdd is what of a bucket's word must be as a row has it, or else not be set, for the row to be like most.
const rowOdd = genMask | flagMeta | flagUntold | ownMany

// row marks bucket b, whose word is at w, for a row. It is false where the row is no live extent of a bucket of data after
// all.
func (m *marker) row(w *uint64, b ondisk.Bucket, r uint64) bool {
	if *w&flagUntold != 0 { // nobody has judged by its gen: this is the first pointer
		m.c.Buckets.adoptUnknown(b, uint8(r>>trayGen))
		if marks := m.trays.marks[uint8(r>>trayDirty)]; (*w^r>>trayGen)&rowOdd|marks&ownMany == 0 {
			*w |= marks
			return true
		}
	}
	if uint8(*w) != uint8(r>>trayGen) || *w&flagMeta != 0 {
		m.unlike(b, r)
		return false
	}
	*w |= flagClean << (r >> trayDirty & 1)
	m.c.Buckets.own(b, m.trays.owners[r>>traySlot%traySlots].owner-1)
	return true
}

// unlike counts a row that is no live extent of a bucket of data after all.
func (m *marker) unlike(b ondisk.Bucket, r uint64) {
	gen, size, dirty := uint8(r>>trayGen), ondisk.Sector(r&0xffff), r>>trayDirty&1
	v := m.trays.owners[r>>traySlot%traySlots].vol
	v.Extents--
	v.LiveSectors -= size
	v.DirtySectors -= size & -ondisk.Sector(dirty)
	m.c.Buckets.adopt(b, gen, false)
	stale := ondisk.GenAfter(m.c.Buckets.Gen(b), gen)
	if stale == 0 || stale > ondisk.GenLimit || dirty != 0 {
		m.over = true // it raised a gen, or there is a finding
		return
	}
	v.Stale++
	m.c.Buckets.lag(b, stale)
}

// fetchRun has the processor fetch what rows are about. It answers, or the compiler would fetch nothing.
//
//go:noinline
func fetchRun(of []uint64, cells [][cellWords]uint64, rows []uint64) (seen uint64) {
	if 4*len(rows) < len(of) {
		for _, r := range rows {
			in := r >> trayBucket
			seen |= of[in]
			if in < uint64(len(cells)) {
				seen |= cells[in][0]
			}
		}
		return seen
	}
	for i := 0; i < len(of); i += wordsInLine {
		seen |= of[i]
	}
	for i := 0; i < len(cells); i += wordsInLine / cellWords {
		seen |= cells[i][0]
	}
	return seen
}

// fetchTold is fetchRun for the gens that pointers told.
//
//go:noinline
func fetchTold(told []uint32) (seen uint32) {
	for i := 0; i < len(told); i += 2 * wordsInLine {
		seen |= told[i]
	}
	return seen
}

// wordsInLine is how many words stand in a cache line.
const wordsInLine = 8
