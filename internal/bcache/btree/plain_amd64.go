// SPDX-License-Identifier: GPL-2.0-only

//go:build !rescue

package btree

import "golang.org/x/sys/cpu"

// plainEight looks at groups of eight keys, up to the first group that isPlain would refuse; it returns how many groups
// those are.
//
//go:noescape
func plainEight(keys *byte, groups int, k *plainArgs) (done int)

// hasPlainEight reports whether this processor can.
func hasPlainEight() bool { return cpu.X86.HasAVX512F }
