// SPDX-License-Identifier: GPL-2.0-only

package finding

import (
	"slices"
	"strings"
	"testing"
)

func allRows() []Row { return slices.Concat(Table()...) }

// What a row says of its repair holds together.
func TestRepairColumns(t *testing.T) {
	structures := []Structure{Superblock, Journal, PrioChain, Gens, UUIDTable, Btree, BackingSuper}
	for _, r := range allRows() {
		if r.Fix != None && r.Fix != Safe && r.Fix != Lossy {
			t.Errorf("%s: fix %q", r.Code, r.Fix)
		}
		if (r.Fix == None) != (r.Mend == "") || r.Mend != "" && !slices.Contains(structures, r.Mend) {
			t.Errorf("%s: fix %s by writing %q anew", r.Code, r.Fix, r.Mend)
		}
		if r.Fix == None && r.Depends != "" && r.Severity == Damage {
			t.Errorf("%s: what is not mended waits for nothing", r.Code)
		}
		if r.Severity == Note && r.Kernel != Registers {
			t.Errorf("%s: a note that the kernel minds", r.Code)
		}
		if (r.Fix == Safe) != strings.HasPrefix(r.Cost, "no data") && r.Fix != None && !strings.HasPrefix(r.Cost, "clean data") && r.Code != UUDestroyed {
			t.Errorf("%s: %s, but its cost is %q", r.Code, r.Fix, r.Cost)
		}
		for _, d := range strings.Fields(r.Depends) {
			if _, ok := Find(Code(d)); !ok && !slices.Contains(letters, d) {
				t.Errorf("%s depends on %s, which there is not", r.Code, d)
			}
		}
		if words := strings.Fields(r.Command); len(words) > 0 && strings.ContainsAny(r.Command, "`\"'") {
			t.Errorf("%s: %q cannot be pasted", r.Code, r.Command)
		}
	}
}

// No repair waits for itself, by whatever way round.
func TestRepairsCanBeOrdered(t *testing.T) {
	rows := allRows()
	left := map[Code]bool{}
	for _, r := range rows {
		left[r.Code] = true
	}
	for len(left) > 0 {
		before := len(left)
		for _, r := range rows {
			waits := slices.ContainsFunc(rows, func(o Row) bool { return left[o.Code] && r.After(o.Code) })
			if left[r.Code] && !waits {
				delete(left, r.Code)
			}
		}
		if len(left) == before {
			t.Fatalf("these wait for one another: %v", left)
		}
	}
}

// Words that were wrong once: an administrator acts on them.
func TestWords(t *testing.T) {
	texts := func(c Code) string { r := Lookup(c); return strings.ToLower(r.Help + " " + r.Advice + " " + r.Cost) }
	if s := texts(UUDestroyed); strings.Contains(s, "until garbage collection") || strings.Contains(s, "gc drops") {
		t.Errorf("no garbage collection drops them: %s", s)
	}
	if s := texts(UULostDirty); strings.Contains(s, "keep the kernel away") || Lookup(UULostDirty).Kernel.Harms() {
		t.Errorf("the other volumes are whole: %s", s)
	}
	for _, r := range allRows() {
		if away := strings.Contains(r.Advice, "eep the kernel away"); away && !r.Kernel.Harms() && r.Code != JRTwice {
			t.Errorf("%s: why keep away a kernel that does no harm?", r.Code)
		}
	}
}

func TestDecide(t *testing.T) {
	for _, c := range []struct {
		p    Policy
		code Code
		want Decision
	}{
		{Policy{Mode: Check}, SBChecksum, Leave},
		{Policy{Mode: Check, Only: []Code{SBChecksum}}, SBChecksum, Leave},
		{Policy{Mode: Ask}, SBChecksum, Question},
		{Policy{Mode: Ask}, BTChecksum, Question},
		{Policy{Mode: Preen}, SBChecksum, Mend},
		{Policy{Mode: Preen}, BTChecksum, Leave},
		{Policy{Mode: Yes}, SBChecksum, Mend},
		{Policy{Mode: Yes}, BTChecksum, Mend},
		{Policy{Mode: Yes}, SBFeatures, Leave}, // there is no repair
		{Policy{Mode: Yes, Only: []Code{SBFeatures}}, SBFeatures, Leave},
		{Policy{Mode: Yes}, EXStaleDirty, Leave}, // a legal state
		{Policy{Mode: Ask}, EXStaleDirty, Leave},
		{Policy{Mode: Preen, Only: []Code{EXStaleDirty}}, EXStaleDirty, Mend},
		{Policy{Mode: Ask, Only: []Code{EXStaleDirty}}, EXStaleDirty, Question},
		{Policy{Mode: Yes, Only: []Code{EXStaleDirty}}, BTChecksum, Leave},
		{Policy{Mode: Preen, Only: []Code{BTChecksum}}, BTChecksum, Leave}, // -p stays -p
		{Policy{Mode: Yes, Skip: []Code{BTChecksum}}, BTChecksum, Leave},
		{Policy{Mode: Yes, Skip: []Code{BTChecksum}}, BTMagic, Mend},
		{Policy{Mode: Yes, Only: []Code{BTMagic}, Skip: []Code{BTMagic}}, BTMagic, Leave},
	} {
		if got := c.p.Decide(c.code); got != c.want {
			t.Errorf("%+v, %s: %d, want %d", c.p, c.code, got, c.want)
		}
	}
}

// Whatever is asked for: what -n would leave is left, what -p does -y does too, and -p gives up nothing.
func TestModesWiden(t *testing.T) {
	for _, r := range allRows() {
		for _, only := range [][]Code{nil, {r.Code}} {
			check, preen, yes := Policy{Mode: Check, Only: only}, Policy{Mode: Preen, Only: only}, Policy{Mode: Yes, Only: only}
			if check.Decide(r.Code) != Leave || preen.Decide(r.Code) == Mend && (r.Fix != Safe || yes.Decide(r.Code) != Mend) {
				t.Errorf("%s, only %v: %d, %d, %d", r.Code, only, check.Decide(r.Code), preen.Decide(r.Code), yes.Decide(r.Code))
			}
		}
	}
}

// The prio chain is rewritten over its own damage and that of its gens, and over no other.
func TestMayRewrite(t *testing.T) {
	for _, r := range allRows() {
		want := r.Severity != Damage || strings.HasPrefix(string(r.Code), "PR") || strings.HasPrefix(string(r.Code), "GN")
		if MayRewrite(r.Code) != want {
			t.Errorf("%s: %v", r.Code, !want)
		}
	}
}
