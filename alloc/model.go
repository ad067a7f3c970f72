// SPDX-License-Identifier: GPL-2.0-only

package alloc

import "fmt"

// A Model says which kernel's allocator to follow. It carries everything in
// which the texts of alloc.c differ, so that no other code asks for a version.
type Model struct {
	Name string // the kernel whose text it follows: "7.2", "6.12", "6.2", "5.8", "4.6"

	// OpenBuckets is MAX_OPEN_BUCKETS: how many buckets take data at once.
	OpenBuckets int
	// FlashApart: pick_data_bucket keeps flash-only volumes and cached
	// devices in different open buckets.
	FlashApart bool
	// CountsAvail: bch_bucket_alloc and __bch_bucket_free keep
	// avail_nbuckets and in_use up to date; before, only gc counted.
	CountsAvail bool
	// PrioWriteWaits: bch_prio_write has no precheck and always waits for
	// its buckets, also in the allocator thread, which can block on itself.
	PrioWriteWaits bool
	// StopsOnIODisable: CACHE_SET_IO_DISABLE exists, allocations fail and
	// the thread leaves once it is set.
	StopsOnIODisable bool
	// BtreeByJournal: the btree reserve is as big as the journal (a replay
	// may split as many nodes); before, it was always 8.
	BtreeByJournal bool
	// BtreeByBuckets: the btree reserve is a 128th of the buckets, from 32 to
	// 256, whatever the journal is.
	BtreeByBuckets bool
	// NoDiscard: buckets are not discarded.
	NoDiscard bool
	// GoesOnInGC: the allocator works while gc runs, on what could be
	// invalidated when it began, each bucket once.
	GoesOnInGC bool
	// GCStaysAwake: gc is not told that somebody else wants the processor,
	// before its time is up, and so does not sleep on the way.
	GCStaysAwake bool
}

// Models returns the models, newest first.
//
// The text of 5.8 decides as 6.2's does: what it adds, several caches in a
// set, no caller of it ever asks for. That of 6.12 is Debian's 6.12.117: other
// kernels from 6.11 to 6.15 break lru's ties in another order.
func Models() []Model {
	newer := Model{
		OpenBuckets: 128, FlashApart: true, CountsAvail: true,
		StopsOnIODisable: true, BtreeByJournal: true,
	}
	v72, v612, v62, v58 := newer, newer, newer, newer
	v72.Name, v612.Name, v62.Name, v58.Name = "7.2", "6.12", "6.2", "5.8"
	v72.BtreeByBuckets, v72.NoDiscard, v72.GoesOnInGC, v72.GCStaysAwake = true, true, true, true
	v612.GoesOnInGC = true
	return []Model{v72, v612, v62, v58, {Name: "4.6", OpenBuckets: 6, PrioWriteWaits: true}}
}

// DefaultModel is that of the kernels that most run.
func DefaultModel() Model { return Models()[2] }

// ParseModel finds the model of a kernel's version, "6.2" or "6.12.41-amd64":
// the one it has, or the one that decides most like it.
func ParseModel(version string) (Model, error) {
	var major, minor int
	if n, err := fmt.Sscanf(version, "%d.%d", &major, &minor); n != 2 || err != nil || major < 2 || minor < 0 {
		return Model{}, fmt.Errorf("model %q: want a kernel's version, such as 6.12", version)
	}
	newer := func(a, b int) bool { return major > a || major == a && minor >= b }
	all := Models()
	switch {
	case newer(6, 16): // the btree reserve; no discard since 6.19
		return all[0], nil
	case newer(6, 11): // the allocator does not wait for gc
		return all[1], nil
	case newer(6, 0):
		return all[2], nil
	case newer(4, 15): // avail_nbuckets
		return all[3], nil
	}
	return all[4], nil
}
