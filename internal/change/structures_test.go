// SPDX-License-Identifier: GPL-2.0-only

package change_test

import (
	"errors"
	"slices"
	"testing"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
)

// newTree builds the tree anew from what is live, the journal's keys too, and lets last_seq move over them.
func newTree(t *testing.T, tx *change.Tx, fill int) {
	t.Helper()
	seq := uint64(77)
	tree, err := tx.Tree(fill, func() uint64 { seq++; return seq })
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range tx.Cache().Extents(inspect.Everything) {
		if err == nil && e.Live {
			err = tree.Add(&e.Bkey)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	root, level, err := tree.Finish()
	if err != nil {
		t.Fatal(err)
	}
	tx.SetRoot(root, level)
	if err := tx.Settle(0); err != nil {
		t.Fatal(err)
	}
}

// structures are changes of more than the prio chain. Each says what the new state has that the old one has not.
var structures = []struct {
	name string
	do   alteration
	is   func(base, c *inspect.Cache) bool
	live bool // live extents change
}{
	{"uuid bucket", func(t *testing.T, tx *change.Tx, c *inspect.Cache) {
		table := slices.Clone(c.UUIDs)
		i, ok := table.FirstEmpty()
		if !ok {
			t.Fatal("no empty slot")
		}
		table[i] = ondisk.UUIDEntry{UUID: ondisk.UUID{0xee}, FirstReg: 1, LastReg: 1}
		if err := tx.SetUUIDs(table); err != nil {
			t.Fatal(err)
		}
	}, func(base, c *inspect.Cache) bool { _, ok := c.UUIDs.Find(ondisk.UUID{0xee}); return ok }, false},
	{"tree", func(t *testing.T, tx *change.Tx, _ *inspect.Cache) {
		newTree(t, tx, 50)
	}, func(base, c *inspect.Cache) bool { return c.Journal.Newest.BtreeRoot != base.Journal.Newest.BtreeRoot }, false},
	{"keys and superblock", func(t *testing.T, tx *change.Tx, c *inspect.Cache) {
		if len(c.Volumes) == 0 || c.Volumes[0].Extents == 0 {
			t.Skip("no extents")
		}
		for e, err := range c.Extents(inspect.Everything) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Live {
				tx.SetKeys([]ondisk.Bkey{ondisk.MakeKey(e.Inode(), e.Offset(), e.Size())}) // without pointers: it is gone
				break
			}
		}
		s := *c.Super
		s.Seq += 5
		tx.SetSuper(&s)
	}, func(base, c *inspect.Cache) bool { return len(c.Journal.Newest.Keys) == 1 }, true},
}

// Whatever else a transaction carries, a cut leaves the old state or the new one, whole.
func TestStructuresCut(t *testing.T) {
	for name, open := range devices(t) {
		for _, s := range structures {
			t.Run(name+", "+s.name, func(t *testing.T) {
				t.Parallel()
				base := open(t).Fork()
				c, _ := read(t, base)
				before := extents(t, c, isLive)
				after := base.Fork()
				rewrite(t, after, s.do)
				now, found := read(t, after)
				want := extents(t, now, isLive)
				if !s.is(c, now) || s.is(c, c) || found.Damaged() || s.live == slices.Equal(before, want) {
					t.Fatalf("not done: %v, %d live extents, %d before", damageOf(found), len(want), len(before))
				}
				sound(t, "done", after)
				states := map[bool]int{}
				for state, dev := range after.Cuts(base, 3) {
					now, found := read(t, dev)
					isNew := s.is(c, now)
					states[isNew]++
					live := before
					if isNew {
						live = want
					}
					if got := extents(t, now, isLive); len(damageOf(found)) > 0 || !slices.Equal(got, live) {
						t.Fatalf("%s: new %v: %v, %d live extents of %d", state, isNew, damageOf(found), len(got), len(live))
					}
					if states[isNew]%8 == 1 {
						sound(t, state, dev)
					}
				}
				if states[true] < 2 || states[false] < 5 {
					t.Errorf("%v states", states)
				}
			})
		}
	}
}

// A tree of several levels, and back to one.
func TestTreeOfLevels(t *testing.T) {
	dev := kernelMade(t, "writeback-crash")
	c, _ := read(t, dev)
	want := extents(t, c, isLive)
	for _, fill := range []int{4, 100} {
		rewrite(t, dev, func(t *testing.T, tx *change.Tx, _ *inspect.Cache) { t.Helper(); newTree(t, tx, fill) })
		now, _ := read(t, dev)
		same(t, "rebuilt", "live extents", extents(t, now, isLive), want)
		sound(t, "rebuilt", dev)
		if (now.Tree.Depth > 0) != (fill == 4) {
			t.Errorf("filled to %d percent: depth %d", fill, now.Tree.Depth)
		}
	}
}

// last_seq does not move over keys that would be lost.
func TestSettleRefuses(t *testing.T) {
	dev := kernelMade(t, "writeback-crash")
	c, _ := read(t, dev)
	begin := func() *change.Tx {
		c, _ = read(t, dev)
		tx, err := change.Begin(c)
		if err != nil {
			t.Fatal(err)
		}
		return tx
	}
	if err := begin().Settle(0); err != nil {
		t.Errorf("no keys in the journal: %v", err)
	}
	rewrite(t, dev, structures[2].do)
	if err := begin().Settle(0); !errors.Is(err, change.ErrOldKeys) {
		t.Errorf("a key: %v", err)
	}
	tx := begin()
	newTree(t, tx, 100)
	if _, _, err := tx.RewritePrios(); err != nil {
		t.Error(err)
	}
}

// Where the ring is damaged, the entry goes where the kernel finds it all the same, and what it hides stays hidden.
func TestPlaceInDamagedRing(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(m *made)
		settle uint64
	}{
		{"newest torn, a valid one behind it", func(m *made) {
			m.entry(0, 1, madeJset+1, madeJset, m.chain[0])
			m.entry(1, 0, madeJset+2, madeJset, m.chain[0])
			m.dev.Put((m.g.Start(m.g.FirstBucket)+m.g.BlockSectors).Bytes()+100, []byte{0x5a, 0x5a})
			m.entry(0, 0, madeJset, madeJset, m.chain[0])
		}, madeJset + 3},
		{"one of a later lap where the kernel does not look", func(m *made) {
			m.entry(0, 0, madeJset, madeJset, m.chain[0])
			m.entry(0, 1, madeJset-1, madeJset-1, m.old[0])
			m.entry(3, 1, madeJset+9, madeJset+9, m.old[0])
		}, madeJset + 10},
	} {
		m := newMade(t, 8)
		c.damage(m)
		base := m.dev.Fork()
		before, _ := read(t, base)
		want := extents(t, before, isLive)
		after := base.Fork()
		do := func(t *testing.T, tx *change.Tx, _ *inspect.Cache) {
			t.Helper()
			newTree(t, tx, 100)
			if err := tx.Settle(c.settle); err != nil {
				t.Fatal(err)
			}
		}
		buckets := rewrite(t, after, do)
		sound(t, c.name, after)
		for state, dev := range after.Cuts(base, 3) {
			now, _ := read(t, dev)
			switch seq := now.Journal.Newest.Seq; {
			case seq == c.settle && slices.Equal(chainOf(now), buckets):
				same(t, c.name+", "+state, "live extents", extents(t, now, isLive), want)
			case seq == before.Journal.Newest.Seq && slices.Equal(chainOf(now), chainOf(before)):
				same(t, c.name+", "+state, "live extents", extents(t, now, isLive), want)
			default:
				t.Errorf("%s, %s: the kernel finds entry %d", c.name, state, seq)
			}
		}
	}
}
