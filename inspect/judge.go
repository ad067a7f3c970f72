// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"cmp"
	"math/bits"
	"sort"
	"sync"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/finding"
	"bctl/internal/hugepages"
)

// judge checks extents one by one, and that no two claim the same sectors of the cache.
type judge struct {
	c    *Cache
	sink finding.Sink

	// What is claimed of the cache, exactly, in one of two ways. Where a bucket has no more blocks than cells, a cell is
	// a block, and a bit in the bucket says that it is claimed. Where it has more, a cell is several blocks, and edges
	// has a bit a block of each cell that was claimed in part: no more than two an extent. Where that would take more
	// than a bit for each block of the device, blocks has those instead.
	cell   ondisk.Sector
	edges  map[uint64]uint64
	blocks []uint64
	window *window // nil: blocks has all of the device

	// Where volumes end, as far as anybody knows.
	ends map[uint32]end

	shared bool // some bucket has flagShared

	taken [len(ondisk.Bkey{}.Ptr)]ondisk.Sector // of the last extent: what each pointer claimed anew
}

type end struct {
	sector ondisk.Sector
	code   finding.Code
}

// blocksAtMost is how much memory a bit for each block may take, in bytes. Beyond it edges are kept instead: few in
// practice, where what is written is of whole pages.
const blocksAtMost = 128 << 20

// sharedBuckets is how many buckets with doubly claimed sectors are looked into.
const sharedBuckets = 1024

func newJudge(c *Cache, sink finding.Sink) *judge {
	g := &c.Geo
	j := &judge{c: c, sink: sink, ends: map[uint32]end{}, cell: max(g.BlockSectors, g.BucketSectors/cells)}
	blocks := min(uint64(g.Size()), uint64(max(c.o.Size, 0))) / uint64(g.BlockSectors.Bytes())
	t := c.Buckets
	switch {
	case c.o.Small:
		j.blocks = make([]uint64, min(blocks/64+1, cmp.Or(c.o.window, max(windowWords, uint64(g.NBuckets)*2/3))))
		j.window = &window{n: uint64(len(j.blocks)) * 64, all: blocks}
	case j.cell == g.BlockSectors: // no edges
		t.keepCells(j.cell)
	case blocks/8 <= blocksAtMost || j.cell/g.BlockSectors > 64:
		j.blocks = hugepages.Make[uint64](blocks/64 + 1)
		t.keepSums()
	default:
		j.edges = map[uint64]uint64{}
		t.keepCells(j.cell)
		t.keepSums()
	}
	for i := range c.UUIDs {
		u := &c.UUIDs[i]
		if uuids.Garbage(u) {
			continue
		}
		if s, ok := c.o.Ends[u.UUID]; ok {
			j.ends[uint32(i)] = end{s, finding.EXPastBacking}
		} else if u.FlashOnly() {
			j.ends[uint32(i)] = end{ondisk.Sector(u.Sectors), finding.UUFlashEnd}
		}
	}
	return j
}

// Subject names the extent in findings.
func (c *Cache) Subject(e *Extent) finding.Extent {
	s := finding.Extent{Key: e.Bkey}
	if e.Ptrs() > 0 && e.Ptr[0].Available() {
		b := c.Geo.BucketOf(e.Ptr[0].Offset())
		s.Bucket = &b
	}
	return s
}

func (j *judge) emit(e *Extent, code finding.Code, why string) {
	j.sink(finding.About(j.c.Subject(e), code, "%s", why))
}

func (j *judge) extent(e *Extent) {
	clear(j.taken[:])
	switch {
	case e.Size() > e.Offset():
		j.emit(e, finding.EXSize, "longer than its offset")
		return
	case e.Ptrs() == 0 && e.Dirty():
		j.emit(e, finding.EXDirtyNoPtr, "dirty without a pointer")
		return
	}
	block := e.Ptrs() > 0 && e.Ptr[0].Dev() != ondisk.PtrCheckDev
	if b := j.c.Geo.BlockSectors - 1; block && (e.Offset()&b != 0 || e.Size()&b != 0 || e.Ptr[0].Offset()&b != 0) {
		j.emit(e, finding.EXAlign, "not a multiple of the block size")
	}
	for i, p := range e.Ptr[:e.Ptrs()] {
		j.taken[i] = j.pointer(e, p)
	}
	if last, ok := j.ends[e.Inode()]; ok && e.Live && e.Offset() > last.sector {
		s := j.c.Subject(e)
		s.VolumeEnd = last.sector
		j.c.o.Sink(finding.About(s, last.code, "its volume ends at sector %d", last.sector))
	}
	if e.Stale > 0 && e.Dirty() {
		j.emit(e, finding.EXStaleDirty, "stale dirty pointer: its bucket was reused")
	}
	if e.Stale > ondisk.GenLimit {
		j.emit(e, finding.GNStale, "too far behind its bucket's gen")
	}
}

// pointer returns how many sectors it claims anew; see claim.
func (j *judge) pointer(e *Extent, p ondisk.Ptr) (taken ondisk.Sector) {
	g := &j.c.Geo
	b := g.BucketOf(p.Offset())
	switch {
	case p.Dev() == ondisk.PtrCheckDev:
		if e.Dirty() {
			j.emit(e, finding.EXPlaceholder, "a dirty placeholder")
		}
		return 0
	case p.Dev() != uint64(g.ThisDev):
		j.emit(e, finding.EXPtrDev, "not on this device")
		return 0
	case b < g.FirstBucket:
		j.emit(e, finding.EXShort, "before the first bucket")
		return 0
	case b >= g.NBuckets:
		j.emit(e, finding.EXPastEnd, "past the end of the device")
		return 0
	case g.Remainder(p.Offset())+e.Size() > g.BucketSectors:
		j.emit(e, finding.EXCross, "across the end of its bucket")
		return 0
	case !e.Live:
		return 0
	}
	switch t := j.c.Buckets; {
	case t.has(b, flagFixed):
		j.emit(e, finding.EXReserved, "its bucket is also "+t.Owner(b))
	case t.has(b, flagNode):
		j.emit(e, finding.EXMetadata, "its bucket is also "+t.Owner(b))
	}
	return j.claim(b, p.Offset(), e.Size())
}

// claim claims the extent's sectors; where some were claimed before, the bucket is suspect. Where the table's sums go by
// cells, it returns the sectors of those that were not claimed before.
func (j *judge) claim(b ondisk.Bucket, at, n ondisk.Sector) (taken ondisk.Sector) {
	hit, first, last := false, uint64(at/j.c.Geo.BlockSectors), uint64((at+n-1)/j.c.Geo.BlockSectors)
	switch {
	case j.window != nil:
		hit = j.window.claim(j.blocks, first, last)
	case j.blocks != nil:
		_, hit = claimBits(j.blocks, first, last)
	case j.edges == nil:
		var fresh int
		from := j.c.Geo.Remainder(at)
		fresh, hit = claimBits(j.c.Buckets.cells[b][:], uint64(from/j.cell), uint64((from+n-1)/j.cell))
		taken = ondisk.Sector(fresh) * j.cell
	default:
		hit = j.claimEdges(b, j.c.Geo.Remainder(at), n)
	}
	if hit {
		j.suspect(b)
	}
	return taken
}

// suspect notes that two live extents claim the same sectors of a bucket.
func (j *judge) suspect(b ondisk.Bucket) {
	j.c.Buckets.set(b, flagShared)
	j.shared = true
}

// claimBits sets the bits from first to last. It returns how many were not, and whether one was.
func claimBits(words []uint64, first, last uint64) (fresh int, hit bool) {
	for w := first / 64; w <= last/64 && w < uint64(len(words)); w++ {
		mask := ^uint64(0)
		if w == first/64 {
			mask &= ^uint64(0) << (first % 64)
		}
		if w == last/64 {
			mask &= ^uint64(0) >> (63 - last%64)
		}
		hit = words[w]&mask != 0 || hit
		fresh += bits.OnesCount64(mask &^ words[w])
		words[w] |= mask
	}
	return fresh, hit
}

// claimEdges claims the sectors from from on in b, cell by cell where it claims cells in part. Of a suspect bucket it
// keeps no account.
func (j *judge) claimEdges(b ondisk.Bucket, from, n ondisk.Sector) (hit bool) {
	words, block, last := j.c.Buckets.cells[b][:], j.c.Geo.BlockSectors, (from+n-1)/j.cell
	if from%j.cell == 0 && (from+n)%j.cell == 0 {
		_, hit = claimBits(words, uint64(from/j.cell), uint64(last))
		return hit
	}
	for cell := from / j.cell; cell <= last; cell++ {
		lo, hi := max(from, cell*j.cell)%j.cell/block, (min(from+n, (cell+1)*j.cell)-1)%j.cell/block
		part := ^uint64(0) << lo & (^uint64(0) >> (63 - hi))
		_, claimed := claimBits(words, uint64(cell), uint64(cell))
		id := uint64(b)*cells + uint64(cell)
		if hi-lo+1 == j.cell/block {
			hit = hit || claimed
			continue
		}
		had, inPart := j.edges[id]
		hit = hit || claimed && !inPart || had&part != 0
		if !claimed || inPart {
			j.edges[id] = had | part
		}
	}
	return hit
}

// finish names the extents that share sectors: a walk for their buckets alone.
func (j *judge) finish(m *marker) error {
	if err := j.others(m); err != nil {
		return err
	}
	j.blocks = nil
	if !j.shared {
		return nil
	}
	looked := map[ondisk.Bucket]bool{}
	for b := ondisk.Bucket(0); b < j.c.Buckets.Len() && len(looked) < sharedBuckets; b++ {
		if j.c.Buckets.has(b, flagShared) {
			looked[b] = true
		}
	}
	var mu sync.Mutex
	var found []Extent
	err := j.c.Walk(func(_ int, e *Extent) {
		if e.Live && looked[j.c.Geo.BucketOf(e.Ptr[0].Offset())] {
			mu.Lock()
			defer mu.Unlock()
			found = append(found, *e)
		}
	})
	sort.Slice(found, func(i, j int) bool {
		a, b := &found[i], &found[j]
		return 0 > cmp.Or(cmp.Compare(a.Ptr[0].Offset(), b.Ptr[0].Offset()), a.Pos().Compare(b.Pos()),
			cmp.Compare(a.High, b.High), cmp.Compare(a.Ptr[0], b.Ptr[0]))
	})
	for i := 1; i < len(found); i++ {
		a, b := &found[i-1], &found[i]
		if end := a.Ptr[0].Offset() + a.Size(); b.Ptr[0].Offset() < end {
			j.emit(b, finding.EXShared, "shares sectors of the cache with "+a.String())
			if b.Ptr[0].Offset()+b.Size() < end {
				found[i] = *a // it goes on over the next
			}
		}
	}
	return err
}
