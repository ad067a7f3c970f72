// SPDX-License-Identifier: GPL-2.0-only

package change_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"

	"bctl/fsck/repair"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/powercut"
	"bctl/prio"
	"bctl/superblock"
)

// damages are what is left of a chain of n sets: which of them are destroyed.
func damages(n int) map[string][]int {
	all := []int{}
	for i := range n {
		all = append(all, i)
	}
	d := map[string][]int{"all": all, "the first": {0}}
	if n > 1 {
		d["the second"], d["the last"], d["the first two"] = []int{1}, []int{n - 1}, []int{0, 1}
	}
	return d
}

func rebuild(t *testing.T, tx *change.Tx, _ *inspect.Cache) { t.Helper(); regen(t, tx) }

// rebuilt is a device whose chain was destroyed and made anew, beside what it was.
type rebuilt struct {
	dev           *powercut.Device
	before, after *inspect.Cache
	unknown       func(ondisk.Bucket) bool // no surviving set told its gen
	buckets       []ondisk.Bucket          // of the new chain
}

func rebuildFrom(t *testing.T, dev *powercut.Device, sets []int, whole bool) *rebuilt {
	t.Helper()
	r := &rebuilt{dev: dev}
	r.before, _ = read(t, dev)
	for _, i := range sets {
		destroySet(dev, &r.before.Geo, r.before.Chain.Links[i].Bucket, whole)
	}
	broken, found := read(t, dev)
	if !found.Damaged() {
		t.Fatal("a destroyed prio set is no damage")
	}
	for _, f := range found.Findings() {
		if f.Severity == "damage" && f.Code[:2] != "PR" && f.Code[:2] != "GN" {
			t.Errorf("rewrite-prios would refuse it: %s %s", f.Code, f.Message)
		}
	}
	r.unknown = func(b ondisk.Bucket) bool { return !broken.Buckets.GenKnown(b) }
	r.buckets = rewrite(t, dev, rebuild)
	r.after, _ = read(t, dev)
	return r
}

// check holds the rebuilt gens against what they were.
func (r *rebuilt) check(t *testing.T) (givenUp []string) {
	t.Helper()
	sound(t, "rebuilt", r.dev)
	same(t, "rebuilt", "live dirty extents", extents(t, r.after, isDirty), extents(t, r.before, isDirty))
	was, is := extents(t, r.before, isLive), extents(t, r.after, isLive)
	for _, e := range is {
		if _, ok := slices.BinarySearch(was, e); !ok {
			t.Errorf("stale before, live now: %s", e)
		}
	}
	for _, e := range was {
		if _, ok := slices.BinarySearch(is, e); !ok {
			givenUp = append(givenUp, e)
		}
	}
	for b := range r.before.Geo.NBuckets {
		old, now := r.before.Buckets.Gen(b), r.after.Buckets.DiskGen(b)
		if slices.Contains(r.buckets, b) {
			old++
		}
		if !r.unknown(b) && now != old && r.before.Buckets.Mark(b) != inspect.Free {
			t.Errorf("bucket %d: gen %d, a surviving set says %d", b, now, old)
		}
		if mark := r.before.Buckets.Mark(b); r.unknown(b) && mark == inspect.Dirty && now != old {
			t.Errorf("bucket %d, dirty: gen %d, it was %d", b, now, old)
		}
	}
	return givenUp
}

// A chain of several sets with any of them gone: dirty data stay, nothing stale comes back, and only clean data in
// the buckets whose gens nothing tells are given up.
func TestRebuildSeveralSets(t *testing.T) {
	for name, sets := range damages(4) {
		for _, whole := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, whole %v", name, whole), func(t *testing.T) {
				m := newMade(t, 0)
				r := rebuildFrom(t, m.dev, sets, whole)
				r.check(t)
				for b := range m.g.NBuckets {
					// A set whose header is left leads on to the next; one that is all gone hides those behind it.
					set := int(b) / m.g.PriosPerBucket()
					lost := slices.Contains(sets, set) || whole && set > sets[0]
					if r.unknown(b) != lost {
						t.Fatalf("bucket %d: unknown %v, want %v", b, r.unknown(b), lost)
					}
					// The chain before says one less than the current one did: no gen may fall below that.
					if ahead := r.after.Buckets.DiskGen(b) - (m.gens[b] - 1); ahead >= 128 {
						t.Errorf("bucket %d: gen %d, the chain before says %d", b, r.after.Buckets.DiskGen(b), m.gens[b]-1)
					}
				}
				for i, b := range m.clean {
					if lost := r.unknown(b); lost != (r.after.Buckets.Gen(b) == m.gens[b]+1) {
						t.Errorf("clean bucket %d, %d: gen %d, it was %d", i, b, r.after.Buckets.Gen(b), m.gens[b])
					}
				}
			})
		}
	}
}

// Without an older chain, the pointers alone tell.
func TestRebuildWithoutOlderChain(t *testing.T) {
	m := newMade(t, 0)
	for _, b := range m.old {
		destroySet(m.dev, &m.g, b, true)
	}
	r := rebuildFrom(t, m.dev, []int{0, 1, 2, 3}, true)
	r.check(t)
	for i := range m.dirty {
		for what, c := range map[string]struct {
			bucket ondisk.Bucket
			gen    uint8
		}{
			"dirty": {m.dirty[i], m.gens[m.dirty[i]]},
			"clean": {m.clean[i], m.gens[m.clean[i]] + 1},
			"stale": {m.stale[i], m.gens[m.stale[i]]}, // its highest pointer is one behind
			"both":  {m.both[i], m.gens[m.both[i]]},
		} {
			if got := r.after.Buckets.DiskGen(c.bucket); got != c.gen {
				t.Errorf("%s bucket %d: gen %d, want %d", what, c.bucket, got, c.gen)
			}
		}
	}
}

// An older chain that no longer holds together, because one of its buckets was written again, tells nothing.
func TestRebuildDistrustsBrokenOlderChain(t *testing.T) {
	m := newMade(t, 0)
	gens := slices.Repeat([]uint8{77}, madeBuckets)
	m.writeChain([]ondisk.Bucket{m.old[2]}, 99, gens, m.old[3])
	r := rebuildFrom(t, m.dev, []int{0, 1, 2, 3}, false)
	r.check(t)
	for b := range m.g.NBuckets {
		if r.after.Buckets.DiskGen(b) == 77 {
			t.Fatalf("bucket %d has the gen of a chain that was no chain", b)
		}
	}
}

// On each shared image, the fifo-full one with its hundreds of stale pointers too.
func TestRebuildKernelMade(t *testing.T) {
	for _, name := range imgtest.Names(t) {
		img := imgtest.Open(t, name)
		for _, whole := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, whole %v", name, whole), func(t *testing.T) {
				dev := kernelMade(t, name)
				before, _ := read(t, dev)
				stale := extents(t, before, func(e *inspect.Extent) bool { return e.Stale > 0 })
				if name == "fifo-full" && len(stale) < 100 {
					t.Fatalf("%d stale pointers: not the image this test is about", len(stale))
				}
				r := rebuildFrom(t, dev, []int{0}, whole)
				givenUp := r.check(t)
				t.Logf("%d stale pointers, %d clean extents given up of %d live ones", len(stale), len(givenUp), len(extents(t, before, isLive)))
				r.unmissed(t, img.Backing)
			})
		}
	}
}

// unmissed fails the test if a given-up extent held other data than its backing device: what is read there now.
func (r *rebuilt) unmissed(t *testing.T, backing []string) {
	t.Helper()
	volumes := map[uint32]io.ReaderAt{}
	for _, path := range backing {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		s, err := superblock.Read(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range r.before.Volumes {
			if v.Slot != nil && v.Slot.UUID == s.UUID {
				volumes[v.Inode] = f
			}
		}
	}
	is := extents(t, r.after, isLive)
	extents(t, r.before, func(e *inspect.Extent) bool {
		if _, ok := slices.BinarySearch(is, e.String()); ok || !e.Live {
			return false
		}
		cached, below := make([]byte, e.Size().Bytes()), make([]byte, e.Size().Bytes())
		if _, err := r.dev.ReadAt(cached, e.Ptr[0].Offset().Bytes()); err != nil {
			t.Error(err)
		}
		if v := volumes[e.Inode()]; v == nil {
			t.Errorf("%s: given up, and no backing device has it", e)
		} else if _, err := v.ReadAt(below, e.Start().Bytes()); err != nil || !bytes.Equal(cached, below) {
			t.Errorf("%s: given up, and the backing device has other data (%v)", e, err)
		}
		return false
	})
}

// The new chain says of every bucket what the transaction says, and leads on to the old one.
func TestChainIsWhatWasPlanned(t *testing.T) {
	m := newMade(t, 0)
	c, _ := read(t, m.dev)
	tx, err := change.Begin(c)
	if err != nil {
		t.Fatal(err)
	}
	tx.SetPrio(m.clean[0], 4711)
	buckets, seq, err := tx.RewritePrios()
	if err != nil {
		t.Fatal(err)
	}
	p, err := tx.Commit()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(m.dev); err != nil {
		t.Fatal(err)
	}
	if seq != madeSeq+1 || tx.Seq() != madeJset+1 {
		t.Errorf("prio seq %d, journal seq %d", seq, tx.Seq())
	}
	for i, b := range buckets {
		set, err := prio.Read(m.dev, &m.g, b)
		if err != nil {
			t.Fatal(err)
		}
		next := uint64(m.chain[0])
		if i < len(buckets)-1 {
			next = uint64(buckets[i+1])
		}
		if set.Seq != seq || set.NextBucket != next {
			t.Errorf("set %d: seq %d, next bucket %d, want %d, %d", i, set.Seq, set.NextBucket, seq, next)
		}
	}
	after, _ := read(t, m.dev)
	for b := range m.g.NBuckets {
		gen, prio := m.gens[b], uint16(100)
		switch {
		case slices.Contains(buckets, b):
			gen, prio = gen+1, ondisk.BtreePrio
		case b == m.clean[0]:
			prio = 4711
		}
		if after.Buckets.DiskGen(b) != gen || after.Buckets.Prio(b) != prio || tx.Gen(b) != gen {
			t.Errorf("bucket %d: gen %d, prio %d, want %d, %d", b, after.Buckets.DiskGen(b), after.Buckets.Prio(b), gen, prio)
		}
	}
}

// Dirty data whose gen only their pointers tell are named, with their sectors, but for those that a journal entry of the
// lost chain's time confirms; where the backing device holds them already they are left stale, and nothing else is.
func TestRebuildNamesUnsureDirtyData(t *testing.T) {
	for _, c := range []struct {
		name    string
		backing bool
	}{{"alone", false}, {"with a backing device", true}} {
		m := newMade(t, 0)
		key := func(i int) ondisk.Bkey {
			b := m.dirty[i]
			k := ondisk.MakeKey(0, 1<<20+ondisk.Sector(8*i), 8)
			k.SetPtrs(1)
			k.SetDirty(true)
			k.Ptr[0] = ondisk.MakePtr(m.gens[b], m.g.Start(b)+8, 0)
			return k
		}
		m.entry(0, 0, madeJset-1, madeJset-1, m.old[0], key(1)) // before the chain: it confirms nothing
		m.entry(0, 1, madeJset, madeJset-1, m.chain[0])
		m.entry(1, 0, madeJset+1, madeJset-1, m.chain[0], key(0))
		for i := range 4 {
			destroySet(m.dev, &m.g, m.chain[i], false)
		}
		cache, _ := read(t, m.dev)
		if n := cache.Journal.Newest.Seq; n != madeJset+1 {
			t.Fatalf("the newest entry is %d", n)
		}
		var below func(uint32) io.ReaderAt
		differs := m.dirty[2]
		if c.backing { // zeroes, as the cache has, but for what stands in one bucket
			var where int64
			for e, err := range cache.Extents(inspect.Everything) {
				if err == nil && e.Live && e.Dirty() && m.g.BucketOf(e.Ptr[0].Offset()) == differs {
					where = e.Start().Bytes()
				}
			}
			below = func(inode uint32) io.ReaderAt {
				if inode != 0 {
					return nil
				}
				return powercut.New(oneByte{where + 100}, 1<<40)
			}
		}
		tx, err := change.Begin(cache)
		if err != nil {
			t.Fatal(err)
		}
		gens, err := repair.RebuildGens(tx, below)
		if err != nil {
			t.Fatal(err)
		}
		unsure, held := bucketsOf(gens.Unsure), bucketsOf(gens.Held)
		for _, b := range slices.Concat(m.dirty, m.both) {
			want := b != m.dirty[0] && (!c.backing || b == differs)
			wantHeld := b != m.dirty[0] && c.backing && b != differs
			if slices.Contains(unsure, b) != want || slices.Contains(held, b) != wantHeld {
				t.Errorf("%s: bucket %d: unsure %v, held %v", c.name, b, slices.Contains(unsure, b), slices.Contains(held, b))
			}
			if stale := tx.Gen(b) != m.gens[b]; stale != wantHeld {
				t.Errorf("%s: bucket %d: gen %d, it was %d", c.name, b, tx.Gen(b), m.gens[b])
			}
		}
		if len(unsure)+len(held) != len(m.dirty)+len(m.both)-1 {
			t.Errorf("%s: %d unsure, %d held", c.name, len(unsure), len(held))
		}
		for _, u := range gens.Unsure {
			if want := map[bool]ondisk.Sector{false: 8, true: 16}[u.Bucket == m.dirty[1]]; u.Sectors != want || u.Inode != 0 {
				t.Errorf("%s: %+v", c.name, u)
			}
		}
	}
}

func bucketsOf(list []repair.Unsure) (out []ondisk.Bucket) {
	for _, u := range list {
		out = append(out, u.Bucket)
	}
	return out
}

// oneByte is zeroes but for one.
type oneByte struct{ at int64 }

func (o oneByte) ReadAt(b []byte, off int64) (int, error) {
	clear(b)
	if o.at >= off && o.at < off+int64(len(b)) {
		b[o.at-off] = 1
	}
	return len(b), nil
}

// A cache that is full of clean data is no reason not to rewrite its chain: what is given up with the lost gens is free
// afterwards, and where nothing is lost as much is given up as the kernel needs, longest unused first.
func TestRewriteFullCache(t *testing.T) {
	for _, lost := range []bool{true, false} {
		dev := kernelMade(t, "fifo-full")
		c, _ := read(t, dev)
		if lost {
			destroySet(dev, &c.Geo, c.Chain.Links[0].Bucket, false)
			c, _ = read(t, dev)
		}
		full := func() *change.Tx { // but for what the chain itself takes, and a few
			tx, err := change.Begin(c)
			if err != nil {
				t.Fatal(err)
			}
			free := 0
			for b := range c.Geo.NBuckets {
				if tx.Free(b) {
					if free++; free > 5 {
						tx.TakeForTest(b)
					}
				}
			}
			return tx
		}
		tx := full()
		if !lost {
			if _, _, err := tx.RewritePrios(); err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Commit(); !errors.Is(err, change.ErrNoSpace) {
				t.Errorf("a full cache: %v", err)
			}
			tx = full()
		}
		regen(t, tx)
		given, err := tx.MakeRoom()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := tx.RewritePrios(); err != nil {
			t.Fatal(err)
		}
		p, err := tx.Commit()
		if err != nil {
			t.Fatalf("lost %v: %v", lost, err)
		}
		if err := p.Run(dev); err != nil {
			t.Fatal(err)
		}
		sound(t, "full", dev)
		short := c.Geo.LargestReserve() + c.Geo.PrioBuckets() - 5 - c.Geo.PrioBuckets()
		if lost && len(given) > 0 || !lost && len(given) != short {
			t.Errorf("lost %v: %d given up, %d short", lost, len(given), short)
		}
		after, _ := read(t, dev)
		worst := uint16(0)
		for _, b := range given {
			worst = max(worst, c.Buckets.Prio(b))
			if after.Buckets.Mark(b) != inspect.Free || c.Buckets.Mark(b) != inspect.Clean {
				t.Errorf("bucket %d was %v, is %v", b, c.Buckets.Mark(b), after.Buckets.Mark(b))
			}
		}
		for b := range c.Geo.NBuckets {
			if !lost && c.Buckets.Mark(b) == inspect.Clean && !slices.Contains(given, b) && c.Buckets.Prio(b) < worst {
				t.Errorf("bucket %d of prio %d stays, one of %d goes", b, c.Buckets.Prio(b), worst)
			}
		}
	}
}
