// SPDX-License-Identifier: GPL-2.0-only

//go:build !rescue

package inspect

// layRows is trays.layEach, and has the processor fetch the next line of each tray while it is at it.
//
//go:noescape
func layRows(from *made, at, n int, rows *uint64, full *uint32, stride, size int) int

const hasLayRows = true
