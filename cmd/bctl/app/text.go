// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"fmt"

	"bctl/internal/finding"
)

// Human is a count of sectors as people read it.
func Human(sectors uint64) string {
	v, unit := float64(sectors)*512, 0
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	for v >= 1024 && unit < len(units)-1 {
		v, unit = v/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%.0f B", v)
	}
	return fmt.Sprintf("%.1f %s", v, units[unit])
}

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

// SizeText is a size as flags take it.
func SizeText(n int64) string {
	units := []string{"", "k", "M", "G", "T"}
	i := 0
	for n%1024 == 0 && n > 0 && i < len(units)-1 {
		n, i = n/1024, i+1
	}
	return fmt.Sprintf("%d%s", n, units[i])
}
