// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"fmt"

	"bctl/fsck"
	"bctl/internal/finding"
)

// Damages counts the findings of damage before the repair and after it.
func (r *Result) Damages() (before, after int) { return damaged(r.Before), damaged(r.After) }

func damaged(r *fsck.Report) (n int) {
	if r == nil {
		return 1 // nothing could be read
	}
	for _, f := range r.Findings {
		if f.Severity == finding.Damage {
			n++
		}
	}
	return n
}

// Findings are those of before the repair.
func (r *Result) Findings() []finding.Finding {
	if r.Before == nil {
		return nil
	}
	return r.Before.Findings
}

// Repaired counts the findings that are gone, by code.
func (r *Result) Repaired() map[finding.Code]int {
	out := map[finding.Code]int{}
	if r.Before == nil {
		return out
	}
	for _, f := range r.Before.Findings {
		if f.Severity == finding.Damage {
			out[f.Code]++
		}
	}
	for _, f := range r.After.Findings {
		if f.Severity == finding.Damage {
			out[f.Code]--
		}
	}
	for code, n := range out {
		if n <= 0 {
			delete(out, code)
		}
	}
	return out
}

func (l Lost) String() string {
	name := l.Device
	if name == "" {
		name = "no name"
	}
	if l.Label != "" {
		name += fmt.Sprintf(" %q", l.Label)
	}
	kind := "clean"
	if l.Dirty {
		kind = "dirty"
	}
	return fmt.Sprintf("volume %d, %s: sector %d, %d sectors, %s (%s)", l.Inode, name, l.Offset, l.Count, kind, l.Code)
}
