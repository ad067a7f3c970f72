// SPDX-License-Identifier: GPL-2.0-only

package hugepages

import (
	"syscall"
	"unsafe"
)

const hugePage = 2 << 20

// Make makes a table, and asks for huge pages below a large one: it is read and written in no order, and with pages of
// 4 KiB finding the page takes as long as fetching what stands there. It begins where a huge page does, and the last is
// whole. Where there are none, nothing is lost.
func Make[T any](n uint64) []T {
	var t T
	size := uint64(unsafe.Sizeof(t))
	if n < 2*hugePage/max(size, 1) || hugePage%size != 0 {
		return make([]T, n)
	}
	inPage := hugePage / size
	whole := (n + inPage - 1) / inPage * inPage
	table := make([]T, whole+inPage)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(table))) % hugePage
	table = table[uint64(skip)/size:][:whole]
	_ = syscall.Madvise(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(table))), whole*size), syscall.MADV_HUGEPAGE)
	return table[:n:n]
}
