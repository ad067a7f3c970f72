// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"slices"
	"testing"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/powercut"
)

// The changes that are cut: a plain rewrite, one that sets prios and the gen of a bucket nothing points to, and one
// of a chain that was destroyed before.
var changes = []struct {
	name    string
	destroy bool
	do      change
}{
	{"plain", false, unchanged},
	{"set", false, func(t *testing.T, tx *Tx, c *inspect.Cache) {
		b := firstUnused(t, tx)
		tx.SetGen(b, tx.Gen(b)+1)
		for b := range c.Geo.NBuckets {
			tx.SetPrio(b, uint16(b))
		}
		if risks, err := tx.Risks(); err != nil || len(risks) > 0 {
			t.Fatalf("%v, %v", risks, err)
		}
	}},
	{"from-btree", true, func(_ *testing.T, tx *Tx, _ *inspect.Cache) { tx.RebuildGens() }},
}

// firstUnused is a bucket that no key points to.
func firstUnused(t *testing.T, tx *Tx) ondisk.Bucket {
	t.Helper()
	if err := tx.scan(); err != nil {
		t.Fatal(err)
	}
	for b := tx.g.NBuckets - 1; b > tx.g.FirstBucket; b-- {
		if tx.free(b) && !tx.usage.pointed[b] && tx.usage.lag[b] == 0 {
			return b
		}
	}
	t.Fatal("every bucket was used")
	return 0
}

// devices are all shared images, and the one of several prio sets.
func devices(t *testing.T) map[string]func(*testing.T) *powercut.Device {
	out := map[string]func(*testing.T) *powercut.Device{
		"several sets": func(t *testing.T) *powercut.Device { t.Helper(); return newMade(t, 0).dev },
	}
	for _, name := range imgtest.Names(t) {
		out[name] = func(t *testing.T) *powercut.Device { t.Helper(); return kernelMade(t, name) }
	}
	return out
}

// Wherever the power goes, the device is as before or as after: no damage that was not there, all live extents, and
// the command runs again and completes.
func TestCutAnywhere(t *testing.T) {
	for name, open := range devices(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			image := open(t)
			for _, ch := range changes {
				t.Run(ch.name, func(t *testing.T) {
					base := image.Fork()
					c, _ := read(t, base)
					if ch.destroy {
						destroySet(base, &c.Geo, c.Chain.Links[0].Bucket, false)
						c, _ = read(t, base)
					}
					cutEverywhere(t, base, c, ch.do)
				})
			}
		})
	}
}

// cutEverywhere runs a change, and again from each state that a cut in it leaves.
func cutEverywhere(t *testing.T, base *powercut.Device, c *inspect.Cache, do change) {
	after := base.Fork()
	buckets := rewrite(t, after, do)
	before, want := extents(t, c, isLive), liveAfter(t, after)
	same(t, "done", "live dirty extents", dirtyOf(t, after), extents(t, c, isDirty))
	states, done := 0, 0
	for state, dev := range after.Cuts(base, 3) {
		states++
		now, found := read(t, dev)
		switch {
		case slices.Equal(chainOf(now), buckets):
			done++
			same(t, state, "live extents", extents(t, now, isLive), want)
			sound(t, state, dev)
		case !found.Damaged():
			same(t, state, "live extents", extents(t, now, isLive), before)
			sound(t, state, dev)
		case !slices.Equal(chainOf(now), chainOf(c)):
			t.Errorf("%s: the chain is neither the old nor the new one: %v", state, chainOf(now))
		}
		again := dev.Fork()
		rewrite(t, again, do)
		same(t, state+", again", "live extents", liveAfter(t, again), want)
		if states%4 == 0 {
			sound(t, state+", again", again)
		}
		if t.Failed() {
			t.Fatalf("%s: see above", state)
		}
	}
	if states < 10 || done < 2 || done > states/2 {
		t.Errorf("%d states, %d of them with the new chain: the cuts are not where they should be", states, done)
	}
}

func chainOf(c *inspect.Cache) (out []ondisk.Bucket) {
	for _, l := range c.Chain.Links {
		out = append(out, l.Bucket)
	}
	return out
}

func liveAfter(t *testing.T, dev *powercut.Device) []string {
	t.Helper()
	c, _ := read(t, dev)
	return extents(t, c, isLive)
}

func dirtyOf(t *testing.T, dev *powercut.Device) []string {
	t.Helper()
	c, _ := read(t, dev)
	return extents(t, c, isDirty)
}

// What is written before the last flush is written where nothing of the old state stands, and all at once refers to
// it: prio sets, a flush, one block of one journal entry, a flush.
func TestOrderOfWrites(t *testing.T) {
	for name, open := range devices(t) {
		dev := open(t)
		c, _ := read(t, dev)
		rewrite(t, dev, unchanged)
		sets := c.Geo.PrioBuckets()
		events := dev.Events()
		if len(events) != sets+3 || !events[sets].Flush || !events[sets+2].Flush {
			t.Fatalf("%s: %d events for %d prio sets", name, len(events), sets)
		}
		for i, e := range events[:sets] {
			b := c.Geo.BucketOf(ondisk.Sector(e.Off / ondisk.SectorBytes))
			if c.Buckets.Mark(b) != inspect.Free || c.Geo.IsJournal(b) || e.Off != c.Geo.Start(b).Bytes() || int64(len(e.Data)) != c.Geo.MetaSectors.Bytes() {
				t.Errorf("%s: write %d, %d bytes at byte %d, in bucket %d, which is %s", name, i, len(e.Data), e.Off, b, c.Buckets.Mark(b))
			}
		}
		if e := events[sets+1]; int64(len(e.Data)) != c.Geo.BlockSectors.Bytes() || !c.Geo.IsJournal(c.Geo.BucketOf(ondisk.Sector(e.Off/ondisk.SectorBytes))) {
			t.Errorf("%s: the entry is %d bytes at byte %d", name, len(e.Data), e.Off)
		}
	}
}
