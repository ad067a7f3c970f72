// SPDX-License-Identifier: GPL-2.0-only

package change_test

import (
	"context"
	"os"
	"slices"
	"sync"
	"testing"

	"bctl/fsck"
	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/change"
	"bctl/internal/disk/plan"
	"bctl/internal/finding"
	"bctl/internal/lab/imgtest"
	"bctl/internal/lab/powercut"
	"bctl/superblock"
)

// shared are the images that a test asked for. Nobody writes to them, so one copy of each does for all tests;
// it is unlinked with the first of these, and stays as long as it is open.
var shared struct {
	sync.Mutex
	devices map[string]*powercut.Device
}

// kernelMade is a shared image's cache device, in a device that can lose its power.
func kernelMade(t *testing.T, name string) *powercut.Device {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.devices == nil {
		shared.devices = map[string]*powercut.Device{}
	}
	if shared.devices[name] == nil {
		f, err := os.Open(imgtest.Open(t, name).Cache)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		shared.devices[name] = powercut.New(f, info.Size())
	}
	return shared.devices[name].Fork()
}

// read opens a cache as registration would see it.
func read(t *testing.T, dev *powercut.Device) (*inspect.Cache, *finding.Collector) {
	t.Helper()
	s, err := superblock.Read(dev)
	if err != nil {
		t.Fatal(err)
	}
	found := new(finding.Collector)
	c, err := inspect.Open(context.Background(), dev, s, inspect.Options{Size: dev.Size(), Sink: found.Add, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	return c, found
}

// extents are the surviving pieces that keep says yes to, in order.
func extents(t *testing.T, c *inspect.Cache, keep func(*inspect.Extent) bool) (out []string) {
	t.Helper()
	var mu sync.Mutex
	err := c.Walk(func(_ int, e *inspect.Extent) {
		if keep(e) {
			mu.Lock()
			defer mu.Unlock()
			out = append(out, e.String())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func isLive(e *inspect.Extent) bool { return e.Live }
func isDirty(e *inspect.Extent) bool {
	return e.Live && e.Dirty()
}

// A change is what is done to a transaction before the prio chain is written.
type alteration func(t *testing.T, tx *change.Tx, c *inspect.Cache)

func unchanged(*testing.T, *change.Tx, *inspect.Cache) {}

// prepare plans a new prio chain.
func prepare(c *inspect.Cache, alter func(*change.Tx)) (*plan.Plan, []ondisk.Bucket, error) {
	tx, err := change.Begin(c)
	if err != nil {
		return nil, nil, err
	}
	alter(tx)
	buckets, _, err := tx.RewritePrios()
	if err != nil {
		return nil, nil, err
	}
	p, err := tx.Commit()
	return p, buckets, err
}

// rewrite does on dev what rewrite-prios does, and returns the buckets of the new chain.
func rewrite(t *testing.T, dev *powercut.Device, do alteration) []ondisk.Bucket {
	t.Helper()
	c, _ := read(t, dev)
	p, buckets, err := prepare(c, func(tx *change.Tx) { do(t, tx, c) })
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(dev); err != nil {
		t.Fatal(err)
	}
	return buckets
}

// sound fails the test if fsck finds damage, and returns what it found else.
func sound(t *testing.T, state string, dev *powercut.Device) []finding.Finding {
	t.Helper()
	r, err := fsck.Run(context.Background(), fsck.Device{Name: "cache", R: dev, Size: dev.Size()}, nil, fsck.Options{Workers: 1})
	if err != nil {
		t.Fatalf("%s: %v", state, err)
	}
	for _, f := range r.Findings {
		if f.Severity == finding.Damage {
			t.Errorf("%s: %s %s", state, f.Code, f.Message)
		}
	}
	return r.Findings
}

// same fails the test if two lists differ, and says where first.
func same(t *testing.T, state, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	for _, w := range want {
		if _, ok := slices.BinarySearch(got, w); !ok {
			t.Errorf("%s: %d %s, %d before; lost %s", state, len(got), what, len(want), w)
			return
		}
	}
	for _, g := range got {
		if _, ok := slices.BinarySearch(want, g); !ok {
			t.Errorf("%s: %d %s, %d before; new is %s", state, len(got), what, len(want), g)
			return
		}
	}
	t.Errorf("%s: %d %s, %d before", state, len(got), what, len(want))
}
