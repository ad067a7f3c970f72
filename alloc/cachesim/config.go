// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"fmt"
	"strings"
	"time"

	"bctl/alloc"
)

// A Mode is a cached device's cache_mode.
type Mode uint8

// The kernel's modes, with its numbers.
const (
	Writethrough Mode = iota
	Writeback
	Writearound
	NoCache
)

var modeNames = [...]string{"writethrough", "writeback", "writearound", "none"}

func (m Mode) String() string { return modeNames[m] }

// ModeNames are the names of all modes, in the order of their numbers.
func ModeNames() []string { return modeNames[:] }

// ParseMode finds a mode by its name in sysfs.
func ParseMode(name string) (Mode, error) {
	for m, n := range modeNames {
		if n == name {
			return Mode(m), nil
		}
	}
	return 0, fmt.Errorf("cache mode %q: not one of %s", name, strings.Join(modeNames[:], ", "))
}

// Tasks says who makes the requests, where the trace does not.
type Tasks uint8

// Without a task there is no average of its streams.
const (
	TasksTrace  Tasks = iota // as the trace says; 0 is nobody
	TasksOne                 // one for everything
	TasksVolume              // one for each volume
)

// Config is what a Sim models.
type Config struct {
	Alloc            alloc.Config // Sync, SlowPrios, Prios and Trace are the Sim's own
	Mode             Mode
	SequentialCutoff uint32 // bytes; 0 switches it off
	CongestedCutoff  uint32 // bytes, as if the cache were congested all the time; 0: it never is
	ReadaheadMeta    bool   // cache_readahead_policy meta-only: readahead goes past the cache
	Tasks            Tasks
	SyncWrites       bool   // every write counts as synchronous, because the trace does not tell
	WritebackPercent int    // writeback_percent
	Rate             uint64 // requests a second, for traces without times; 0: they have some
	BySize           bool   // Rate is of requests of 16 KiB: larger ones take longer, smaller ones less
	MovingGC         bool   // copy_gc_enabled
	Used             bool   // the cache has served others before, though nothing of it is in the trace; else it was just made

	share Share    // of a sample
	short shortage // of it

	// PrioWrite is how long the allocator takes to write prios and their journal entry: meanwhile there may be no
	// bucket, and who may not wait for one goes without.
	PrioWrite time.Duration
	// GC is how long a garbage collection takes: meanwhile nothing becomes a bucket to be had, before Linux 6.11. Below 0
	// it is what kernels were seen to take, see course.
	GC time.Duration
}

// DefaultConfig is the kernel's defaults.
func DefaultConfig() Config {
	return Config{
		Alloc: alloc.DefaultConfig(), SequentialCutoff: 4 << 20, WritebackPercent: 10, SyncWrites: true,
		PrioWrite: DefaultPrioWrite, GC: -1,
	}
}

// DefaultPrioWrite is how long the allocator is held up by a prio write, in effect, where the model was held against
// kernels: they were emulated, at a request a millisecond. It itself takes 3 ms there; the rest is that it has to get the
// processor, and that several threads fill buckets at once.
const DefaultPrioWrite = 7 * time.Millisecond

// mostPercent is the most that sysfs takes for writeback_percent.
const mostPercent = 40

func (c *Config) validate() error {
	size := uint64(c.Alloc.NBuckets) * uint64(c.Alloc.BucketSize)
	switch {
	case c.WritebackPercent < 0 || c.WritebackPercent > mostPercent:
		return fmt.Errorf("%w: writeback percent %d, at most %d", alloc.ErrConfig, c.WritebackPercent, mostPercent)
	case c.Mode > NoCache || c.Tasks > TasksVolume:
		return fmt.Errorf("%w: cache mode %d, tasks %d", alloc.ErrConfig, c.Mode, c.Tasks)
	case c.PrioWrite < 0 || c.PrioWrite > time.Minute || c.GC > time.Minute:
		return fmt.Errorf("%w: a prio write of %v, a gc of %v", alloc.ErrConfig, c.PrioWrite, c.GC)
	case size > maxCacheSectors:
		return fmt.Errorf("%w: a cache of %d sectors, at most %d can be modelled", alloc.ErrConfig, size, uint64(maxCacheSectors))
	}
	return nil
}

// ratePhase is how long before the trace begins the rate was updated last: the device is attached a moment before.
const ratePhase = 1.3e9
