// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"fmt"
	"slices"

	"bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/plan"
	"bctl/internal/finding"
	"bctl/internal/ui/render"
	"bctl/superblock"
)

// plural is a count and what is counted.
func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// cleanLost is how much clean data there is less, where that was known before, and no less than what is listed. What is
// corrected in place takes nothing: by a wrong superblock there was no knowing.
func (r *Result) cleanLost(anew bool) ondisk.Sector {
	clean := func(rep *fsck.Report) (n ondisk.Sector) {
		if rep != nil && rep.Summary != nil {
			for _, v := range rep.Summary.Volumes {
				n += v.LiveSectors - v.DirtySectors
			}
		}
		return n
	}
	listed := ondisk.Sector(0)
	for _, l := range r.Lost {
		if !l.Dirty && !l.Below {
			listed += l.Count
		}
	}
	if !anew {
		return listed
	}
	return max(listed, clean(r.Before)-min(clean(r.Before), clean(r.After)))
}

// Loses says what a repair may cost of what the user wrote, or nothing: then it may be made unasked.
func (r *Result) Loses() string {
	if r.Renamed {
		return "nothing tells whose some dirty data are: name all backing devices, or -y makes a volume of them"
	}
	for _, l := range r.Lost {
		if l.Dirty && l.Known {
			return "dirty data would have to be given up: -y lists them, and does it"
		}
	}
	switch {
	case r.Guess != "":
		return r.Guess + ", or -y takes it"
	case r.Old > 0:
		return "dirty data that were done with would come back: -y says how many, and does it"
	case len(r.Unconfirmed) > 0:
		return fmt.Sprintf("%s of dirty data may be old: their gens are lost, and nothing else confirms that they were not written back. "+
			"-y says of which volumes, and does it; what a backing device that is given holds already is left out", render.Size(r.Doubtful()))
	case r.Unknown || len(r.Lost) > 0 && slices.ContainsFunc(r.Lost, Lost.Perhaps):
		return "keys are gone, so dirty data may be: -y repairs what is left"
	}
	return ""
}

// Doubtful is how many dirty sectors are unconfirmed.
func (r *Result) Doubtful() (n ondisk.Sector) {
	for _, u := range r.Unconfirmed {
		n += u.Sectors
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
	count := func(rep *fsck.Report, n int) {
		if rep == nil {
			return
		}
		for _, f := range rep.Findings {
			if f.Severity == finding.Damage || r.wants != nil && r.wants(f.Code) {
				out[f.Code] += n
			}
		}
	}
	if r.Before == nil {
		return out
	}
	count(r.Before, 1)
	count(r.After, -1)
	for code, n := range out {
		if n <= 0 {
			delete(out, code)
		}
	}
	return out
}

// Perhaps reports whether nothing is known of the sectors but that dirty data may have been among them.
func (l Lost) Perhaps() bool { return !l.Known && !l.Below }

func (l Lost) String() string {
	kind := "clean"
	switch {
	case l.Dirty:
		kind = "dirty"
	case l.Below:
		kind = "what the backing device has in the place of the cache's dirty data"
	}
	if l.Perhaps() {
		kind = "whatever of them was dirty"
	}
	if l.Offset+l.Count >= ondisk.MaxKeyOffset {
		return fmt.Sprintf("volume %d, %s: from sector %d on, %s (%s)", l.Inode, named(l.Device, l.Label), l.Offset, kind, l.Code)
	}
	return fmt.Sprintf("volume %d, %s: sector %d, %d sectors, %s (%s)", l.Inode, named(l.Device, l.Label), l.Offset, l.Count, kind, l.Code)
}

// unread reports whether the medium gave an error. That nothing can be read behind its end is none: there is nothing to
// copy.
func (w *Work) unread(rep *fsck.Report) bool {
	bucket := ondisk.Sector(0)
	if s, err := w.super(); err == nil {
		bucket = superblock.BucketSectors(s)
	}

	return rep != nil && slices.ContainsFunc(rep.Findings, func(f finding.Finding) bool {
		switch f.Code {
		case finding.JRUnread, finding.PRUnread, finding.UUUnread, finding.BTUnread:
			if f.Sector != nil {
				return ondisk.Sector(*f.Sector).Bytes() < w.dev.Size
			}
			return f.Bucket == nil || (ondisk.Sector(*f.Bucket)*bucket).Bytes() < w.dev.Size
		}
		return false
	})
}

// planOf is one step with what was laid over a device.
func planOf(o *plan.Overlay) *plan.Plan {
	writes := o.Writes()
	if len(writes) == 0 {
		return nil
	}
	p := new(plan.Plan)
	p.Then(writes...)
	p.Watched = []plan.Region{{Off: ondisk.SuperOffset, Bytes: ondisk.SuperSize}}
	return p
}
