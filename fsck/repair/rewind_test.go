// SPDX-License-Identifier: GPL-2.0-only

package repair_test

import (
	"context"
	"errors"
	"testing"

	"bctl/fsck"
	"bctl/fsck/repair"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/lab/damages"
	"bctl/internal/lab/planter"
	"bctl/internal/lab/scenes"
)

// rewindable are caches with entries to go back to: kernels', and one whose newest entry has the only trace of dirty data.
func rewindable(t *testing.T) map[string]*damages.Scene {
	out := map[string]*damages.Scene{}
	for _, name := range []string{"writeback-crash-mid", "writeback-dirty"} {
		out[name] = scenes.Open(t, name)
	}
	s := scenes.Open(t, "hostile")
	free := s.Free(8)
	s.AddEntry(func(j *ondisk.Jset) {
		j.Keys = []ondisk.Bkey{planter.Dirty(s.Key(0, 5008, 8, s.Geo.Start(free[7]), 0))}
	})
	out["a dirty key"] = s
	return out
}

// Each candidate can be taken, and what is then gone, counted sector by sector, is what the list said, and what the
// repair lists; the next check is clean, and the device is as before where the plan is not carried out.
func TestRewind(t *testing.T) {
	dirtyLost, cleanLost := ondisk.Sector(0), ondisk.Sector(0)
	for name, s := range rewindable(t) {
		devs, sum := devices(s), s.Sum()
		was, n := live(t, devs[0]), 0
		for c, err := range repair.Candidates(context.Background(), devs[0], repair.Options{}) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n > 3 {
				break
			}
			r, err := repair.Plan(context.Background(), devs[0], nil, repair.Options{Options: fsck.Options{Now: damages.Now}, Rewind: c.Seq})
			if err != nil || r.After.Result == fsck.Damaged || r.Plans[0] == nil {
				t.Fatalf("%s: entry %d: %v, %v", name, c.Seq, err, r)
			}
			got, now := repair.Cost{}, live(t, after(r, devs)[0])
			for at, w := range was {
				if is, ok := now[at]; ok && is == w {
					continue
				}
				if w.dirty {
					got.Dirty++
				} else {
					got.Clean++
				}
			}
			for at, is := range now {
				if w, ok := was[at]; is.dirty && (!ok || w != is) {
					got.Old++
				}
			}
			listed := ondisk.Sector(0)
			for _, l := range r.Lost {
				listed += l.Count
			}
			if got.Dirty != c.Dirty || got.Clean != c.Clean || got.Old != c.Old || listed != c.Dirty+c.Clean || r.Old != c.Old || c.Unknown {
				t.Errorf("%s: entry %d: cost %+v, said %+v, listed %d, old %d", name, c.Seq, got, c.Cost, listed, r.Old)
			}
			dirtyLost, cleanLost = dirtyLost+c.Dirty, cleanLost+c.Clean
		}
		if n < 2 {
			t.Errorf("%s: %d candidates", name, n)
		}
		if s.Sum() != sum {
			t.Errorf("%s: it wrote", name)
		}
	}
	if dirtyLost == 0 || cleanLost == 0 {
		t.Errorf("no candidate cost dirty (%d) and clean (%d) data", dirtyLost, cleanLost)
	}
}

// An entry that is none is one error.
func TestRewindToNothing(t *testing.T) {
	s := scenes.Open(t, "writeback-dirty")
	all := s.Entries()
	s.EditEntry(all[len(all)-2], func(j *ondisk.Jset) { j.BtreeRoot.Ptr[0] = ondisk.MakePtr(0, s.Geo.Start(s.Free(3)[2]), 0) })
	devs := devices(s)
	for _, seq := range []uint64{1 << 60, all[len(all)-2].Seq} {
		_, err := repair.Plan(context.Background(), devs[0], nil, repair.Options{Rewind: seq})
		if !errors.Is(err, repair.ErrNoCandidate) {
			t.Errorf("entry %d: %v", seq, err)
		}
	}
}
