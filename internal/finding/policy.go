// SPDX-License-Identifier: GPL-2.0-only

package finding

import "slices"

// Mode is how far a check may go: fsck(8)'s -n, no flag, -p and -y.
type Mode uint8

const (
	Check Mode = iota // changes nothing
	Ask               // changes what somebody says yes to
	Preen             // makes every repair that can lose no data the user wrote
	Yes               // makes every repair
)

// Policy is what was asked for.
type Policy struct {
	Mode Mode
	Only []Code // if any, no other code is touched; and a warning is touched only if it stands here
	Skip []Code // never touched
}

// Decision is what becomes of a finding.
type Decision uint8

const (
	Leave    Decision = iota // it stays
	Question                 // somebody is asked, once for all findings of its family
	Mend                     // it is mended
)

// Decide is the one place where what can be mended meets what was asked for. Warnings and notes are legal states: no
// mode touches them, unless they are named.
func (p Policy) Decide(c Code) Decision {
	r := Lookup(c)
	named := slices.Contains(p.Only, c)
	switch {
	case r.Fix == None, p.Mode == Check, slices.Contains(p.Skip, c):
		return Leave
	case len(p.Only) > 0 && !named, r.Severity != Damage && !named:
		return Leave
	case p.Mode == Ask:
		return Question
	case p.Mode == Preen && r.Fix != Safe:
		return Leave
	}
	return Mend
}

// MayRewrite reports whether the prio chain may be written anew while a finding of code c stands: what is damaged in
// the structures beside it would be built upon.
func MayRewrite(c Code) bool {
	r := Lookup(c)
	return r.Severity != Damage || r.Mend == PrioChain || r.Mend == Gens
}
