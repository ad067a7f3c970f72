// SPDX-License-Identifier: GPL-2.0-only

//go:build !rescue

package inspect

import "golang.org/x/sys/cpu"

// likeEight makes the rows of groups of eight keys, up to the first group in which one is not like most; it returns how
// many groups those are.
//
//go:noescape
func likeEight(keys *byte, groups int, k *likeArgs, out *made) (done int)

// hasLikeEight reports whether this processor can.
func hasLikeEight() bool { return cpu.X86.HasAVX512F }
