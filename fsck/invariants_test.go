package fsck_test

import (
	"slices"
	"strings"
	"testing"

	"bctl/internal/finding"
	"bctl/internal/ondisk"
)

// A proof shows that one invariant is checked: a damage that breaks it, and the code that must come of that. Or it
// says why nobody can see it on a device that is not in use.
type proof struct {
	id    string
	asks  finding.Severity // of the invariant, as the field map has it
	code  finding.Code
	base  string
	plant func(s *scene)
	more  []finding.Code // what follows from the damage, besides
	blind string
}

// proofs are in the order of the invariants; one may have several.
func proofs() (all []proof) {
	for _, part := range [][]proof{superProofs, deviceProofs, journalProofs, lostProofs, prioProofs, uuidProofs, nodeProofs,
		treeProofs, extentProofs, spaceProofs, blindProofs} {
		all = append(all, part...)
	}
	return all
}

// softer are the codes whose severity is not the one that the field map asks of an invariant, with the reason.
var softer = map[string]string{
	"K28 BD02": "U15 asks damage for the same",
	"K37 JR06": "discard was on: up to 6.18 the kernel allows for it",
	"K73 SP03": "U67: the count overflows, the data are right",
	"K74 GN01": "K64 asks damage for the same",
	"U1 SB17":  "a crash of the first registration leaves the same",
	"U7 SB09":  "K25 asks damage for the same",
	"U38 UU11": "a single bit may be the device's own uuid",
	"U39 UU12": "a flash-only volume is given up on purpose",
	"U74 EX02": "K60 asks damage for the same",
	"U8 BD12":  "nothing reads them",
}

func TestInvariants(t *testing.T) {
	for i, p := range proofs() {
		if p.blind != "" {
			continue
		}
		name := p.id
		for _, before := range proofs()[:i] {
			if before.id == p.id {
				name += "+"
			}
		}
		damage{name, p.base, p.plant, append([]finding.Code{p.code}, p.more...)}.test(t)
	}
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
	for _, p := range proofs() {
		if p.blind != "" {
			blind[p.id] = true
			continue
		}
		raised[p.code] = true
		proved[p.id] = append(proved[p.id], p.code)
		row := finding.Lookup(p.code)
		if !slices.Contains(strings.Fields(row.Invariants), p.id) {
			t.Errorf("%s is proved by %s, whose row names %q", p.id, p.code, row.Invariants)
		}
		if _, ok := softer[p.id+" "+string(p.code)]; row.Severity != p.asks && !ok {
			t.Errorf("%s asks for %s, but %s is a %s", p.id, p.asks, p.code, row.Severity)
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

// blindProofs are what only the kernel can know.
var blindProofs = []proof{
	{id: "K26", blind: "two caches of one set are two devices: fsck looks at one cache at a time"},
	{id: "K75", blind: "it is about keys and pointers in memory while writeback runs"},
	{id: "K76", blind: "it compares a node on disk with the kernel's copy in memory"},
}

// The severities of the field map, by its letters.
const (
	damaged = finding.Damage
	warning = finding.Warning
	note    = finding.Note
)

// super plants a field of the cache's superblock, checksum right.
func super(change func(sb *ondisk.Super)) func(*scene) {
	return func(s *scene) { s.EditSuper(change) }
}
