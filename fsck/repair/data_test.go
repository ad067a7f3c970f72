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
	"bctl/internal/disk/plan"
	"bctl/internal/finding"
	"bctl/internal/lab/damages"
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

// What a damage does not touch is there afterwards, in the same place of the cache; what is given up is what is said.
func TestDataStay(t *testing.T) {
	before := map[string]map[sector]where{}
	for _, d := range slices.Concat(damages.Tried, damages.Proved()) {
		s := damages.Open(t, d.Base)
		if before[d.Base] == nil {
			before[d.Base] = live(t, devices(s)[0])
		}
		d.Plant(s)
		devs := devices(s)
		if s.Main != s.Image {
			continue
		}
		r, err := repair.Plan(context.Background(), devs[0], devs[1:], repair.Options{Options: fsck.Options{Now: damages.Now}})
		if err != nil || r.After.Result == fsck.Damaged || r.Before == nil || r.Before.Result == fsck.Clean {
			continue
		}
		over := devs[0]
		if p := r.Plans[0]; p != nil {
			over.R = p.Overlay(over.R)
		}
		after := live(t, over)
		lostDirty, lostClean, moved := 0, 0, 0
		for at, was := range before[d.Base] {
			now, ok := after[at]
			switch {
			case !ok && was.dirty:
				lostDirty++
			case !ok:
				lostClean++
			case now.at != was.at:
				moved++
			}
		}
		said := 0
		for _, l := range r.Lost {
			if l.Dirty {
				said += int(l.Count)
			}
		}
		if lostDirty > 0 || moved > 0 || lostClean > 0 {
			t.Logf("%-40s %v: lost %d dirty (said %d), %d clean, %d elsewhere of %d; %v", d.Name, codes(r.Before), lostDirty, said, lostClean, moved, len(before[d.Base]), r.Evidence)
		}
	}
}

var _ = plan.Write{}
