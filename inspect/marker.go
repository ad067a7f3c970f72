// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"encoding/binary"
	"math/bits"
	"sync"

	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// marker looks at every surviving piece: it marks the buckets, counts the volumes and judges the extents. Leaves are read
// by several workers, but it takes one at a time, under its lock: what it does to a bucket then takes no atomic
// instruction, each of which would keep the processor from fetching the buckets of the next keys meanwhile.
//
// The first walk, which adopts gens, lets a marker judge by the gens there are so far. If no pointer raised one, that was
// right; else all is taken back, and a second walk judges by the gens as they are at the end. A gen that no prio set
// tells is that of the first pointer, until another raises it.
type marker struct {
	c    *Cache
	mu   sync.Mutex
	pace pace

	judge    *judge
	tally    tally
	left     []btree.Piece
	adopting bool // in the first walk
	strange  bool // some plain key of this leaf is in no bucket's account

	trays *trays // nil: each bucket is looked at as its key comes

	// What was found while adopting, for it may have to be taken back. That it was too much is a reason to, or that there
	// is something of which only the second walk can tell.
	held []finding.Finding
	over bool

	// The volume of the last extent, and what is the same for all of its extents.
	vol   *Volume
	owner uint32
	own   uint64 // see Buckets.ownBit
	end   ondisk.Sector

	// The geometry, as one extent after the other needs it.
	dev                  uint64
	first, count, bucket uint64
	shift, block, cell   uint

	fetched uint64 // means nothing, but without it the compiler would fetch nothing
}

// heldFindings is how many findings are kept until the first walk is over.
const heldFindings = 4096

// newMarker starts a marker for the first walk, or for the second.
func newMarker(c *Cache, adopting bool) *marker {
	g := &c.Geo
	m := &marker{
		c: c, adopting: adopting, dev: uint64(g.ThisDev),
		first: uint64(g.FirstBucket), bucket: uint64(g.BucketSectors), shift: uint(bits.TrailingZeros64(uint64(g.BucketSectors))),
		block: uint(bits.TrailingZeros64(uint64(g.BlockSectors))),
	}
	if g.NBuckets > g.FirstBucket {
		m.count = uint64(g.NBuckets - g.FirstBucket)
	}
	sink := c.o.Sink
	if adopting {
		sink = m.hold
		if !c.Buckets.small { // else memory is to be saved
			if m.trays = newTrays(c); m.trays != nil {
				m.trays.count = m.tray
			}
		}
	}
	m.judge = newJudge(c, sink)
	m.cell = uint(bits.TrailingZeros64(uint64(m.judge.cell)))
	return m
}

func (m *marker) hold(f finding.Finding) {
	if len(m.held) == heldFindings {
		m.over = true
		return
	}
	m.held = append(m.held, f)
}

// wasRight reports, after the first walk, whether what was judged stands, and if so hands on what was found.
func (m *marker) wasRight() bool {
	t := m.c.Buckets
	if t.raised.Load() || m.over {
		return false
	}
	for _, f := range m.held {
		m.c.o.Sink(f)
	}
	m.held, m.adopting, m.judge.sink = nil, false, m.c.o.Sink
	return true
}

// plain returns the keys of a leaf that need no more than one look each: see btree.Node.Plain, and nothing in the journal
// lies over them.
func (m *marker) plain(n *btree.Node) [][]byte {
	runs := n.Plain()
	if len(runs) > 0 && len(m.c.keys.pieces) > 0 && len(m.c.newer(ends(runs))) > 0 {
		return nil
	}
	return runs
}

// ends are the first and the last piece of plain keys; nil if there are none.
func ends(runs [][]byte) []btree.Piece {
	var first, last btree.Piece
	some := false
	for _, keys := range runs {
		if len(keys) == 0 {
			continue
		}
		a, z := plainPiece(keys), plainPiece(keys[len(keys)-btree.PlainKey:])
		if !some || a.Before(&first) {
			first = a
		}
		if !some || last.Before(&z) {
			last = z
		}
		some = true
	}
	if !some {
		return nil
	}
	return []btree.Piece{first, last}
}

func plainPiece(b []byte) btree.Piece {
	k := ondisk.Bkey{High: binary.LittleEndian.Uint64(b), Low: binary.LittleEndian.Uint64(b[8:])}
	return btree.Piece{Start: k.Start(), End: k.Offset(), Inode: k.Inode()}
}

// leaf takes the pieces of a leaf. runs are its plain keys, or nil.
func (m *marker) leaf(n *btree.Node, runs [][]byte) {
	if runs != nil {
		for _, keys := range runs {
			m.keys(keys)
		}
		return
	}
	own := n.Extents()
	left := own
	if newer := m.c.newer(own); len(newer) > 0 {
		m.adopt(n.Keys, own)
		m.left = btree.Under(m.left[:0], newer, own)
		left = m.left
	}
	for i := range left {
		p := &left[i]
		if n.Keys.IsPlain(p) {
			m.keys(n.Keys[p.At:][:btree.PlainKey])
			continue
		}
		m.adopt(n.Keys, left[i:i+1])
		m.pieces(n.Keys, left[i:i+1], false, !n.Whole)
	}
}

// adopt adopts the gens of pieces, in the first walk.
func (m *marker) adopt(keys btree.Keys, ps []btree.Piece) {
	if !m.adopting {
		return
	}
	var k ondisk.Bkey
	for i := range ps {
		keys.Key(ps[i], &k)
		m.c.adoptKey(&k, false)
	}
}

// keys takes plain keys.
func (m *marker) keys(keys []byte) {
	if m.trays != nil {
		m.lay(keys)
		return
	}
	for len(keys) > 0 {
		some := keys[:min(len(keys), fetchKeys*btree.PlainKey)]
		m.fetch(some)
		for b := some; len(b) >= btree.PlainKey; b = b[btree.PlainKey:] {
			k := b[:btree.PlainKey:btree.PlainKey]
			m.key(binary.LittleEndian.Uint64(k), binary.LittleEndian.Uint64(k[8:]), binary.LittleEndian.Uint64(k[16:]))
		}
		keys = keys[len(some):]
	}
}

// fetch has the processor fetch what key is about to look at. In a loop as short as this it does so for many keys at a
// time, instead of one after the other.
func (m *marker) fetch(keys []byte) {
	of, cells, told, blocks, shift, block, seen := m.c.Buckets.of, m.c.Buckets.cells, m.c.Buckets.told, m.judge.blocks, m.shift, m.block, uint32(0)
	for ; len(keys) >= btree.PlainKey; keys = keys[btree.PlainKey:] {
		at := binary.LittleEndian.Uint64(keys[16:]) >> 8 & (1<<43 - 1)
		if b := at >> shift; b < uint64(len(of)) {
			seen |= uint32(of[b])
			if b < uint64(len(cells)) {
				seen |= uint32(cells[b][0])
			}
			if b < uint64(len(told)) {
				seen |= told[b]
			}
		}
		if w := at >> block / 64; w < uint64(len(blocks)) {
			seen |= uint32(blocks[w])
		}
	}
	m.fetched = uint64(seen)
}

// pieces takes pieces of a leaf, or of the journal.
func (m *marker) pieces(keys btree.Keys, ps []btree.Piece, fromJournal, partial bool) {
	e := Extent{Partial: partial}
	for i := range ps {
		if m.c.extent(&e, keys, ps[i], fromJournal) {
			m.extent(&e)
		}
	}
}

// extent takes one piece, whatever it is.
func (m *marker) extent(e *Extent) {
	m.judge.extent(e)
	m.tally.add(e)
	m.c.lag(e)
	if e.Live {
		m.c.markLive(e, m.judge.taken[:])
	}
}

// key takes a plain key. Most are live, lie as they should in a bucket of data, and of one volume: for them this does what
// extent does.
func (m *marker) key(high, low, ptr uint64) {
	size, at := high>>20&0xffff, ptr>>8&(1<<43-1)
	b := at >> m.shift
	in := at & (m.bucket - 1)
	if ptr>>51&0xfff != m.dev || b-m.first >= m.count || in+size > m.bucket || (low|size|at)&(1<<m.block-1) != 0 {
		m.odd(high, low, ptr)
		return
	}
	if owner := uint32(high&(1<<20-1)) + 1; owner != m.owner {
		m.turn(owner)
	}
	if m.c.Buckets.small {
		m.smallKey(high, low, ptr)
		return
	}
	s := &m.c.Buckets.of[b]
	if *s&flagUntold != 0 && m.adopting {
		m.c.Buckets.adoptUnknown(ondisk.Bucket(b), uint8(ptr)) // nobody has judged by its gen: this is the first pointer
	}
	if uint8(*s) != uint8(ptr) || *s&(flagMeta|flagUntold) != 0 || low > uint64(m.end) {
		m.odd(high, low, ptr)
		return
	}
	dirty := high >> 36 & 1
	if *s |= flagClean << dirty; (*s|m.own)&ownMany == 0 {
		*s |= m.own
	} else {
		m.c.Buckets.own(ondisk.Bucket(b), m.owner-1)
	}
	m.vol.Extents++
	m.vol.LiveSectors += ondisk.Sector(size)
	m.vol.DirtySectors += ondisk.Sector(size & -dirty)

	m.claim(ondisk.Bucket(b), in, size)
}

// claim claims a live extent's sectors, and counts them.
func (m *marker) claim(b ondisk.Bucket, in, size uint64) {
	t := m.c.Buckets
	from, n := in>>m.cell, size>>m.cell
	if t.cells != nil && (in|size)&(1<<m.cell-1) == 0 && from%64+n <= 64 {
		mask := (^uint64(0) >> (64 - n)) << (from % 64)
		if w := &t.cells[b][from/64%cellWords]; *w&mask == 0 {
			*w |= mask
			t.count(b, ondisk.Sector(size), ondisk.Sector(size))
			return
		}
	}
	t.count(b, ondisk.Sector(size), m.judge.claim(b, m.c.Geo.Start(b)+ondisk.Sector(in), ondisk.Sector(size)))
}

// turn turns to another volume.
func (m *marker) turn(owner uint32) {
	m.vol, m.owner, m.own, m.end = m.tally.volume(owner-1), owner, m.c.Buckets.ownBit(owner-1), ondisk.MaxKeyOffset
	if e, ok := m.judge.ends[owner-1]; ok {
		m.end = e.sector
	}
	if m.trays != nil {
		m.slot()
	}
}

// odd takes a plain key that is not like most.
func (m *marker) odd(high, low, ptr uint64) {
	e := Extent{Bkey: ondisk.Bkey{High: high, Low: low}}
	e.Ptr[0] = ondisk.Ptr(ptr)
	if m.adopting {
		m.c.adoptKey(&e.Bkey, false)
	}
	m.strange = m.strange || m.c.outside(&e.Bkey)
	m.c.judgeLive(&e)
	m.extent(&e)
}
