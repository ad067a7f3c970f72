// SPDX-License-Identifier: GPL-2.0-only

package change_test

import (
	"fmt"
	"slices"
	"testing"

	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/disk/plan"
	"bctl/internal/finding"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/powercut"
)

// The changes that are cut: a plain rewrite, one that sets prios and the gen of a bucket nothing points to, and one
// of a chain that was destroyed before.
var changes = []struct {
	name    string
	destroy bool
	do      alteration
}{
	{"plain", false, unchanged},
	{"set", false, func(t *testing.T, tx *change.Tx, c *inspect.Cache) {
		b := firstUnused(t, tx)
		tx.SetGen(b, tx.Gen(b)+1)
		for b := range c.Geo.NBuckets {
			tx.SetPrio(b, uint16(b))
		}
		if risks, err := repair.Risks(tx); err != nil || len(risks) > 0 {
			t.Fatalf("%v, %v", risks, err)
		}
	}},
	{"from-btree", true, func(t *testing.T, tx *change.Tx, _ *inspect.Cache) { regen(t, tx) }},
}

// firstUnused is a bucket that no key points to.
func firstUnused(t *testing.T, tx *change.Tx) ondisk.Bucket {
	t.Helper()
	b, err := tx.UnusedForTest()
	if err != nil || b == 0 {
		t.Fatalf("every bucket was used: %v", err)
	}
	return b
}

// regen makes the gens anew, without backing devices.
func regen(t *testing.T, tx *change.Tx) {
	t.Helper()
	if _, err := repair.RebuildGens(tx, nil); err != nil {
		t.Fatal(err)
	}
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
func cutEverywhere(t *testing.T, base *powercut.Device, c *inspect.Cache, do alteration) {
	after := base.Fork()
	buckets := rewrite(t, after, do)
	j := newJudge(t, base, c, after, buckets)
	same(t, "done", "live dirty extents", dirtyOf(t, after), extents(t, c, isDirty))
	states, done := 0, 0
	for state, dev := range after.Cuts(base, 3) {
		states++
		isNew, wrong := j.judge(t, dev)
		if isNew {
			done++
		}
		if wrong != "" {
			t.Errorf("%s: %s", state, wrong)
		}
		again := dev.Fork()
		rewrite(t, again, do)
		same(t, state+", again", "live extents", liveAfter(t, again), j.want)
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

// judge knows the two states that a cut may leave.
type judge struct {
	oldChain, newChain []ondisk.Bucket
	before, want       []string // live extents
	damage             []string // what is wrong with the old state, and no more
}

func newJudge(t *testing.T, base *powercut.Device, c *inspect.Cache, after *powercut.Device, buckets []ondisk.Bucket) *judge {
	t.Helper()
	_, found := read(t, base)
	return &judge{chainOf(c), buckets, extents(t, c, isLive), liveAfter(t, after), damageOf(found)}
}

// judge says what is wrong with a state that is neither the old one nor the new one.
func (j *judge) judge(t *testing.T, dev *powercut.Device) (isNew bool, wrong string) {
	t.Helper()
	now, found := read(t, dev)
	live, damage := extents(t, now, isLive), damageOf(found)
	switch {
	case slices.Equal(chainOf(now), j.newChain):
		if len(damage) > 0 || !slices.Equal(live, j.want) {
			return true, fmt.Sprintf("the new chain, with %d live extents of %d, %v", len(live), len(j.want), damage)
		}
		if rep := fsckOf(t, dev); len(rep) > 0 {
			return true, fmt.Sprintf("the new chain: %v", rep)
		}
		return true, ""
	case !slices.Equal(chainOf(now), j.oldChain):
		return false, fmt.Sprintf("the chain is neither the old nor the new one: %v", chainOf(now))
	case !slices.Equal(damage, j.damage):
		return false, fmt.Sprintf("the old chain, damaged: %v", damage)
	case !slices.Equal(live, j.before):
		return false, fmt.Sprintf("the old chain, with %d live extents of %d", len(live), len(j.before))
	case len(damage) == 0:
		if rep := fsckOf(t, dev); len(rep) > 0 {
			return false, fmt.Sprintf("the old chain: %v", rep)
		}
	}
	return false, ""
}

func damageOf(found *finding.Collector) (out []string) {
	for _, f := range found.Findings() {
		if f.Severity == finding.Damage {
			out = append(out, string(f.Code)+" "+f.Message)
		}
	}
	return out
}

// fsckOf is the damage that a whole check finds.
func fsckOf(t *testing.T, dev *powercut.Device) []string {
	t.Helper()
	r, err := fsck.Run(t.Context(), fsck.Device{Name: "cache", R: dev, Size: dev.Size()}, nil, fsck.Options{Workers: 1})
	if err != nil {
		return []string{err.Error()}
	}
	var found finding.Collector
	for _, f := range r.Findings {
		found.Add(f)
	}
	return damageOf(&found)
}

// The test above sees what it is for: a plan that takes the old chain away in the step that writes the new one leaves a
// state that is neither, on every device, and so does one that writes everything in one step.
func TestCutFindsBadPlans(t *testing.T) {
	for name, open := range devices(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			image := open(t)
			for _, ch := range changes {
				base := image.Fork()
				c, _ := read(t, base)
				old := c.Chain.Links[0].Bucket
				if ch.destroy {
					destroySet(base, &c.Geo, old, false)
					c, _ = read(t, base)
				}
				good, buckets, err := prepare(c, func(tx *change.Tx) { ch.do(t, tx, c) })
				if err != nil {
					t.Fatal(err)
				}
				zero := plan.Zero(c.Geo.Start(old).Bytes(), c.Geo.MetaSectors.Bytes(), "the old prio set, too early")
				for what, bad := range map[string]*plan.Plan{
					"the old set zeroed early": {Steps: [][]plan.Write{append(slices.Clone(good.Steps[0]), zero), good.Steps[1]}},
					"the entry first":          {Steps: [][]plan.Write{good.Steps[1], good.Steps[0]}},
					"one step":                 {Steps: [][]plan.Write{append(slices.Clone(good.Steps[0]), good.Steps[1]...)}},
				} {
					after := base.Fork()
					if err := good.Run(after); err != nil {
						t.Fatal(err)
					}
					j := newJudge(t, base, c, after, buckets)
					done := base.Fork()
					if err := bad.Run(done); err != nil {
						t.Fatal(err)
					}
					caught := false
					for _, dev := range done.Cuts(base, 3) {
						if _, wrong := j.judge(t, dev); wrong != "" {
							caught = true
							break
						}
					}
					if !caught {
						t.Errorf("%s, %s: no cut shows it", ch.name, what)
					}
				}
			}
		})
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
