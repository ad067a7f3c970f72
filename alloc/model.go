// SPDX-License-Identifier: GPL-2.0-only

package alloc

import (
	"fmt"
	"strings"
)

// A Model says which kernel's allocator to follow. It carries everything in
// which the texts of alloc.c differ, so that no other code asks for a version.
type Model struct {
	Name string // as the user types it: "6.2", "5.8", "4.6"

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
}

// Models returns the models, newest first.
//
// The text of 5.8 decides as 6.2's does: what it adds, several caches in a
// set, no caller of it ever asks for.
func Models() []Model {
	newer := Model{
		OpenBuckets: 128, FlashApart: true, CountsAvail: true,
		StopsOnIODisable: true, BtreeByJournal: true,
	}
	v62, v58 := newer, newer
	v62.Name, v58.Name = "6.2", "5.8"
	return []Model{v62, v58, {Name: "4.6", OpenBuckets: 6, PrioWriteWaits: true}}
}

// DefaultModel is the newest kernel's.
func DefaultModel() Model { return Models()[0] }

// ParseModel finds a model by name.
func ParseModel(name string) (Model, error) {
	var names []string
	for _, m := range Models() {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return Model{}, fmt.Errorf("model %q: want %s", name, strings.Join(names, ", "))
}
