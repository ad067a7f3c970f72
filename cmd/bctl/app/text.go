// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"fmt"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
	"bctl/internal/ui/render"
)

// Human is a count of sectors as people read it.
func Human(sectors uint64) string { return render.Size(sectors) }

// Plural is a count and what is counted. What is no count has no plural: "2 damage".
func Plural(n int, what string) string {
	if n == 1 || what == string(finding.Damage) {
		return fmt.Sprintf("%d %s", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// OptionalName leaves a line out of the table.
func OptionalName(name string, shown bool) string {
	if !shown {
		return ""
	}
	return name
}

// YesNo is a bool as people read it.
func YesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// SizeText is a size as flags take it: exact, in the largest unit that divides it.
func SizeText(bytes int64) string {
	n, unit := largestUnit(bytes)
	return fmt.Sprintf("%d%s", n, []string{"", "k", "M", "G", "T"}[unit])
}

// Sectors is an exact size for people: in sectors, and in the largest unit that divides it.
func Sectors(n ondisk.Sector) string {
	v, unit := largestUnit(n.Bytes())
	return fmt.Sprintf("%d sectors (%d %s)", n, v, []string{"bytes", "KiB", "MiB", "GiB", "TiB"}[unit])
}

// largestUnit divides by 1024 as often as nothing is left over, four times at most.
func largestUnit(bytes int64) (n int64, unit int) {
	for n = bytes; n%1024 == 0 && n != 0 && unit < 4; unit++ {
		n /= 1024
	}
	return n, unit
}
