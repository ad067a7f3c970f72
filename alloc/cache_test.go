// SPDX-License-Identifier: GPL-2.0-only

package alloc

import (
	"errors"
	"testing"
)

func newTestCache(t *testing.T, change func(*Config)) *Cache {
	t.Helper()
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSizes are those of cache_alloc(), for devices of every kind of size.
func TestSizes(t *testing.T) {
	for _, c := range []struct {
		buckets, journal                       int
		model                                  string
		btree, prio, movinggc, none, inc, heap uint32
	}{
		{513, 0, "6.2", 7, 1, 1, 1, 4, 8},
		{1024, 2, "6.2", 2, 1, 1, 1, 4, 8},
		{1025, 5, "6.2", 7, 1, 2, 2, 7, 16},
		{1025, 5, "4.6", 7, 1, 2, 2, 7, 16},
		{4096, 32, "5.8", 31, 1, 4, 4, 15, 32},
		{1 << 16, 256, "6.2", 255, 1, 63, 63, 255, 512},
		{1 << 20, 256, "6.2", 255, 7, 1023, 1023, 4095, 8192},
	} {
		got := newTestCache(t, func(cfg *Config) {
			cfg.NBuckets, cfg.NJournal = c.buckets, c.journal
			var err error
			if cfg.Model, err = ParseModel(c.model); err != nil {
				t.Fatal(err)
			}
		})
		sizes := [...]uint32{
			got.free[ReserveBtree].size, got.free[ReservePrio].size, got.free[ReserveMovingGC].size,
			got.free[ReserveNone].size, got.freeInc.size, uint32(len(got.heap.nodes) - 2),
		}
		if want := [...]uint32{c.btree, c.prio, c.movinggc, c.none, c.inc, c.heap}; sizes != want {
			t.Errorf("%d buckets, model %s: sizes %v, want %v", c.buckets, c.model, sizes, want)
		}
	}
}

func TestConfigRefused(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no model":         func(c *Config) { c.Model = Model{} },
		"few buckets":      func(c *Config) { c.NBuckets = 512 },
		"too many buckets": func(c *Config) { c.NBuckets = MaxBuckets + 1 },
		"bucket size":      func(c *Config) { c.BucketSize = 1000 },
		"huge bucket":      func(c *Config) { c.BucketSize = 1 << 21 },
		"block size":       func(c *Config) { c.BlockSize = 2048 },
		"first bucket":     func(c *Config) { c.FirstBucket = 0 },
		"journal":          func(c *Config) { c.NJournal = 257 },
		"policy":           func(c *Config) { c.Policy = 4 },
	} {
		cfg := DefaultConfig()
		change(&cfg)
		if _, err := New(cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestManyPins: a pin is a 32-bit counter in the kernel, and 16 bits of a
// bucket here.
func TestManyPins(t *testing.T) {
	const n = 3 * maxPin
	c := newTestCache(t, nil)
	for i := 1; i <= n; i++ {
		if c.Pin(9); c.Bucket(9).Pin != i {
			t.Fatalf("%d pins after %d", c.Bucket(9).Pin, i)
		}
	}
	for i := n - 1; i >= 0; i-- {
		if c.Put(9); c.Bucket(9).Pin != i {
			t.Fatalf("%d pins, want %d", c.Bucket(9).Pin, i)
		}
	}
	if c.Err() != nil {
		t.Fatal(c.Err())
	}
	if c.Put(9); !errors.Is(c.Err(), ErrBug) || c.Bucket(9).Pin != 0 {
		t.Errorf("%v, %d pins", c.Err(), c.Bucket(9).Pin)
	}
}

var errBroken = errors.New("broken")

// failingDisk fails at its nth call.
type failingDisk struct {
	PrioCounter
	left int
}

func (d *failingDisk) Write(slot, bucket int) error {
	if d.left--; d.left < 0 {
		return errBroken
	}
	return d.PrioCounter.Write(slot, bucket)
}

func (d *failingDisk) Journal(seq uint64, b []uint32) error {
	if d.left--; d.left < 0 {
		return errBroken
	}
	return d.PrioCounter.Journal(seq, b)
}

// TestPrioWriteError: a failed write gives nothing back and nothing out.
func TestPrioWriteError(t *testing.T) {
	for left := range 8 {
		disk := &failingDisk{left: left}
		c := newTestCache(t, func(cfg *Config) { cfg.Prios, cfg.Sync = disk, false })
		err := c.StartFresh()
		c.Run() // fills the lists before gens have to be on disk
		c.SetSync(true)
		for c.Run(); c.Err() == nil && disk.left > 0; c.Run() {
			c.Alloc(ReserveNone)
		}
		if c.Run(); err == nil {
			err = c.Err()
		}
		if disk.left >= 0 && err != nil || disk.left < 0 && !errors.Is(err, errBroken) {
			t.Errorf("%d calls left: %v", left, err)
		}
		if c.Step() && c.Err() != nil {
			t.Error("stepped after an error")
		}
		if disk.Sets != c.Stats().PrioWrites {
			t.Errorf("%d sets journalled, %d counted", disk.Sets, c.Stats().PrioWrites)
		}
	}
}

// TestStartedOnce: an allocator is started once.
func TestStartedOnce(t *testing.T) {
	c := newTestCache(t, func(cfg *Config) { cfg.Sync = false })
	if err := c.StartFresh(); err != nil {
		t.Fatal(err)
	}
	for _, start := range []func() error{c.StartFresh, c.StartExisting, c.StartBare} {
		if err := start(); !errors.Is(err, ErrConfig) {
			t.Error(err)
		}
	}
}

// TestBlockedPrios: while prio_blocked is up nothing leaves free_inc, and the
// one that takes it down wakes the allocator.
func TestBlockedPrios(t *testing.T) {
	c := newTestCache(t, nil)
	c.BlockPrios()
	if err := c.StartExisting(); err != nil {
		t.Fatal(err)
	}
	c.Run()
	if s, hand := c.State(); s != StateWaitPrio || hand != -1 {
		t.Fatalf("state %d, hand %d", s, hand)
	}
	if _, ok := c.Alloc(ReserveNone); ok {
		t.Fatal("a bucket before its gen was written")
	}
	c.UnblockPrios()
	c.Run()
	b, ok := c.Alloc(ReserveNone)
	if !ok || c.Bucket(b).Mark != MarkReclaimable || c.Bucket(b).Used != c.Config().BucketSize {
		t.Fatalf("bucket %d: %+v, %v", b, c.Bucket(b), ok)
	}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	if c.UnblockPrios(); !errors.Is(c.Err(), ErrBug) {
		t.Error(c.Err())
	}
}

// The hand of clock spares what was used since it came by, once.
func TestClock(t *testing.T) {
	c := newTestCache(t, func(cfg *Config) { cfg.Policy, cfg.Sync, cfg.NBuckets = Clock, false, 513 })
	for i := 1; i < 513; i++ {
		c.SetBucket(i, Bucket{Prio: uint16(i % 2 * initialPrio), Mark: MarkReclaimable, Used: 8})
	}
	if err := c.StartExisting(); err != nil {
		t.Fatal(err)
	}
	c.Run()
	var got []int
	for range 300 {
		b, ok := c.Alloc(ReserveNone)
		if c.Run(); !ok || c.Err() != nil {
			t.Fatal("no bucket", c.Err())
		}
		got = append(got, b)
	}
	seen := map[int]bool{}
	for i, b := range got {
		if even := b%2 == 0; seen[b] || even != (i < 200) && i < 200 {
			t.Fatalf("allocation %d is of bucket %d", i, b)
		}
		seen[b] = true
	}
	if got[299]%2 != 1 || c.Bucket(1).Prio != initialPrio {
		t.Errorf("the second round gives bucket %d, bucket 1 is %+v", got[299], c.Bucket(1))
	}
}

// A kernel has the model that decides most like it.
func TestParseModel(t *testing.T) {
	for version, want := range map[string]string{
		"7.2": "7.2", "6.2": "6.2", "5.8": "5.8", "4.6": "4.6", "6.1": "6.2", "6.10": "6.2", "6.11": "6.12", "6.12.41-amd64": "6.12", "6.16": "7.2", "7.0": "7.2",
		"8.1-rc1": "7.2", "4.15": "5.8", "5.10.0-30-amd64": "5.8", "4.14.3": "4.6", "3.10": "4.6",
	} {
		if m, err := ParseModel(version); err != nil || m.Name != want {
			t.Errorf("%s: model %q, %v, want %s", version, m.Name, err, want)
		}
	}
	for _, version := range []string{"", "newest", "6", "6.x", "-1.2", "1.9"} {
		if m, err := ParseModel(version); err == nil {
			t.Errorf("%q: model %s", version, m.Name)
		}
	}
}
