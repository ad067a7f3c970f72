// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"encoding/binary"
	"io"
	"slices"
	"testing"
)

// A slow second reader, written from the description of the format alone: a plain map from sector to what stands
// there, for every inode. It knows no pieces, no cutting and no merging, and trusts every checksum: it is for sound
// devices.
type slow struct {
	bucketSectors, blockSectors, nodeSectors uint64
	first, njournal, nbuckets, thisDev       uint64

	prio     []uint16
	diskGen  []uint8
	gen      []uint8
	metadata map[uint64]string // bucket to its owner
	nodes    int
	level    uint64
	live     int // journal entries
	seq      uint64

	sectors map[uint32]map[uint64]there
	nextKey int
}

// there is what a sector of a volume leads to: the key that has it, where on the cache it is, and how.
type there struct {
	key            int
	at             uint64 // sector on the cache, of this very sector
	gen            uint8
	here, ptr, hot bool // on this device; anything at all; dirty
}

var le = binary.LittleEndian

func slowRead(t testing.TB, r io.ReaderAt) *slow {
	t.Helper()
	read := func(sector, n uint64) []byte {
		b := make([]byte, 512*n)
		if _, err := r.ReadAt(b, int64(512*sector)); err != nil {
			t.Fatal(err)
		}
		return b
	}
	sb := read(8, 8)
	m := &slow{
		nbuckets: le.Uint64(sb[184:]), blockSectors: uint64(le.Uint16(sb[192:])), bucketSectors: uint64(le.Uint16(sb[194:])),
		thisDev: uint64(le.Uint16(sb[198:])), first: uint64(le.Uint16(sb[204:])), njournal: uint64(le.Uint16(sb[206:])),
		metadata: map[uint64]string{}, sectors: map[uint32]map[uint64]there{},
	}
	meta := min(m.bucketSectors, 4<<20/512)
	m.nodeSectors = meta
	if meta > 512 {
		m.nodeSectors = max(meta/4, 512)
	}
	for b := range m.first {
		m.metadata[b] = "superblock"
	}

	// The journal: every entry from each bucket's start to its first block of another magic.
	magic := le.Uint64(sb[56:]) ^ 0x245235c1a3625032
	var entries [][]byte
	for i := range m.njournal {
		m.metadata[m.first+i] = "journal"
		b := read((m.first+i)*m.bucketSectors, m.bucketSectors)
		for len(b) >= 240 && le.Uint64(b[8:]) == magic {
			n := 240 + 8*uint64(le.Uint32(b[28:]))
			entries = append(entries, b[:n])
			b = b[min(uint64(len(b)), m.roundUp(n)):]
		}
	}
	slices.SortFunc(entries, func(a, b []byte) int { return int(le.Uint64(a[16:])) - int(le.Uint64(b[16:])) })
	newest := entries[len(entries)-1]
	m.seq, m.level = le.Uint64(newest[16:]), uint64(le.Uint16(newest[168:]))
	entries = slices.DeleteFunc(entries, func(e []byte) bool { return le.Uint64(e[16:]) < le.Uint64(newest[32:]) })
	m.live = len(entries)

	// The prio chain.
	for b := le.Uint64(newest[176+8*m.thisDev:]); uint64(len(m.diskGen)) < m.nbuckets; {
		m.metadata[b] = "prio"
		set := read(b*m.bucketSectors, meta)
		b = le.Uint64(set[32:])
		for set = set[40:]; len(set) >= 3 && uint64(len(m.diskGen)) < m.nbuckets; set = set[3:] {
			m.prio, m.diskGen = append(m.prio, le.Uint16(set)), append(m.diskGen, set[2])
		}
	}
	m.gen = slices.Clone(m.diskGen)
	m.metadata[(le.Uint64(newest[40+16:])>>8&(1<<43-1))/m.bucketSectors] = "uuid"

	root := slowKeys(newest[104:128])[0] // one pointer
	m.node(read, root.raw, int(m.level))
	m.adopt(root)
	for _, e := range entries {
		for _, k := range slowKeys(e[240:]) {
			m.adopt(k)
		}
	}
	for _, e := range entries {
		for _, k := range slowKeys(e[240:]) {
			m.put(m.sectors, k)
		}
	}
	return m
}

func (m *slow) roundUp(n uint64) uint64 {
	return (n + 512*m.blockSectors - 1) / (512 * m.blockSectors) * 512 * m.blockSectors
}

// slowKey is a key with its first pointer, if it has one.
type slowKey struct {
	inode       uint32
	end, size   uint64
	dirty       bool
	ptrs        int
	dev, offset uint64
	gen         uint8
	raw         uint64
}

func slowKeys(b []byte) (out []slowKey) {
	for len(b) > 0 {
		high := le.Uint64(b)
		k := slowKey{
			inode: uint32(high & (1<<20 - 1)), end: le.Uint64(b[8:]), size: high >> 20 & (1<<16 - 1),
			dirty: high>>36&1 == 1, ptrs: int(high >> 60 & 7),
		}
		if k.ptrs > 0 {
			k.raw = le.Uint64(b[16:])
			k.dev, k.offset, k.gen = k.raw>>51, k.raw>>8&(1<<43-1), uint8(k.raw)
		}
		out = append(out, k)
		b = b[16+8*k.ptrs:]
	}
	return out
}

// ahead is how far gen a is ahead of b, if it is.
func ahead(a, b uint8) bool { return a != b && a-b <= 127 }

// adopt raises the bucket's gen to the key's.
func (m *slow) adopt(k slowKey) {
	if b := k.offset / m.bucketSectors; k.ptrs > 0 && k.dev < 8 && ahead(k.gen, m.gen[b]) {
		m.gen[b] = k.gen
	}
}

// put lays a key over a map of sectors.
func (m *slow) put(to map[uint32]map[uint64]there, k slowKey) {
	m.nextKey++
	if to[k.inode] == nil {
		to[k.inode] = map[uint64]there{}
	}
	for i := range k.size {
		to[k.inode][k.end-k.size+i] = there{m.nextKey, k.offset + i, k.gen, k.ptrs > 0 && k.dev == m.thisDev, k.ptrs > 0, k.dirty}
	}
}

// node reads a node and all below it. Registration adopts an interior node's gens, freed nodes' too, before its
// children's; of a leaf those of the keys of which anything is left.
func (m *slow) node(read func(sector, n uint64) []byte, ptr uint64, level int) {
	sector := ptr >> 8 & (1<<43 - 1)
	m.nodes++
	m.metadata[sector/m.bucketSectors] = "btree level " + string(rune('0'+level))
	b := read(sector, m.nodeSectors)
	seq := le.Uint64(b[16:])
	var keys []slowKey
	for len(b) >= 32 && le.Uint64(b[16:]) == seq {
		n := 32 + 8*uint64(le.Uint32(b[28:]))
		keys = append(keys, slowKeys(b[32:n])...)
		b = b[min(uint64(len(b)), m.roundUp(n)):]
	}
	if level > 0 {
		for _, k := range keys {
			m.adopt(k)
		}
		for _, k := range keys {
			if (k.inode != 0 || k.end != 0) && k.ptrs > 0 && !ahead(m.gen[k.offset/m.bucketSectors], k.gen) {
				m.node(read, k.raw, level-1)
			}
		}
		return
	}
	own := map[uint32]map[uint64]there{}
	from := m.nextKey
	for _, k := range keys {
		m.put(own, k)
	}
	left := map[int]bool{}
	for inode, sectors := range own {
		for s, x := range sectors {
			left[x.key] = true
			if m.sectors[inode] == nil {
				m.sectors[inode] = map[uint64]there{}
			}
			m.sectors[inode][s] = x // leaves do not overlap
		}
	}
	for i, k := range keys {
		if left[from+1+i] {
			m.adopt(k)
		}
	}
}

// slowVolume is what there is of one inode.
type slowVolume struct{ extents, live, dirty, stale int64 }

// slowBucket is what there is in one bucket.
type slowBucket struct {
	mark    string
	sectors uint32
	inodes  []uint32
	owner   string
}

// judge counts. An extent is a run of sectors of one key that lie side by side in the volume.
func (m *slow) judge() (vols map[uint32]*slowVolume, buckets []slowBucket) {
	vols, buckets = map[uint32]*slowVolume{}, make([]slowBucket, m.nbuckets)
	for i := range buckets {
		buckets[i].mark = "free"
	}
	for inode, sectors := range m.sectors {
		for s, x := range sectors {
			if !x.here {
				continue
			}
			v := vols[inode]
			if v == nil {
				v = &slowVolume{}
				vols[inode] = v
			}
			before, joined := sectors[s-1]
			starts := s == 0 || !joined || before.key != x.key
			b := &buckets[x.at/m.bucketSectors]
			if ahead(m.gen[x.at/m.bucketSectors], x.gen) {
				if starts {
					v.stale++
				}
				continue
			}
			if starts {
				v.extents++
			}
			v.live++
			b.sectors++
			if !slices.Contains(b.inodes, inode) {
				b.inodes = append(b.inodes, inode)
			}
			if x.hot {
				v.dirty++
				b.mark = "dirty"
			} else if b.mark == "free" {
				b.mark = "clean"
			}
		}
	}
	for b, owner := range m.metadata {
		buckets[b].mark, buckets[b].owner = "metadata", owner
	}
	for i := range buckets {
		slices.Sort(buckets[i].inodes)
	}
	return vols, buckets
}
