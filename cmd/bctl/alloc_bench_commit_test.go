// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bctl/alloc"
	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/finding"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/powercut"
	"bctl/superblock"
)

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

// readCache opens a cache as the commands do.
func readCache(t *testing.T, dev interface {
	io.ReaderAt
	Size() int64
},
) *inspect.Cache {
	t.Helper()
	s, err := superblock.Read(dev)
	if err != nil {
		t.Fatal(err)
	}
	cache, err := inspect.Open(context.Background(), dev, s, inspect.Options{Size: dev.Size(), Sink: func(finding.Finding) {}})
	if err != nil {
		t.Fatal(err)
	}
	return cache
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
			cache := readCache(t, dev)
			dirty := liveDirty(cache)
			o := &benchOptions{model: alloc.DefaultModel(), policies: []alloc.Policy{policy}, prios: "random", seed: 1, ops: 40, warmup: -1}
			row, err := o.commit(context.Background(), dev, cache)
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
				if now := liveDirty(readCache(t, cut)); now != dirty {
					t.Fatalf("%s: %d dirty sectors, there were %d", state, now, dirty)
				}
			}
			if states < 10 {
				t.Errorf("%d states", states)
			}
		})
	}
}

// The command writes what it says, and goes on from what it has written.
func TestCommit(t *testing.T) {
	img := imgtest.Open(t, "writeback-dirty")
	before := img.Sum()
	rows := benchResults(t, "--commit", "--policy", "fifo", "--ops", "60", img.Cache)
	if rows[0]["allocations"].(float64) < 60 || rows[0]["prio_writes"].(float64) < 1 {
		t.Errorf("%v", rows[0])
	}
	if img.Sum() == before {
		t.Error("nothing was written")
	}
	if got := bctl("fsck", img.Cache); got.code != 0 {
		t.Errorf("fsck: exit %d, %s", got.code, got.stdout)
	}
	rows = benchResults(t, "--commit", "--ops", "500", img.Cache) // more entries than a journal bucket holds
	if rows[0]["prio_writes"].(float64) < 33 {
		t.Errorf("%v", rows[0])
	}
	if got := bctl("fsck", img.Cache); got.code != 0 {
		t.Errorf("fsck: exit %d, %s", got.code, got.stdout)
	}
}

func TestCommitRefuses(t *testing.T) {
	img := imgtest.Open(t, "empty-registered")
	before := img.Sum()
	for args, says := range map[string]string{
		"--commit":                                 "no device",
		"--commit --policy all " + img.Cache:       "one policy",
		"--commit --workload zipf " + img.Cache:    "--workload alloc",
		"--commit --trace x " + img.Cache:          "--commit",
		"--commit --buckets 600 " + img.Cache:      "--buckets",
		"--commit --ops 5 --warmup 3 " + img.Cache: "--commit",
	} {
		wantLine(t, args, bctl(append([]string{"alloc-bench"}, strings.Fields(args)...)...), exitUsage, says)
	}
	fresh := filepath.Join(t.TempDir(), "fresh.img")
	if got := bctl("format", "-C", fresh, "--size", "512M", "-q"); got.code != 0 {
		t.Fatal(got.stderr)
	}
	wantLine(t, "never registered", bctl("alloc-bench", "--commit", fresh), exitCannot, fresh, "never registered")
	if img.Sum() != before {
		t.Error("the image was changed")
	}
}

// The transaction does not trust the allocator: what would lose data is refused.
func TestCommitDistrusts(t *testing.T) {
	dev := scratch(t, "writeback-dirty")
	cache := readCache(t, dev)
	entries := func(change func(*prioCommitter)) error {
		w := &prioCommitter{ctx: context.Background(), dev: dev, entries: nil}
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
	w := &prioCommitter{ctx: context.Background(), dev: dev, entries: make([]ondisk.PrioEntry, cache.Geo.NBuckets)}
	if _, err := w.plan(1, []uint32{uint32(cache.Chain.Links[0].Bucket)}); !errors.Is(err, change.ErrUnsafe) {
		t.Errorf("the chain's own bucket: %v", err)
	}
}
