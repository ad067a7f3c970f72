// SPDX-License-Identifier: GPL-2.0-only

package journal

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/superblock"
)

const testMagic = 0x1122334455667788

// testGeo is a small cache: its journal is n buckets of 8 KiB, its blocks 512 bytes.
func testGeo(n int) *superblock.Geometry {
	return &superblock.Geometry{
		BlockSectors: 1, BucketSectors: 16, MetaSectors: 16, NodeSectors: 16, FirstBucket: 2, NBuckets: 1024, NJournal: n, SetMagic: testMagic,
	}
}

// A ring is a journal that a test writes as the kernel does.
type ring struct {
	g   *superblock.Geometry
	dev []byte

	seq, last uint64        // of the newest entry that was written whole
	cur       int           // its bucket
	off       ondisk.Sector // behind it
	top       []uint64      // the highest seq that each bucket holds
}

func newRing(n int) *ring {
	g := testGeo(n)
	return &ring{g: g, dev: make([]byte, (int64(g.FirstBucket)+int64(n)+1)*g.BucketSectors.Bytes()), top: make([]uint64, n)}
}

// entry is a sound jset: its pointers lead into the device, though nothing stands there.
func entry(seq, last uint64, keys int) *ondisk.Jset {
	j := &ondisk.Jset{Seq: seq, LastSeq: last, Version: 1}
	meta := func(at ondisk.Sector) ondisk.Bkey {
		k := ondisk.MaxKey
		k.SetPtrs(1)
		k.SetSize(16)
		k.Ptr[0] = ondisk.MakePtr(1, at, 0)
		return k
	}
	j.BtreeRoot.Bkey, j.UUIDBucket.Bkey = meta(16*500), meta(16*501)
	j.PrioBucket[0] = 502
	for i := range keys {
		k := ondisk.MakeKey(0, ondisk.Sector(8*i+8), 8)
		k.SetPtrs(1)
		k.Ptr[0] = ondisk.MakePtr(uint8(seq), ondisk.Sector(16*600+64*seq)+ondisk.Sector(i), 0) // no two entries look alike
		j.Keys = append(j.Keys, k)
	}
	return j
}

func (r *ring) at(bucket int, off ondisk.Sector) int64 {
	return (r.g.Start(r.g.FirstBucket+ondisk.Bucket(bucket)) + off).Bytes()
}

// put writes j wherever it is told to, and returns the sector behind it.
func (r *ring) put(bucket int, off ondisk.Sector, j *ondisk.Jset) ondisk.Sector {
	j.Seal(testMagic)
	return off + r.g.Blocks(int64(copy(r.dev[r.at(bucket, off):], j.Append(nil))))
}

// place is where an entry of n bytes goes: behind the newest, or to the start of the next bucket.
func (r *ring) place(bytes int64) (bucket int, off ondisk.Sector) {
	if r.off+r.g.Blocks(bytes) <= r.g.BucketSectors {
		return r.cur, r.off
	}
	return (r.cur + 1) % r.g.NJournal, 0
}

// write is journal_write: the next entry, which needs all entries from last on.
func (r *ring) write(last uint64, keys int) *ondisk.Jset {
	j := entry(r.seq+1, last, keys)
	bucket, off := r.place(int64(len(j.Append(nil))))
	r.seq, r.last, r.cur, r.off = j.Seq, last, bucket, r.put(bucket, off, j)
	r.top[bucket] = r.seq
	return j
}

// tear writes some sectors of the next entry, not all, over what stands there.
func (r *ring) tear(rnd *rand.Rand, keys int) {
	j := entry(r.seq+1, r.last, keys)
	j.Seal(testMagic)
	b := j.Append(nil)
	bucket, off := r.place(int64(len(b)))
	b = append(b, make([]byte, -len(b)&511)...)
	skip := rnd.IntN(len(b) / 512)
	for s := range len(b) / 512 {
		if s != skip && rnd.IntN(2) == 0 {
			copy(r.dev[r.at(bucket, off)+int64(512*s):], b[512*s:512*s+512])
		}
	}
}

// room reports whether the bucket after next is free too: the kernel keeps one in reserve.
func (r *ring) room() bool {
	n := r.g.NJournal
	return r.top[(r.cur+1)%n] < r.last && r.top[(r.cur+2)%n] < r.last
}

func (r *ring) scan(workers int) (*Log, []finding.Finding, error) {
	c := new(finding.Collector)
	l, err := Scan(bytes.NewReader(r.dev), r.g, workers, c.Add)
	return l, c.Findings(), err
}

func seqs(es []Entry) (out []uint64) {
	for _, e := range es {
		out = append(out, e.Seq)
	}
	return out
}

// A journal as the kernel writes it, over several laps, stopped anywhere, its last entry whole or torn, old buckets
// discarded or not: what is live is found, all of it, and nothing is reported but what a crash leaves.
func TestEverySoundRing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(13, 14))
	for round := range 600 {
		r := newRing(4 + rnd.IntN(8))
		r.g.BlockSectors = []ondisk.Sector{1, 1, 2, 4}[rnd.IntN(4)]
		r.g.Discard = rnd.IntN(3) == 0
		r.cur = -1 // the first entry goes to bucket 0, as the kernel's
		r.off = r.g.BucketSectors
		largest := 1 + rnd.IntN(60) // keys of 24 bytes: up to four entries a bucket
		sums := map[uint64]uint64{}
		for range 1 + rnd.IntN(150) {
			last := r.last
			switch rnd.IntN(4) {
			case 0:
				last += rnd.Uint64N(r.seq + 2 - last)
			case 1: // everything is in the tree
				last = r.seq + 1
			}
			if r.cur >= 0 && !r.room() {
				last = r.seq + 1
			}
			j := r.write(max(last, 1), rnd.IntN(largest))
			sums[j.Seq] = j.Csum
			for b := range r.top {
				if r.g.Discard && b != r.cur && r.top[b] < r.last && rnd.IntN(2) == 0 {
					clear(r.dev[r.at(b, 0):r.at(b+1, 0)])
				}
			}
		}
		torn := rnd.IntN(2) == 0
		if torn {
			r.tear(rnd, rnd.IntN(largest))
		}
		l, found, err := r.scan(1 + rnd.IntN(3))
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		var want []uint64
		for s := r.last; s <= r.seq; s++ {
			want = append(want, s)
		}
		if got := seqs(l.Live); !slices.Equal(got, want) || l.Newest.Seq != r.seq {
			t.Fatalf("round %d: live %v, want %v", round, got, want)
		}
		for _, e := range l.Live {
			if e.Csum != sums[e.Seq] {
				t.Fatalf("round %d: entry %d is another", round, e.Seq)
			}
		}
		for _, f := range found {
			if f.Code != finding.JRNearlyFull && (f.Code != finding.JRTorn || !torn) {
				t.Errorf("round %d: %s %s (newest %d, torn %v)", round, f.Code, f.Message, r.seq, torn)
			}
		}
	}
}

// A case is a ring made by hand.
type ringCase struct {
	name  string
	n     int
	build func(r *ring)
	live  []uint64
	want  []finding.Code
}

// fill writes the entries from..to as two a bucket, bucket after bucket from the given one on; each needs all from
// last on.
func fill(r *ring, bucket int, from, to, last uint64) {
	off := ondisk.Sector(0)
	for s := from; s <= to; s++ {
		off = r.put(bucket%r.g.NJournal, off, entry(s, min(last, s), 120))
		if off+7 > r.g.BucketSectors {
			bucket, off = bucket+1, 0
		}
	}
}

const entrySectors = 7 // of fill's: 240 + 120*24 bytes

func ringCases() []ringCase {
	type f = finding.Code
	damage := func(r *ring, bucket int, off ondisk.Sector, by int64) { r.dev[r.at(bucket, off)+by] ^= 0x40 }
	return []ringCase{
		{"nothing", 4, func(*ring) {}, nil, []f{finding.JRNone}},
		{"one entry", 4, func(r *ring) { r.put(0, 0, entry(1, 1, 0)) }, []uint64{1}, nil},
		{"one entry, not in the first bucket", 7, func(r *ring) { r.put(5, 0, entry(1, 1, 0)) }, []uint64{1}, nil},
		{"all live", 8, func(r *ring) { fill(r, 0, 1, 8, 1) }, []uint64{1, 2, 3, 4, 5, 6, 7, 8}, nil},
		{"wrapped", 8, func(r *ring) { fill(r, 6, 101, 108, 103) }, []uint64{103, 104, 105, 106, 107, 108}, nil},
		{"wrapped over an older lap", 8, func(r *ring) {
			fill(r, 0, 81, 96, 95)
			fill(r, 0, 97, 103, 95)
		}, []uint64{95, 96, 97, 98, 99, 100, 101, 102, 103}, nil},
		{"leftovers of two laps in one bucket", 4, func(r *ring) {
			for i, seq := range []uint64{30, 20, 21, 10, 11} {
				r.put(1, ondisk.Sector(i), entry(seq, seq, 1))
			}
			r.put(0, 0, entry(29, 29, 1))
		}, []uint64{30}, nil},
		{"leftover behind a bad block", 4, func(r *ring) {
			r.put(0, 0, entry(30, 30, 1))
			r.put(0, 3, entry(12, 12, 1))
		}, []uint64{30}, nil},
		{"newest torn in place", 4, func(r *ring) { fill(r, 0, 1, 4, 2); damage(r, 1, entrySectors, 1000) }, []uint64{2, 3}, []f{finding.JRTorn}},
		{"newest torn at the start of a bucket", 4, func(r *ring) { fill(r, 0, 1, 5, 2); damage(r, 2, 0, 1000) }, []uint64{2, 3, 4}, []f{finding.JRTorn}},
		{"newest torn at the start of the ring", 4, func(r *ring) { fill(r, 2, 11, 15, 13); damage(r, 0, 0, 1000) }, []uint64{13, 14}, []f{finding.JRTorn}},
		{"newest without magic", 4, func(r *ring) { fill(r, 0, 1, 4, 3); damage(r, 1, entrySectors, 8) }, []uint64{3}, []f{finding.JRTorn}},
		{"newest without magic, at the start of a bucket", 4, func(r *ring) { fill(r, 0, 1, 5, 2); damage(r, 2, 0, 8) }, []uint64{2, 3, 4}, []f{finding.JRTorn}},
		// The kernel stops at the first bad entry of a bucket; what follows there is durable, and lost.
		{"live entry destroyed, the next behind it", 4, func(r *ring) { fill(r, 0, 1, 4, 2); damage(r, 1, 0, 1000) }, []uint64{2}, []f{finding.JRTorn, finding.JRLost}},
		{
			"live entry destroyed, the next in another bucket", 8, func(r *ring) { fill(r, 0, 1, 7, 3); damage(r, 1, 0, 1000) },
			[]uint64{5, 6, 7},
			[]f{finding.JRDamaged, finding.JRGap},
		},
		{"entry two buckets on, not found", 8, func(r *ring) { fill(r, 0, 1, 4, 3); r.put(3, 0, entry(5, 3, 0)) }, []uint64{3, 4}, []f{finding.JRLost}},
		// The search by halves may stumble on it; what it needs is then found only if it was read on the way.
		{"entry two buckets on, found", 8, func(r *ring) { fill(r, 0, 1, 2, 2); r.put(2, 0, entry(3, 2, 0)) }, []uint64{2, 3}, []f{finding.JROrder}},
		{"entry two buckets on, found without what it needs", 8, func(r *ring) { fill(r, 0, 1, 6, 5); r.put(4, 0, entry(7, 6, 0)) }, []uint64{7}, []f{finding.JRGap}},
		{"full", 4, func(r *ring) { fill(r, 1, 11, 18, 11) }, []uint64{11, 12, 13, 14, 15, 16, 17, 18}, []f{finding.JRFull}},
		{"nearly full", 5, func(r *ring) { fill(r, 2, 11, 18, 11) }, []uint64{11, 12, 13, 14, 15, 16, 17, 18}, []f{finding.JRNearlyFull}},
		{"three quarters live", 8, func(r *ring) { fill(r, 0, 1, 12, 1) }, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, nil},
		{"oldest missing", 8, func(r *ring) { fill(r, 2, 13, 16, 11) }, []uint64{13, 14, 15, 16}, []f{finding.JRGap}},
		{"oldest discarded", 8, func(r *ring) { r.g.Discard = true; fill(r, 2, 13, 16, 11) }, []uint64{13, 14, 15, 16}, []f{finding.JRDiscarded}},
		{"a middle one missing, discard or not", 8, func(r *ring) {
			r.g.Discard = true
			fill(r, 0, 1, 4, 1)
			fill(r, 2, 6, 7, 1)
		}, []uint64{1, 2, 3, 4, 6, 7}, []f{finding.JRGap}},
		{"all others discarded", 8, func(r *ring) { r.g.Discard = true; fill(r, 3, 13, 16, 14) }, []uint64{14, 15, 16}, nil},
		{"of another life", 8, func(r *ring) { fill(r, 0, 1, 2, 1); r.put(3, 0, entry(900, 890, 0)) }, []uint64{1, 2}, []f{finding.JRFuture}},
		{"one number twice", 8, func(r *ring) { fill(r, 0, 1, 4, 1); r.put(2, 0, entry(4, 1, 3)) }, []uint64{1, 2, 3, 4}, []f{finding.JRTwice}},
		{"last_seq above seq", 4, func(r *ring) { r.put(0, 0, entry(5, 6, 0)) }, []uint64{5}, []f{finding.JRLastSeq}},
		{"version 2", 4, func(r *ring) { j := entry(5, 5, 0); j.Version = 2; r.put(0, 0, j) }, []uint64{5}, []f{finding.JRVersion}},
		{"level 11", 4, func(r *ring) { j := entry(5, 5, 0); j.Level = 11; r.put(0, 0, j) }, []uint64{5}, []f{finding.JRLevel}},
		{"prio bucket in the journal", 4, func(r *ring) { j := entry(5, 5, 0); j.PrioBucket[0] = 5; r.put(0, 0, j) }, []uint64{5}, []f{finding.JRPrioBucket}},
		{"prio bucket past the end", 4, func(r *ring) { j := entry(5, 5, 0); j.PrioBucket[0] = 1024; r.put(0, 0, j) }, []uint64{5}, []f{finding.JRPrioBucket}},
		{"root not at the last key", 4, func(r *ring) { j := entry(5, 5, 0); j.BtreeRoot.Low--; r.put(0, 0, j) }, []uint64{5}, []f{finding.JRRoot}},
		{"uuid bucket inside a bucket", 4, func(r *ring) { j := entry(5, 5, 0); j.UUIDBucket.Ptr[0] += 1 << 8; r.put(0, 0, j) }, []uint64{5}, []f{finding.JRUUIDBucket}},
		{"big-endian", 4, func(r *ring) { r.put(0, 0, entry(5, 5, 0)); slices.Reverse(r.dev[r.at(0, 0)+8:][:8]) }, nil, []f{finding.SBByteOrder, finding.JRNone}},
		{"device ends in the journal", 4, func(r *ring) { fill(r, 0, 1, 2, 2); r.dev = r.dev[:r.at(3, 1)] }, []uint64{2}, []f{finding.JRUnread}},
	}
}

func TestRingsByName(t *testing.T) {
	for _, c := range ringCases() {
		r := newRing(c.n)
		c.build(r)
		l, found, err := r.scan(1)
		if (err != nil) != (c.live == nil) {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := seqs(l.Live); !slices.Equal(got, c.live) {
			t.Errorf("%s: live %v, want %v", c.name, got, c.live)
		}
		var got []finding.Code
		for _, f := range found {
			got = append(got, f.Code)
		}
		slices.Sort(got)
		want := slices.Sorted(slices.Values(c.want))
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v%s", c.name, got, want, text(found))
		}
	}
}

func text(fs []finding.Finding) (s string) {
	for _, f := range fs {
		s += fmt.Sprintf("\n\t%s %s", f.Code, f.Message)
	}
	return s
}

// How many workers read the ring makes no difference.
func TestWorkers(t *testing.T) {
	for _, c := range ringCases() {
		r := newRing(c.n)
		c.build(r)
		l, found, _ := r.scan(1)
		for _, workers := range []int{0, 2, 5, 50} {
			m, others, _ := r.scan(workers)
			if !slices.Equal(m.Entries, l.Entries) || !slices.Equal(m.Live, l.Live) || text(others) != text(found) {
				t.Errorf("%s: %d workers: %v%s", c.name, workers, m.Entries, text(others))
			}
		}
	}
}

// Why a root or a uuid bucket cannot be where a key says.
func TestMetaFaults(t *testing.T) {
	g := testGeo(4)
	for _, c := range []struct {
		name string
		edit func(k *ondisk.Bkey)
		want string
	}{
		{"sound", func(*ondisk.Bkey) {}, ""},
		{"no pointer", func(k *ondisk.Bkey) { k.SetPtrs(0) }, "not one pointer"},
		{"two pointers", func(k *ondisk.Bkey) { k.SetPtrs(2) }, "not one pointer"},
		{"dirty", func(k *ondisk.Bkey) { k.SetDirty(true) }, "dirty"},
		{"placeholder", func(k *ondisk.Bkey) { k.Ptr[0] = ondisk.MakePtr(0, 0, ondisk.PtrCheckDev) }, "on an unknown device"},
		{"size", func(k *ondisk.Bkey) { k.SetSize(15) }, "size is not the node's or bucket's"},
		{"inside a bucket", func(k *ondisk.Bkey) { k.Ptr[0] = ondisk.MakePtr(0, 16*500+1, 0) }, "not at the start of a bucket"},
		{"superblock", func(k *ondisk.Bkey) { k.Ptr[0] = ondisk.MakePtr(0, 16, 0) }, "outside the device"},
		{"past the end", func(k *ondisk.Bkey) { k.Ptr[0] = ondisk.MakePtr(0, 16*1024, 0) }, "outside the device"},
		{"journal", func(k *ondisk.Bkey) { k.Ptr[0] = ondisk.MakePtr(0, 16*5, 0) }, "in the journal"},
		{"first bucket behind the journal", func(k *ondisk.Bkey) { k.Ptr[0] = ondisk.MakePtr(0, 16*6, 0) }, ""},
		{"last bucket", func(k *ondisk.Bkey) { k.Ptr[0] = ondisk.MakePtr(0, 16*1023, 0) }, ""},
	} {
		k := entry(1, 1, 0).BtreeRoot.Bkey
		c.edit(&k)
		if root, uuid := RootFault(g, &k), UUIDFault(g, &k); root != c.want || uuid != c.want {
			t.Errorf("%s: %q and %q, want %q", c.name, root, uuid, c.want)
		}
	}
}
