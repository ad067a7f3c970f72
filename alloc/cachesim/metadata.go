// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"bctl/alloc"
	"bctl/internal/bcache/ondisk"
	"bctl/superblock"
)

const (
	keyBytes     = 24       // struct bkey with one pointer
	jsetBytes    = 240      // struct jset up to its keys, rounded up
	journalDelay = 100_000  // us: journal_delay_ms
	journalBytes = 32 << 10 // the largest entry: PAGE_SIZE << JSET_BITS
	sectorBytes  = ondisk.SectorBytes
	journalBlock = 8 // sectors: what one entry is rounded up to
)

// metadata counts what bcache writes besides data, from below:
//
//	journal  a key for each piece of a write; an entry is written every 100 ms in which there are keys, or when 32 KiB
//	         are full, in blocks of 4 KiB. Read misses are not journalled.
//	btree    each key once when it reaches its leaf, and once more when the leaf is split. A split takes a bucket;
//	         the oldest nodes go while the keys would fit fewer.
//	prios    what the allocator writes, and an entry of the journal for each set
//
// A leaf that is written for one key costs a block, so scattered writes cost more than this. Traces without times are
// taken to fill every journal entry.
type metadata struct {
	nodeSectors int
	prioSectors uint64 // one set

	nodes    []uint32 // buckets, the oldest first
	unsplit  uint64   // bytes of keys since the last split
	keys     uint64   // ever
	keyed    uint64   // sectors they were for
	pending  uint64   // bytes of keys in the open journal entry
	deadline uint64   // us: when it is written
	counted  uint64   // keys that journalled has seen

	journalSectors uint64
	btreeSectors   uint64
}

// size takes the sizes of nodes and prio sets from the device's.
func (m *metadata) size(g superblock.Geometry) {
	m.nodeSectors, m.prioSectors = int(g.NodeSectors), uint64(g.MetaSectors)
}

// leaves is how many nodes the keys of so many live sectors fill: one is split when it would be four fifths full, and
// gc merges what fits into two thirds.
func (m *metadata) leaves(live uint64) int {
	if m.keys == 0 {
		return 1
	}
	size := uint64(m.nodeSectors) * sectorBytes
	bytes := live / max(1, m.keyed/m.keys) * keyBytes
	if bytes <= size*4/5 {
		return 1
	}
	return int((bytes + size*2/3 - 1) / (size * 2 / 3))
}

// nodesOfSector is how many sectors of buckets that are taken for nodes come on each sector of data: a bucket for half a node
// of keys.
func (m *metadata) nodesOfSector(bucket int) float64 {
	if m.keyed == 0 {
		return 0
	}
	keys := float64(m.nodeSectors) * sectorBytes / 2 / keyBytes
	return float64(bucket) * float64(m.keys) / (keys * float64(m.keyed))
}

// keyAdded is a key of n sectors that goes into a leaf.
func (m *metadata) keyAdded(s *Sim, n uint64) {
	m.keys++
	m.keyed += n
	m.unsplit += keyBytes
	if m.unsplit*2 >= uint64(m.nodeSectors)*sectorBytes {
		s.split()
	}
}

// split writes half a node of keys to where they belong, and as many that were there anew.
func (s *Sim) split() {
	m := &s.meta
	m.btreeSectors += 2 * m.unsplit / sectorBytes
	m.unsplit = 0
	s.addNode()
	for leaves := m.leaves(s.liveSectors); len(m.nodes) > leaves+1; { // and the root
		b := m.nodes[0]
		m.nodes = m.nodes[1:]
		s.node[b] = false
		s.c.Free(int(b))
	}
}

// addNode is bch_btree_node_alloc().
func (s *Sim) addNode() {
	b, ok := s.c.Alloc(alloc.ReserveBtree)
	if !ok {
		if at := min(s.priosDone, s.gcDone); at != never {
			s.finish(at)
		}
		if b, ok = s.c.Alloc(alloc.ReserveBtree); !ok {
			return // counted with the reserves' failures; the old node goes on
		}
	}
	s.c.Put(b)
	s.node[b] = true
	s.meta.nodes = append(s.meta.nodes, uint32(b))
}

// journalled puts the keys added since the last call into the journal. Those of read misses, which are not
// journalled, were skipped with skipped.
func (m *metadata) journalled(now uint64, s *Sim) {
	if m.pending > 0 && now >= m.deadline && now > 0 {
		m.writeEntry()
	}
	fresh := (m.keys - m.counted) * keyBytes
	m.counted = m.keys
	if m.pending == 0 {
		m.deadline = now + journalDelay
	}
	for m.pending += fresh; m.pending >= journalBytes-jsetBytes; {
		rest := m.pending - (journalBytes - jsetBytes)
		m.pending = journalBytes - jsetBytes
		m.writeEntry()
		m.pending = rest
	}
}

// skipped forgets the keys added since the last call.
func (m *metadata) skipped() { m.counted = m.keys }

// writeEntry writes the open journal entry.
func (m *metadata) writeEntry() {
	const block = journalBlock * sectorBytes
	m.journalSectors += (m.pending + jsetBytes + block - 1) / block * journalBlock
	m.pending = 0
}
