// SPDX-License-Identifier: GPL-2.0-only

package change_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"bctl/fsck/repair"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/lab/imgtest"
)

// A second rewrite differs from the first only where it must: other buckets, and one more in each seq.
func TestSecondRewriteDiffersOnlyWhereItMust(t *testing.T) {
	for name, open := range devices(t) {
		dev := open(t)
		first := rewrite(t, dev, unchanged)
		c1, _ := read(t, dev)
		second := rewrite(t, dev, unchanged)
		c2, _ := read(t, dev)
		for _, b := range second {
			if slices.Contains(first, b) {
				t.Errorf("%s: bucket %d of the chain was overwritten", name, b)
			}
		}
		for b := range c1.Geo.NBuckets {
			gen, p := c1.Buckets.DiskGen(b), c1.Buckets.Prio(b)
			if slices.Contains(second, b) {
				gen, p = gen+1, ondisk.BtreePrio
			}
			if c2.Buckets.DiskGen(b) != gen || c2.Buckets.Prio(b) != p || c2.Buckets.Gen(b) != gen {
				t.Errorf("%s: bucket %d: gen %d, prio %d, want %d, %d", name, b, c2.Buckets.DiskGen(b), c2.Buckets.Prio(b), gen, p)
			}
		}
		for i, l := range c2.Chain.Links {
			if l.Seq != c1.Chain.Links[i].Seq+1 {
				t.Errorf("%s: set %d has seq %d, %d before", name, i, l.Seq, c1.Chain.Links[i].Seq)
			}
		}
		a, b := *c1.Journal.Newest, *c2.Journal.Newest
		if b.Seq != a.Seq+1 || b.PrioBucket[0] != uint64(second[0]) || len(b.Keys) != 0 || b.LastSeq != a.LastSeq {
			t.Errorf("%s: entry %d, last_seq %d, %d keys, prio bucket %d", name, b.Seq, b.LastSeq, len(b.Keys), b.PrioBucket[0])
		}
		b.Seq, b.PrioBucket[0], b.Csum = a.Seq, a.PrioBucket[0], a.Csum
		if got, want := b.Append(nil), a.Append(nil); !slices.Equal(got, want) {
			t.Errorf("%s: the entry differs elsewhere too", name)
		}
		same(t, name, "live extents", extents(t, c2, isLive), extents(t, c1, isLive))
	}
}

// The chain can be written again and again, through the whole journal ring where last_seq allows: the new entry is
// always where the kernel looks for it, and the ring is never filled. Without anybody who moves last_seq on, the ring
// is full one bucket before its end.
func TestRewriteUntilJournalIsFull(t *testing.T) {
	for _, journal := range []int{2, 3, 4, 8} {
		m := newMade(t, journal)
		perBucket := int(m.g.BucketSectors / m.g.BlockSectors)
		var err error
		done := 0
		for ; done < 1000; done++ {
			c, found := read(t, m.dev)
			if found.Damaged() {
				t.Fatalf("%d journal buckets, after %d: %v", journal, done, found.Findings())
			}
			p, buckets, e := prepare(c, func(*change.Tx) {})
			if err = e; err != nil {
				break
			}
			if err := p.Run(m.dev); err != nil {
				t.Fatal(err)
			}
			after, _ := read(t, m.dev)
			if !slices.Equal(chainOf(after), buckets) || after.Journal.Newest.Seq != uint64(madeJset+done+1) {
				t.Fatalf("%d journal buckets, after %d: the kernel would find entry %d", journal, done, after.Journal.Newest.Seq)
			}
		}
		// Two entries stand in the first bucket, the last bucket of the ring must stay free.
		if want := (journal-1)*perBucket - 2; !errors.Is(err, change.ErrJournalFull) || done != max(want, 0) {
			t.Errorf("%d journal buckets: full after %d entries, want %d: %v", journal, done, want, err)
		}
		sound(t, "full", m.dev)
	}
}

// Where an entry fits behind the newest one, over leftovers of an older lap or a torn entry, it goes there.
func TestPlaceOverLeftoversAndTorn(t *testing.T) {
	for _, c := range []struct {
		name string
		plan func(m *made)
	}{
		{"leftovers", func(m *made) {
			m.entry(0, 1, madeJset-30, madeJset-30, m.old[0])
			m.entry(0, 0, madeJset, madeJset, m.chain[0])
		}},
		{"torn", func(m *made) {
			m.entry(0, 1, madeJset+1, madeJset, m.chain[0])
			m.dev.Put((m.g.Start(m.g.FirstBucket)+m.g.BlockSectors).Bytes()+100, []byte{0x5a, 0x5a})
			m.entry(0, 0, madeJset, madeJset, m.chain[0])
		}},
	} {
		m := newMade(t, 4)
		c.plan(m)
		buckets := rewrite(t, m.dev, unchanged)
		events := m.dev.Events()
		if e := events[len(events)-2]; e.Off != (m.g.Start(m.g.FirstBucket) + m.g.BlockSectors).Bytes() {
			t.Errorf("%s: the entry stands at byte %d", c.name, e.Off)
		}
		after, _ := read(t, m.dev)
		if !slices.Equal(chainOf(after), buckets) {
			t.Errorf("%s: chain %v, want %v", c.name, chainOf(after), buckets)
		}
		sound(t, c.name, m.dev)
	}
}

// The first entry of the next bucket may have to go over an old lap's, but never over a live one.
func TestPlaceNextBucket(t *testing.T) {
	m := newMade(t, 4)
	m.entry(0, 1, madeJset, madeJset, m.chain[0]) // the first bucket is full with it
	m.entry(1, 0, madeJset-20, madeJset-20, m.old[0])
	m.entry(1, 1, madeJset-19, madeJset-20, m.old[0])
	buckets := rewrite(t, m.dev, unchanged)
	after, _ := read(t, m.dev)
	if n := after.Journal.Live[len(after.Journal.Live)-1]; n.Ring != 1 || n.Offset != 0 || !slices.Equal(chainOf(after), buckets) {
		t.Errorf("entry %d in bucket %d of the ring, sector %d", n.Seq, n.Ring, n.Offset)
	}
	sound(t, "next", m.dev)
}

// No bucket that any key points to, however dead, holds new metadata; nor does one whose stale pointers lag too far.
func TestAllocate(t *testing.T) {
	for name, open := range devices(t) {
		dev := open(t)
		c, _ := read(t, dev)
		tx, err := change.Begin(c)
		if err != nil {
			t.Fatal(err)
		}
		before := make([]uint8, c.Geo.NBuckets)
		for b := range before {
			before[b] = tx.Gen(ondisk.Bucket(b))
		}
		got, err := tx.Allocate(c.Geo.PrioBuckets())
		if err != nil {
			t.Fatal(err)
		}
		pointers := 0
		err = c.EveryPointer(func(p ondisk.Ptr) {
			pointers++
			b := c.Geo.BucketOf(p.Offset())
			if !p.Available() || !slices.Contains(got, b) {
				return
			}
			if lag := ondisk.GenAfter(tx.Gen(b), p.Gen()); lag == 0 || lag > ondisk.GenLimit {
				t.Errorf("%s: bucket %d, gen %d: a pointer has gen %d", name, b, tx.Gen(b), p.Gen())
			}
		})
		if err != nil || pointers < 2 {
			t.Errorf("%s: %d pointers, %v", name, pointers, err)
		}
		for i, b := range got {
			if tx.Gen(b) != before[b]+1 || tx.Prio(b) != ondisk.BtreePrio || slices.Contains(got[:i], b) || slices.Contains(chainOf(c), b) {
				t.Errorf("%s: bucket %d: gen %d, %d before", name, b, tx.Gen(b), before[b])
			}
		}
	}
}

func TestAllocateLeavesAlone(t *testing.T) {
	m := newMade(t, 0)
	first := m.g.FirstBucket + ondisk.Bucket(m.g.NJournal)
	m.point(first, 0, m.gens[first]-100, false)                 // lags so far that the kernel would not reuse the bucket
	m.point(first+1, 0, m.gens[first+1], true)                  // is live
	m.point(first+2, 0, m.gens[first+2]-ondisk.GenLimit, false) // would lag too far
	m.point(first+3, 0, m.gens[first+3]-ondisk.GenLimit+1, false)
	m.writeLeaf()
	c, _ := read(t, m.dev)
	tx, err := change.Begin(c)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tx.Allocate(1); err != nil || got[0] != first+3 {
		t.Errorf("bucket %v, want %d; %v", got, first+3, err)
	}
}

// Too few free buckets: for the chain itself, and for what the kernel needs to start.
func TestNoSpace(t *testing.T) {
	m := newMade(t, 4)
	for _, test := range []struct {
		name string
		left int // free buckets
		fail bool
	}{
		{"none", 0, true},
		{"fewer than sets", 3, true},
		{"sets, but no reserve", 4, true},
		{"one short", m.g.LargestReserve() - 1, true},
		{"enough", m.g.LargestReserve(), false}, // the old chain's buckets make up for the new one's
	} {
		c, _ := read(t, m.dev)
		tx, err := change.Begin(c)
		if err == nil {
			// As if live metadata were in all others.
			free := 0
			for b := range m.g.NBuckets {
				if tx.Free(b) {
					if free++; free > test.left {
						tx.TakeForTest(b)
					}
				}
			}
			if _, _, err = tx.RewritePrios(); err == nil {
				_, err = tx.Commit()
			}
		}
		if errors.Is(err, change.ErrNoSpace) != test.fail || err != nil && !test.fail {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// A destroyed set's bucket is not counted twice among those that are free afterwards.
func TestNoSpaceWithDestroyedSets(t *testing.T) {
	m := newMade(t, 4)
	m.destroy(0, false)
	m.destroy(1, true)
	c, _ := read(t, m.dev)
	tx, err := change.Begin(c)
	if err != nil {
		t.Fatal(err)
	}
	regen(t, tx)
	for b := range m.g.NBuckets {
		if c.Buckets.Mark(b) == inspect.Clean {
			tx.TakeForTest(b) // those that are given up would be free too
		}
	}
	free := 0
	for b := range m.g.NBuckets {
		if tx.Free(b) && !slices.Contains(m.chain, b) {
			if free++; free > m.g.LargestReserve()+1 {
				tx.TakeForTest(b)
			}
		}
	}
	// The new chain takes four. Of the old one, the kernel gets two back: the set behind the destroyed ones is not
	// known, and the bucket that may be the second is among the free ones already.
	if _, _, err = tx.RewritePrios(); err == nil {
		_, err = tx.Commit()
	}
	if !errors.Is(err, change.ErrNoSpace) {
		t.Errorf("a bucket short of what the kernel needs: %v", err)
	}
}

func TestNoJournal(t *testing.T) {
	if _, err := change.Begin(&inspect.Cache{}); !errors.Is(err, change.ErrNoJournal) {
		t.Error(err)
	}
}

// What a gen would lose or bring back is named; what it would not is not.
func TestRisks(t *testing.T) {
	m := newMade(t, 0)
	for _, test := range []struct {
		name string
		b    ondisk.Bucket
		by   uint8 // what is added to the gen
		want string
	}{
		{"free, raised", m.freed[0], 1, ""},
		{"clean, raised: its data are given up", m.clean[0], 1, ""},
		{"clean, lowered by one: registration would raise it again", m.clean[0], 255, "is behind a pointer"},
		{"clean, lowered to a stale pointer's", m.clean[0], 254, "come back to life"},
		{"only stale, lowered by one", m.stale[0], 255, "come back to life"},
		{"only stale, raised", m.stale[0], 9, ""},
		{"only stale, raised too far", m.stale[0], ondisk.GenLimit, "too far behind"},
		{"clean, raised too far", m.clean[0], ondisk.GenLimit + 1, "too far behind"},
		{"dirty, raised", m.dirty[0], 1, "dirty data would be lost"},
		{"dirty and stale, lowered", m.both[0], 255, "come back to life"},
		{"a node", m.root, 1, "btree level 0"},
		{"the uuid bucket", m.uuid, 1, "uuid"},
		{"the chain", m.chain[1], 1, "prio"},
		{"the journal", m.g.FirstBucket, 1, "journal"},
	} {
		c, _ := read(t, m.dev)
		tx, err := change.Begin(c)
		if err != nil {
			t.Fatal(err)
		}
		tx.SetGen(test.b, tx.Gen(test.b)+test.by)
		risks, err := repair.Risks(tx)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case test.want == "" && len(risks) > 0:
			t.Errorf("%s: %+v", test.name, risks)
		case test.want != "" && (len(risks) == 0 || risks[0].Bucket != test.b || !strings.Contains(risks[0].Why, test.want)):
			t.Errorf("%s: %+v, want %q", test.name, risks, test.want)
		}
		if test.want != "" {
			continue
		}
		dev := m.dev.Fork()
		rewrite(t, dev, func(_ *testing.T, tx *change.Tx, _ *inspect.Cache) { tx.SetGen(test.b, tx.Gen(test.b)+test.by) })
		sound(t, test.name, dev)
	}
}

// On images with real stale pointers: every gen that Risks allows keeps all dirty data and brings nothing back.
func TestRisksKernelMade(t *testing.T) {
	for _, name := range imgtest.Names(t) {
		dev := kernelMade(t, name)
		c, _ := read(t, dev)
		live, dirty := extents(t, c, isLive), extents(t, c, isDirty)
		allowed := map[ondisk.Bucket]uint8{}
		for b := c.Geo.FirstBucket; b < c.Geo.NBuckets; b++ {
			allowed[b] = c.Buckets.Gen(b) + 1
		}
		tx, err := change.Begin(c)
		if err != nil {
			t.Fatal(err)
		}
		for b, gen := range allowed {
			tx.SetGen(b, gen)
		}
		risks, err := repair.Risks(tx)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range risks {
			delete(allowed, r.Bucket)
		}
		rewrite(t, dev, func(_ *testing.T, tx *change.Tx, _ *inspect.Cache) {
			for b, gen := range allowed {
				tx.SetGen(b, gen)
			}
		})
		after, _ := read(t, dev)
		same(t, name, "live dirty extents", extents(t, after, isDirty), dirty)
		for _, e := range extents(t, after, isLive) {
			if _, ok := slices.BinarySearch(live, e); !ok {
				t.Errorf("%s: back to life: %s", name, e)
			}
		}
	}
}
