// SPDX-License-Identifier: GPL-2.0-only

package alloc

import "fmt"

// A Policy is CACHE_REPLACEMENT: how buckets are chosen for reuse.
type Policy uint8

// The kernel's numbers. The superblock's field has three bits, but with others
// the kernel's allocator invalidates nothing and spins for ever: refused here.
const (
	LRU    Policy = 0 // CACHE_REPLACEMENT_LRU
	FIFO   Policy = 1 // CACHE_REPLACEMENT_FIFO
	Random Policy = 2 // CACHE_REPLACEMENT_RANDOM

	// Clock was proposed for the kernel in 2025 and is in none: no device may be
	// set to it. It is here to compare with.
	Clock Policy = 3
)

var policyNames = [...]string{LRU: "lru", FIFO: "fifo", Random: "random", Clock: "clock"}

func (p Policy) valid() bool { return int(p) < len(policyNames) }

func (p Policy) String() string {
	if p.valid() {
		return policyNames[p]
	}
	return fmt.Sprintf("policy %d", uint8(p))
}

// ParsePolicy finds a policy by its sysfs name.
func ParsePolicy(name string) (Policy, error) {
	for p, n := range policyNames {
		if n == name {
			return Policy(p), nil
		}
	}
	return 0, fmt.Errorf("replacement policy %q: want lru, fifo or random", name)
}

// A Reserve is enum alloc_reserve: a free list kept for one kind of user.
type Reserve uint8

// The order is the order in which the allocator fills them, after it has
// offered each bucket to ReservePrio.
const (
	ReserveBtree    Reserve = iota // RESERVE_BTREE: btree nodes
	ReservePrio                    // RESERVE_PRIO: prio sets
	ReserveMovingGC                // RESERVE_MOVINGGC: copying gc
	ReserveNone                    // RESERVE_NONE: everyone
	reserveNR
)

var reserveNames = [...]string{"btree", "prio", "movinggc", "none"}

func (r Reserve) String() string {
	if r < reserveNR {
		return reserveNames[r]
	}
	return fmt.Sprintf("reserve %d", uint8(r))
}

// ParseReserve finds a reserve by name.
func ParseReserve(name string) (Reserve, error) {
	for r, n := range reserveNames {
		if n == name {
			return Reserve(r), nil
		}
	}
	return 0, fmt.Errorf("reserve %q: want btree, prio, movinggc or none", name)
}
