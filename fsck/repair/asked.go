// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"slices"

	"bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/finding"
	"bctl/superblock"
)

// Wants reports whether findings of a code are to be mended: damage, and of legal states what Only names.
func (o *Options) Wants(c finding.Code) bool {
	if slices.Contains(o.Skip, c) {
		return false
	}
	if len(o.Only) > 0 {
		return slices.Contains(o.Only, c)
	}
	return finding.Lookup(c).Severity == finding.Damage
}

// chosen reports whether less is to be mended than there is, or more.
func (o *Options) chosen() bool { return len(o.Only)+len(o.Skip) > 0 }

// asked is a report of nothing but what is to be mended; a legal state that was named counts as damage there. What is
// left out stays in w.all, for what is made anew must not pass over it.
func (w *Work) asked(rep *fsck.Report) *fsck.Report {
	if w.all = nil; rep == nil {
		return nil
	}
	w.all = rep.Findings
	if !w.o.chosen() {
		return rep
	}
	out := *rep
	out.Findings, w.all = nil, nil
	for _, f := range rep.Findings {
		if w.o.Wants(f.Code) {
			f.Severity = finding.Damage
			out.Findings = append(out.Findings, f)
			w.fresh.add(f) // those of fsck's own
		}
		w.all = append(w.all, f)
	}
	return &out
}

// meant reports whether a finding of damage is one of those that are to be mended.
func (w *Work) meant(f finding.Finding) bool {
	return f.Severity == finding.Damage && (!w.o.chosen() || w.o.Wants(f.Code))
}

// asks reports whether anything of rep is to be mended that one of some structures stands for. What cannot be read at
// all is.
func (w *Work) asks(rep *fsck.Report, structures ...finding.Structure) bool {
	return rep == nil || !w.o.chosen() || slices.ContainsFunc(rep.Findings, func(f finding.Finding) bool {
		return slices.Contains(structures, finding.Lookup(f.Code).Mend)
	})
}

// done reports whether nothing of rep is left to be mended.
func (w *Work) done(rep *fsck.Report) bool { return w.result.count(rep) == 0 && !w.mustRewind() }

// sink takes what a check finds of extents that must not stay.
func (w *Work) sink(f finding.Finding) {
	if !w.o.chosen() {
		w.fresh.add(f)
	} else if w.o.Wants(f.Code) {
		f.Severity = finding.Damage
		w.fresh.add(f)
	} else {
		w.left.add(f)
	}
}

// Damages counts what was to be mended before the repair and what is left of it, with what came to it.
func (r *Result) Damages() (before, after int) {
	after = r.count(r.After)
	was := Damage(r.Before)
	for code, n := range Damage(r.After) {
		if r.wants != nil && !r.wants(code) {
			after += max(0, n-was[code])
		}
	}
	if r.Before == nil && r.After != nil {
		return after + 1, after // not even the superblock could be read: what is left was there too
	}
	return r.count(r.Before), after
}

// count counts what of a report is to be mended.
func (r *Result) count(rep *fsck.Report) (n int) {
	if rep == nil {
		return 1 // nothing could be read
	}
	for _, f := range rep.Findings {
		if r.wants != nil && r.wants(f.Code) || r.wants == nil && f.Severity == finding.Damage {
			n++
		}
	}
	return n
}

// Damage counts the findings of damage, by code.
func Damage(rep *fsck.Report) map[finding.Code]int {
	out := map[finding.Code]int{}
	if rep == nil {
		return out
	}
	for _, f := range rep.Findings {
		if f.Severity == finding.Damage {
			out[f.Code]++
		}
	}
	return out
}

// Besides are the codes of damage of which there is less after the repair, though they were left out: they stand in
// what is made anew for the others.
func (r *Result) Besides() (codes []finding.Code) {
	is := Damage(r.After)
	for code, n := range Damage(r.Before) {
		if r.wants != nil && !r.wants(code) && is[code] < n {
			codes = append(codes, code)
		}
	}
	slices.Sort(codes)
	return codes
}

// unwanted are the inodes whose keys are to go, because somebody named the code that says that nothing leads to them.
func (w *Work) unwanted() map[uint32]finding.Code {
	out := map[uint32]finding.Code{}
	for _, f := range w.seen {
		if (f.Code == finding.UULostClean || f.Code == finding.UUDestroyed) && f.Severity == finding.Damage && f.Inode != nil {
			out[uint32(*f.Inode)] = f.Code
		}
	}
	return out
}

// mendOdd puts right what is odd in a slot, where somebody named the code that says so: what nobody reads goes, and what
// a backing device knows better comes from it.
func (w *Work) mendOdd(t uuids.Table, data map[uint32]*held) {
	if !slices.ContainsFunc(w.seen, func(f finding.Finding) bool { return f.Code == finding.UUSuspect && f.Severity == finding.Damage }) {
		return
	}
	for i := range t {
		u := &t[i]
		if u.UUID.IsZero() {
			if *u != (ondisk.UUIDEntry{}) && data[uint32(i)] == nil {
				*u = ondisk.UUIDEntry{}
				w.saw("uuid slot %d: emptied, it has no uuid", i)
			}
			continue
		}
		was := *u
		u.Pad = [len(u.Pad)]byte{}
		u.Flags &= 1
		for _, d := range w.backing {
			if s, err := superblock.Read(d.R); err == nil && s.UUID == u.UUID {
				u.Label, u.FirstReg, u.LastReg = s.Label, max(u.FirstReg, s.LastMount), max(u.LastReg, s.LastMount)
			}
		}
		if !superblock.PrintableLabel(u.Label) {
			u.Label = [len(u.Label)]byte{}
		}
		u.FirstReg, u.LastReg = max(u.FirstReg, 1), max(u.LastReg, 1)
		if *u != was {
			w.saw("uuid slot %d: its label %q, its times and its unused bytes are put right", i, superblock.Label(u.Label))
		}
	}
}
