// SPDX-License-Identifier: GPL-2.0-only

package fsck_test

import (
	"slices"
	"strings"
	"testing"

	"bctl/internal/finding"
	"bctl/internal/lab/damages"
)

// otherwise are the codes whose severity is not the one that the field map asks of an invariant, with the reason.
var otherwise = map[string]string{
	"K28 BD02": "U15 asks damage for the same",
	"K37 JR06": "discard was on: up to 6.18 the kernel allows for it",
	"K73 SP03": "U67: the count overflows, the data are right",
	"K74 GN01": "K64 asks damage for the same",
	"U1 SB17":  "a crash of the first registration leaves the same",
	"U7 SB09":  "K25 asks damage for the same",
	"U38 UU11": "a single bit may be the device's own uuid",
	"U39 UU15": "the backing device holds the same data",
	"U39 UU12": "a flash-only volume is given up on purpose",
	"U54 BT19": "the kernel dies of it (docs/kernel-verdicts.md)",
	"U74 EX02": "K60 asks damage for the same",
	"U8 BD12":  "nothing reads them",
}

// The invariants, the finding table and the proofs are about the same things.
func TestProofsAndTable(t *testing.T) {
	texts := map[string]bool{}
	for _, i := range finding.Invariants() {
		texts[i.ID] = true
	}
	if len(texts) != 150 {
		t.Errorf("%d invariants, want 150: K1 to K76 and U1 to U74", len(texts))
	}
	raised, proved, blind := map[finding.Code]bool{}, map[string][]finding.Code{}, map[string]bool{}
	for _, p := range damages.Proofs() {
		if p.Blind != "" {
			blind[p.ID] = true
			continue
		}
		raised[p.Code] = true
		proved[p.ID] = append(proved[p.ID], p.Code)
		row := finding.Lookup(p.Code)
		if !slices.Contains(strings.Fields(row.Invariants), p.ID) {
			t.Errorf("%s is proved by %s, whose row names %q", p.ID, p.Code, row.Invariants)
		}
		if _, ok := otherwise[p.ID+" "+string(p.Code)]; row.Severity != p.Asks && !ok {
			t.Errorf("%s asks for %s, but %s is a %s", p.ID, p.Asks, p.Code, row.Severity)
		}
	}
	for id := range texts {
		if !blind[id] && len(proved[id]) == 0 {
			t.Errorf("%s has no proof", id)
		}
		if codes := finding.CodesFor(id); len(codes) == 0 && !blind[id] {
			t.Errorf("no finding stands for %s", id)
		}
	}
	for id := range proved {
		if !texts[id] {
			t.Errorf("%s is no invariant", id)
		}
	}
	for _, part := range finding.Table() {
		for _, row := range part {
			if !raised[row.Code] {
				t.Errorf("%s is raised by no damage", row.Code)
			}
			for _, id := range strings.Fields(row.Invariants) {
				if !texts[id] {
					t.Errorf("%s names %s, which is no invariant", row.Code, id)
				}
				if !slices.Contains(proved[id], row.Code) {
					t.Errorf("%s names %s, but no damage of %s raises it", row.Code, id, id)
				}
			}
		}
	}
}
