// SPDX-License-Identifier: GPL-2.0-only

//go:build !amd64

package cachesim

// prefetch is nothing that Go can ask of other processors.
func prefetch[T any](_ []T, _ []uint32) {}
