// SPDX-License-Identifier: GPL-2.0-only

//go:build !amd64 || rescue

package btree

func plainEight(*byte, int, *plainArgs) (done int) { return 0 }

func hasPlainEight() bool { return false }
