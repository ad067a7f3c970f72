// SPDX-License-Identifier: GPL-2.0-only

//go:build !linux

package hugepages

// Make makes a table, and does for it what can be done here: nothing.
func Make[T any](n uint64) []T { return make([]T, n) }
