// SPDX-License-Identifier: GPL-2.0-only

package finding

import "strings"

// A Row is everything bctl says about one Code; docs/findings.md and `bctl explain` are made of them.
type Row struct {
	Code       Code
	Severity   Severity
	Fix        Fix
	Mend       Structure // what is written anew to mend it; nothing where Fix is None
	Kernel     Kernel    // what the kernel makes of the device
	Invariants string    // ids of docs/findings.md's third part that the code stands for
	Title      string
	Help       string // what the kernel does with it, and what it means for the data
	Depends    string // codes, or the two letters of a family, whose repair comes first
	Cost       string // what the repair may give up; where Fix is None, why there is no repair
	Advice     string // the next step
	Command    string // the next step to paste, where there is one: with DEVICE, BACKING or CACHE for the names
}

// Fix is the class of a code's repair.
type Fix string

const (
	None  Fix = "none"  // there is no repair, or nothing to repair
	Safe  Fix = "safe"  // it can lose no data that the user wrote; clean data may be given up, for they are elsewhere
	Lossy Fix = "lossy" // it may give up dirty data, and then says which
)

// Structure is a part of the device that is written anew as a whole.
type Structure string

// The structures, in the order in which a repair can rely on the ones before.
const (
	Superblock   Structure = "superblock"
	Journal      Structure = "journal"
	PrioChain    Structure = "prio chain"
	Gens         Structure = "gens" // the chain is whole, and some of its gens are wrong
	UUIDTable    Structure = "uuid table"
	Btree        Structure = "btree"
	BackingSuper Structure = "backing superblock"
)

// Kernel is what the kernel makes of a device with such damage, as it was seen to (docs/kernel-verdicts.md).
type Kernel string

const (
	Registers Kernel = ""         // it registers the device, and does no harm
	Refuses   Kernel = "refuses"  // it does not register the device: no harm is done, and nothing can be read
	Crashes   Kernel = "crashes"  // it hits a BUG or hangs
	Loses     Kernel = "loses"    // it registers the device and loses data over it
	Misleads  Kernel = "misleads" // it registers the device and serves wrong data
)

// Harms reports whether the kernel had better not see the device.
func (k Kernel) Harms() bool { return k == Crashes || k == Loses || k == Misleads }

// Family is the letters that a code shares with all codes about the same structure.
func (c Code) Family() string { return string(c[:2]) }

// After reports whether the repair of r waits for that of a finding of code c.
func (r Row) After(c Code) bool {
	for _, d := range strings.Fields(r.Depends) {
		if d == string(c) || d == c.Family() {
			return true
		}
	}
	return false
}

// Lookup finds the row of a code. A code without one is our own bug.
func Lookup(c Code) Row {
	r, ok := Find(c)
	if !ok {
		panic("no finding " + string(c))
	}
	return r
}

// Find finds the row of a code that somebody typed.
func Find(c Code) (Row, bool) {
	for _, part := range Table() {
		for _, r := range part {
			if r.Code == c {
				return r, true
			}
		}
	}
	return Row{}, false
}
