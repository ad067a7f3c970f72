// SPDX-License-Identifier: GPL-2.0-only

package hugepages

import (
	"syscall"
	"unsafe"
)

const hugePage = 2 << 20

// Below asks for huge pages below a large table that nobody has touched yet. It is read and written in no order, and
// with pages of 4 KiB finding the page takes as long as fetching what stands there. Where there are none, nothing is lost.
func Below[T any](table []T) []T {
	var t T
	size := uintptr(len(table)) * unsafe.Sizeof(t)
	if size < 2*hugePage {
		return table
	}
	base := unsafe.Pointer(unsafe.SliceData(table))
	skip := -uintptr(base) % hugePage
	whole := unsafe.Slice((*byte)(unsafe.Add(base, skip)), (size-skip)/hugePage*hugePage)
	_ = syscall.Madvise(whole, syscall.MADV_HUGEPAGE)
	return table
}
