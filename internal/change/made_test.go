// SPDX-License-Identifier: GPL-2.0-only

package change_test

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/powercut"
	"bctl/superblock"
)

// made is a cache of four prio sets, which none of the shared images has, with the chain before it still intact, and
// with extents of every kind in the range of each set.
type made struct {
	dev        *powercut.Device
	g          superblock.Geometry
	chain, old []ondisk.Bucket
	root, uuid ondisk.Bucket
	gens       []uint8
	keys       []ondisk.Bkey // of the root, a leaf

	dirty, clean, stale, both, freed []ondisk.Bucket // data buckets by what points to them
}

const (
	madeBuckets = 8200
	madeSeq     = 7 // of the chain
	madeJset    = 41
)

type zeroes struct{}

func (zeroes) ReadAt(b []byte, _ int64) (int, error) { clear(b); return len(b), nil }

var _ io.ReaderAt = zeroes{}

// newMade makes it. journal is the count of journal buckets, 0 for as many as the kernel would make.
func newMade(t *testing.T, journal int) *made {
	t.Helper()
	m := &made{dev: powercut.New(zeroes{}, madeBuckets*8192), gens: make([]uint8, madeBuckets)}
	if journal == 0 {
		journal = superblock.JournalCount(madeBuckets)
	}
	s := &ondisk.Super{
		Offset: uint64(ondisk.SuperSector), Version: ondisk.VersionCacheUUID, Magic: ondisk.SuperMagic,
		UUID: ondisk.UUID{1, 15: 2}, SetUUID: ondisk.UUID{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 15: 9},
		Seq: 2, NrInSet: 1, LastMount: 1700000000, Nbuckets: madeBuckets, BlockSize: 8, BucketSize: 16, FirstBucket: 2, Keys: uint16(journal),
	}
	s.SetSync(true)
	for i := range journal {
		s.D[i] = uint64(int(s.FirstBucket) + i)
	}
	s.Csum = s.Checksum()
	m.dev.Put(ondisk.SuperOffset, s.Append(nil))
	g, err := superblock.NewGeometry(s)
	if err != nil {
		t.Fatal(err)
	}
	if m.g = g; g.PrioBuckets() != 4 {
		t.Fatalf("%d prio sets, want 4", g.PrioBuckets())
	}
	// The sets stand in each other's ranges: a destroyed one hides the gens of another's bucket.
	m.chain, m.old = []ondisk.Bucket{3000, 6000, 8190, 500}, []ondisk.Bucket{501, 3001, 6001, 8191}
	m.root, m.uuid = 5500, 2800
	m.extents()
	m.writeLeaf()
	m.writeChains()
	m.writeUUIDs(t)
	m.writeJournal()
	return m
}

// point adds a key of 8 sectors that points to half of bucket b.
func (m *made) point(b ondisk.Bucket, half int, gen uint8, dirty bool) {
	k := ondisk.MakeKey(0, 16+ondisk.Sector(8*(len(m.keys)+1)), 8)
	k.SetPtrs(1)
	k.SetDirty(dirty)
	k.Ptr[0] = ondisk.MakePtr(gen, m.g.Start(b)+ondisk.Sector(8*half), 0)
	m.keys = append(m.keys, k)
}

// extents puts five data buckets of each kind into the range of each set, and stale pointers to all metadata.
func (m *made) extents() {
	for b := range m.gens {
		m.gens[b] = uint8(3 + b%5)
	}
	for set := range 4 {
		for i := range 5 {
			b := ondisk.Bucket(set*m.g.PriosPerBucket() + 1000/(1+set) + 9*i) // set 3 is short
			if set == 3 {
				b = 8155 + ondisk.Bucket(5*i)
			}
			gen := m.gens[b]
			m.dirty, m.clean, m.stale = append(m.dirty, b), append(m.clean, b+1), append(m.stale, b+2)
			m.both, m.freed = append(m.both, b+3), append(m.freed, b+4)
			m.point(b, 0, gen, true)
			m.point(b, 1, gen, false)
			m.point(b+1, 0, m.gens[b+1], false)
			m.point(b+1, 1, m.gens[b+1]-2, false) // stale: an older use of the bucket
			m.point(b+2, 0, m.gens[b+2]-1, false) // stale: invalidated
			m.point(b+2, 1, m.gens[b+2]-2, false)
			m.point(b+3, 0, m.gens[b+3], true)
			m.point(b+3, 1, m.gens[b+3]-1, false)
		}
	}
	for _, b := range slices.Concat(m.chain, m.old, []ondisk.Bucket{m.root, m.uuid}) {
		m.point(b, 0, m.gens[b]-1, false) // all of them held data once
	}
}

func (m *made) ptr(b ondisk.Bucket, size ondisk.Sector) ondisk.Bkey {
	k := ondisk.MakeKey(ondisk.MaxInode, ondisk.MaxKeyOffset, size)
	k.SetPtrs(1)
	k.Ptr[0] = ondisk.MakePtr(m.gens[b], m.g.Start(b), 0)
	return k
}

func (m *made) writeLeaf() {
	parent := m.ptr(m.root, m.g.NodeSectors)
	set := &ondisk.Bset{BsetHeader: ondisk.BsetHeader{Seq: 0x5eed, Version: ondisk.BsetVersion}, Data: m.keys}
	set.Seal(m.g.SetMagic, parent.Ptr[0])
	m.dev.Put(m.g.Start(m.root).Bytes(), set.Append(nil))
}

func (m *made) writeChains() {
	older := slices.Clone(m.gens)
	for b := range older {
		older[b]-- // every bucket was used once since
	}
	m.writeChain(m.old, madeSeq-1, older, 0)
	m.writeChain(m.chain, madeSeq, m.gens, m.old[0])
}

func (m *made) writeChain(chain []ondisk.Bucket, seq uint64, gens []uint8, before ondisk.Bucket) {
	per := m.g.PriosPerBucket()
	for i, at := range chain {
		set := &ondisk.PrioSet{Seq: seq, NextBucket: uint64(before), Data: make([]ondisk.PrioEntry, per)}
		set.Tail = make([]byte, int(m.g.MetaSectors.Bytes())-ondisk.PrioSetBytes-3*per)
		if i < len(chain)-1 {
			set.NextBucket = uint64(chain[i+1])
		}
		for k := range set.Data {
			if b := i*per + k; b < len(gens) {
				set.Data[k] = ondisk.PrioEntry{Prio: 100, Gen: gens[b]}
			}
		}
		set.Seal(m.g.SetMagic)
		m.dev.Put(m.g.Start(at).Bytes(), set.Append(nil))
	}
}

func (m *made) writeUUIDs(t *testing.T) {
	t.Helper()
	u := ondisk.UUIDEntry{UUID: ondisk.UUID{9, 15: 9}, FirstReg: 1700000000, LastReg: 1700000000}
	m.dev.Put(m.g.Start(m.uuid).Bytes(), u.Append(nil))
}

// writeJournal writes the entry of the older chain and the newest one into the first journal bucket.
func (m *made) writeJournal() {
	for i, head := range []ondisk.Bucket{m.old[0], m.chain[0]} {
		m.entry(0, i, madeJset-1+uint64(i), madeJset, head)
	}
}

// entry writes an entry to a block of a journal bucket.
func (m *made) entry(ring, block int, seq, last uint64, head ondisk.Bucket, keys ...ondisk.Bkey) {
	j := &ondisk.Jset{Seq: seq, Version: 1, LastSeq: min(last, seq), Keys: keys}
	j.UUIDBucket.Bkey, j.BtreeRoot.Bkey = m.ptr(m.uuid, m.g.MetaSectors), m.ptr(m.root, m.g.NodeSectors)
	j.PrioBucket[0] = uint64(head)
	j.Seal(m.g.SetMagic)
	b := m.g.Pad(j.Append(nil))
	at := m.g.Start(m.g.FirstBucket+ondisk.Bucket(ring)) + ondisk.Sector(block)*m.g.BlockSectors
	m.dev.Put(at.Bytes(), b)
}

// destroy makes a prio set of the chain unreadable: its checksum is wrong, or nothing of it is left.
func (m *made) destroy(i int, whole bool) { destroySet(m.dev, &m.g, m.chain[i], whole) }

func destroySet(dev *powercut.Device, g *superblock.Geometry, b ondisk.Bucket, whole bool) {
	at := g.Start(b).Bytes()
	if whole {
		dev.Put(at, make([]byte, g.MetaSectors.Bytes()))
		return
	}
	dev.Put(at+100, bytes.Repeat([]byte{0x5a}, 7))
}

func TestMadeIsSound(t *testing.T) {
	m := newMade(t, 0)
	sound(t, "made", m.dev)
	c, found := read(t, m.dev)
	if found.Damaged() || len(extents(t, c, isLive)) != 4*5*4 || len(extents(t, c, isDirty)) != 4*5*2 {
		t.Errorf("%d live extents, %d dirty; %v", len(extents(t, c, isLive)), len(extents(t, c, isDirty)), found.Findings())
	}
}
