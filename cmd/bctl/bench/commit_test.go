// SPDX-License-Identifier: GPL-2.0-only

package bench

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"bctl/alloc"
	"bctl/cmd/bctl/app/apptest"
	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/disk/plan"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/powercut"
)

// runOn carries plans out on a device.
func runOn(dev plan.Device) func(*plan.Plan) error {
	return func(p *plan.Plan) error { return p.Run(dev) }
}

// scratch is an image in a device that can lose its power.
func scratch(t *testing.T, name string) *powercut.Device {
	t.Helper()
	f, err := os.Open(imgtest.Open(t, name).Cache)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return powercut.New(f, info.Size())
}

func liveDirty(c *inspect.Cache) (n uint64) {
	for _, v := range c.Volumes {
		n += uint64(v.DirtySectors)
	}
	return n
}

// Wherever the power goes while the allocator runs for real, fsck finds the image sound, with all its dirty data.
func TestCommitCutAnywhere(t *testing.T) {
	policies := []alloc.Policy{alloc.LRU, alloc.FIFO, alloc.Random}
	for i, name := range imgtest.Names(t) {
		policy := policies[i%len(policies)] // all on all would take a minute
		t.Run(name+"/"+policy.String(), func(t *testing.T) {
			t.Parallel()
			base := scratch(t, name)
			dev := base.Fork()
			cache := apptest.ReadCache(t, dev)
			dirty := liveDirty(cache)
			o := &benchOptions{model: alloc.DefaultModel(), policies: []alloc.Policy{policy}, prios: "random", seed: 1, ops: 40, warmup: -1}
			row, err := o.commit(context.Background(), dev, cache, runOn(dev))
			if err != nil {
				t.Fatal(err)
			}
			if row.Allocations < 40 || row.PrioWrites < 2 {
				t.Errorf("%d allocations, %d prio writes", row.Allocations, row.PrioWrites)
			}
			states := 0
			for state, cut := range dev.Cuts(base, 1) {
				states++
				if states%5 != 0 && !strings.Contains(state, "done") && testing.Short() {
					continue
				}
				r, err := fsck.Run(context.Background(), fsck.Device{Name: name, R: cut, Size: cut.Size()}, nil, fsck.Options{Workers: 1})
				if err != nil {
					t.Fatal(err)
				}
				if r.Result != fsck.Clean {
					t.Fatalf("%s: %s, %v", state, r.Result, r.Findings)
				}
				if now := liveDirty(apptest.ReadCache(t, cut)); now != dirty {
					t.Fatalf("%s: %d dirty sectors, there were %d", state, now, dirty)
				}
			}
			if states < 10 {
				t.Errorf("%d states", states)
			}
		})
	}
}

// The transaction does not trust the allocator: what would lose data is refused.
func TestCommitDistrusts(t *testing.T) {
	dev := scratch(t, "writeback-dirty")
	cache := apptest.ReadCache(t, dev)
	entries := func(change func(*prioCommitter)) error {
		w := &prioCommitter{ctx: context.Background(), dev: dev, run: runOn(dev), entries: nil}
		for b := range cache.Geo.NBuckets {
			w.entries = append(w.entries, ondisk.PrioEntry{Prio: cache.Buckets.Prio(b), Gen: cache.Buckets.Gen(b)})
		}
		change(w)
		free := uint32(0)
		for b := cache.Geo.FirstBucket; b < cache.Geo.NBuckets; b++ {
			if cache.Buckets.Mark(b) == inspect.Free && cache.Buckets.Lag(b) == 0 {
				free = uint32(b)
			}
		}
		_, err := w.plan(cache.Chain.Links[0].Seq+1, []uint32{free})
		return err
	}
	if err := entries(func(*prioCommitter) {}); err != nil {
		t.Errorf("the same gens: %v", err)
	}
	for b := range cache.Geo.NBuckets {
		if cache.Buckets.Mark(b) == inspect.Dirty {
			if err := entries(func(w *prioCommitter) { w.entries[b].Gen++ }); !errors.Is(err, change.ErrUnsafe) {
				t.Errorf("dirty bucket %d given up: %v", b, err)
			}
			break
		}
	}
	last := cache.Geo.NBuckets - 1
	if err := entries(func(w *prioCommitter) { w.entries[last].Gen-- }); !errors.Is(err, change.ErrUnsafe) {
		t.Errorf("a gen that falls: %v", err)
	}
	w := &prioCommitter{ctx: context.Background(), dev: dev, run: runOn(dev), entries: make([]ondisk.PrioEntry, cache.Geo.NBuckets)}
	if _, err := w.plan(1, []uint32{uint32(cache.Chain.Links[0].Bucket)}); !errors.Is(err, change.ErrUnsafe) {
		t.Errorf("the chain's own bucket: %v", err)
	}
}
