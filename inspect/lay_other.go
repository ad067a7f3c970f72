// SPDX-License-Identifier: GPL-2.0-only

//go:build !amd64 || rescue

package inspect

func layRows(_ *made, at, _ int, _ *uint64, _ *uint32, _, _ int) int { return at }

const hasLayRows = false
