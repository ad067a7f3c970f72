// SPDX-License-Identifier: GPL-2.0-only

package app

import (
	"fmt"

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

// SizeText is a size as flags take it.
func SizeText(n int64) string {
	units := []string{"", "k", "M", "G", "T"}
	i := 0
	for n%1024 == 0 && n > 0 && i < len(units)-1 {
		n, i = n/1024, i+1
	}
	return fmt.Sprintf("%d%s", n, units[i])
}
