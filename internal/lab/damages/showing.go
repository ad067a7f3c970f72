// SPDX-License-Identifier: GPL-2.0-only

package damages

import (
	"slices"

	"bctl/internal/finding"
)

// Showing are the damages of the catalogue of which fsck must find code: those that were seen first, then what breaks
// an invariant, then the other causes, then what is legal.
func Showing(code finding.Code) (out []Damage) {
	for _, d := range slices.Concat(Tried, Proved(), caused(), Legal, Boundaries) {
		if slices.Contains(d.Codes, code) {
			out = append(out, d)
		}
	}
	return out
}

// caused are the causes as damages.
func caused() (out []Damage) {
	for _, c := range Causes() {
		out = append(out, Damage{Name: string(c.Code) + ", " + c.Says, Base: c.Base, Plant: c.Plant, Codes: []finding.Code{c.Code}})
	}
	return out
}

// Codes are all codes that some damage shows, in order.
func Codes() (out []finding.Code) {
	for _, d := range slices.Concat(Tried, Proved(), caused(), Legal, Boundaries) {
		out = append(out, d.Codes...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
