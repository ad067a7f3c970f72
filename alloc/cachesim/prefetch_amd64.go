// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import (
	"math/bits"
	"unsafe"
)

//go:noescape
func prefetchSlots(table *byte, slots *uint32, n int, shift uint)

// prefetch has the processor fetch some slots of a table, whose size is a power of two, and waits for none of them.
func prefetch[T any](table []T, slots []uint32) {
	if len(slots) > 0 {
		first := (*byte)(unsafe.Pointer(unsafe.SliceData(table)))
		prefetchSlots(first, &slots[0], len(slots), uint(bits.TrailingZeros(uint(unsafe.Sizeof(table[0])))))
	}
}
