// SPDX-License-Identifier: GPL-2.0-only

package finding

import "strings"

// An Invariant is something that holds on every sound device. K ids are checks that the kernel makes, U ids are what
// it relies on unasked. Findings name the ids they stand for, so that nothing is left unchecked by oversight.
type Invariant struct{ ID, Text string }

// Invariants is all of them.
func Invariants() []Invariant { return append(append([]Invariant{}, kernelChecks...), unchecked...) }

// CodesFor returns the codes that stand for an invariant; none is for what only a running kernel can see.
func CodesFor(id string) (codes []Code) {
	for _, part := range Table() {
		for _, r := range part {
			for _, i := range strings.Fields(r.Invariants) {
				if i == id {
					codes = append(codes, r.Code)
				}
			}
		}
	}
	return codes
}
