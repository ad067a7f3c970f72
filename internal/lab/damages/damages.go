// SPDX-License-Identifier: GPL-2.0-only

// Package damages is the catalogue of what can be wrong with a bcache device: each damage is a base image and a
// function that plants it, with the codes that fsck must find. Tests of fsck look for exactly
// these codes, and those of test/kernel let Linux say what it makes of the same damage; bctl generate and bctl demo
// plant them for people who want to practise.
//
// Tried are the damages that people were seen to suffer; Proofs break each invariant of the field, one by one; Causes
// are what one code may stand for; Legal is odd and no damage, and Boundaries are what is just legal and just not; of Gone nothing is left to check.
package damages

import (
	"fmt"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// A Damage is something wrong with a device, planted, and what must be found.
type Damage struct {
	Name  string
	Base  string // name of the image, for scenes.Open, or of Made
	Plant func(s *Scene)
	Codes []finding.Code // all of them: not one more
}

// A Proof shows that one invariant is checked: a damage that breaks it, and the code that must come of that. Or it
// says why nobody can see it on a device that is not in use.
type Proof struct {
	ID    string           // of the invariant
	Asks  finding.Severity // of the invariant, as the field map has it
	Code  finding.Code
	Base  string
	Plant func(s *Scene)
	More  []finding.Code // what follows from the damage, besides
	Blind string
}

// Proofs are in the order of the invariants; one may have several.
func Proofs() (all []Proof) {
	for _, part := range [][]Proof{
		superProofs, deviceProofs, journalProofs, lostProofs, prioProofs, uuidProofs, nodeProofs,
		treeProofs, extentProofs, spaceProofs, blindProofs,
	} {
		all = append(all, part...)
	}
	return all
}

// Proved are the damages of all proofs but the blind ones. The second of an invariant is called "K44.2", and so on.
func Proved() (all []Damage) {
	times := map[string]int{}
	for _, p := range Proofs() {
		if p.Blind != "" {
			continue
		}
		name := p.ID
		if times[p.ID]++; times[p.ID] > 1 {
			name = fmt.Sprintf("%s.%d", p.ID, times[p.ID])
		}
		all = append(all, Damage{name, p.Base, p.Plant, append([]finding.Code{p.Code}, p.More...)})
	}
	return all
}

// blindProofs are what only the kernel can know.
var blindProofs = []Proof{
	{ID: "K26", Blind: "two caches of one set are two devices: fsck looks at one cache at a time"},
	{ID: "K75", Blind: "it is about keys and pointers in memory while writeback runs"},
	{ID: "K76", Blind: "it compares a node on disk with the kernel's copy in memory"},
}

// The severities of the field map, by its letters.
const (
	damaged = finding.Damage
	warning = finding.Warning
	note    = finding.Note
)

// super plants a field of the cache's superblock, checksum right.
func super(change func(sb *ondisk.Super)) func(*Scene) {
	return func(s *Scene) { s.EditSuper(change) }
}
