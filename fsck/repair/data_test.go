// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/scenes"
	"bctl/internal/lab/truth"
	"bctl/superblock"
)

// A sector is one of a volume's that the cache holds.
type sector struct {
	inode uint32
	at    ondisk.Sector
}

// where is where the cache has it.
type where struct {
	at    ondisk.Sector
	dirty bool
}

// live maps every sector that a cache holds, by the slow way: one at a time.
func live(t *testing.T, d fsck.Device) map[sector]where {
	t.Helper()
	s, err := superblock.Read(d.R)
	if err != nil {
		t.Fatal(err)
	}
	if s.IsBacking() {
		return nil
	}
	c, err := inspect.Open(context.Background(), d.R, s, inspect.Options{Size: d.Size, Sink: func(finding.Finding) {}})
	if err != nil {
		t.Fatal(err)
	}
	out := map[sector]where{}
	if c.Journal == nil {
		return out
	}
	var mu sync.Mutex
	if err := c.Walk(func(_ int, e *inspect.Extent) {
		mu.Lock()
		defer mu.Unlock()
		for i := range e.Size() {
			if e.Live {
				out[sector{e.Inode(), e.Start() + i}] = where{e.Ptr[0].Offset() + i, e.Dirty()}
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// mayBeGone reports whether a repair said that it does not know of a sector.
func mayBeGone(perhaps []repair.Lost, at sector) bool {
	return truth.MayBeGone(perhaps, at.inode, at.at)
}

// What a damage does not touch is there afterwards, in the same place of the cache; a dirty sector that is not there is
// one that was said to be given up.
func TestDataStay(t *testing.T) {
	before := map[string]map[sector]where{}
	for i, d := range slices.Concat(damages.Tried, damages.Proved()) {
		if testing.Short() && i%6 > 0 {
			continue // the race detector's: it takes ten times as long, and all go the same ways
		}
		s := scenes.Open(t, d.Base)
		if before[d.Base] == nil {
			before[d.Base] = live(t, devices(s)[0])
		}
		d.Plant(s)
		devs := devices(s)
		if s.Main != s.Image {
			continue // a backing device alone
		}
		r := planned(t, devs)
		if r.After.Result == fsck.Damaged || r.Before == nil || r.Before.Result == fsck.Clean {
			continue
		}
		said := map[sector]bool{}
		perhaps := []repair.Lost{}
		for _, l := range r.Lost {
			if l.Perhaps() {
				perhaps = append(perhaps, l)
				continue
			}
			for i := range l.Count {
				said[sector{l.Inode, l.Offset + i}] = true
			}
		}
		now := live(t, after(r, devs)[0])
		lost, clean, moved := 0, 0, 0
		for at, was := range before[d.Base] {
			is, ok := now[at]
			switch {
			case !ok && was.dirty && !said[at] && !mayBeGone(perhaps, at):
				lost++
			case !ok && !was.dirty:
				clean++
			case ok && is.at != was.at:
				moved++
			}
		}
		if lost > 0 || moved > 0 {
			t.Errorf("%s: %v: of %d sectors %d dirty ones are gone in silence, %d are elsewhere; %s", d.Name, codes(r.Before), len(before[d.Base]), lost, moved, r.Evidence)
		}
		gens := !slices.ContainsFunc(codes(r.Before), func(c finding.Code) bool { return c.Family() != "PR" })
		entry := slices.ContainsFunc(codes(r.Before), func(c finding.Code) bool { // one that is lost may have replaced any of them
			return slices.Contains([]finding.Code{finding.JRNone, finding.JRDamaged, finding.JRGap, finding.JRLost, finding.JRUnread}, c)
		})
		if n := len(before[d.Base]); clean > n/2 && n > 1000 && !gens && !entry { // where gens are lost, clean data are what they tell of
			t.Errorf("%s: %v: %d of %d clean sectors are gone", d.Name, codes(r.Before), clean, n)
		}
	}
}
