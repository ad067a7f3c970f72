// SPDX-License-Identifier: GPL-2.0-only

package check

import (
	"fmt"
	"strings"

	"bctl/cmd/bctl/app"
	"bctl/fsck"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// writeSummary is what there is on a device, for people.
func writeSummary(b *strings.Builder, rep *fsck.Report) {
	fmt.Fprintf(b, "  type     %s device%s\n", rep.Type, counted(rep.Findings))
	if s := rep.Backing; s != nil {
		writeBacking(b, s)
		return
	}
	writeCounts(b, rep)
	for _, v := range rep.Summary.Volumes {
		writeVolume(b, rep.Summary, &v)
	}
	if s := rep.Summary; !s.Known.Names && s.Sizes && s.Known.Journal {
		fmt.Fprintln(b, "  volumes  their names are unknown, and whether there are more")
	}
	b.WriteString(pairText(rep))
	writeVerified(b, rep.Verified)
}

// counted is how many findings there are of each severity.
func counted(fs []finding.Finding) (text string) {
	counts := map[finding.Severity]int{}
	for _, f := range fs {
		counts[f.Severity]++
	}
	for _, s := range []finding.Severity{finding.Damage, finding.Warning, finding.Note} {
		if n := counts[s]; n > 0 {
			text += ", " + app.Plural(n, string(s))
		}
	}
	return text
}

func writeBacking(b *strings.Builder, s *fsck.BackingState) {
	set := "none"
	if s.SetUUID != nil {
		set = *s.SetUUID
	}
	fmt.Fprintf(b, "  state    %s, mode %s\n  uuid     %s\n  set      %s\n", s.State, s.Mode, s.UUID, set)
	if s.Label != "" {
		fmt.Fprintf(b, "  label    %q\n", s.Label)
	}
}

func writeCounts(b *strings.Builder, rep *fsck.Report) {
	s := rep.Summary
	switch {
	case !s.Sizes:
		fmt.Fprintln(b, "  buckets  unknown\n  btree    unknown\n  journal  unknown\n  volumes  unknown")
		return
	case rep.NeverRegistered():
		fmt.Fprintf(b, "  buckets  %d, all free\n", s.Buckets.Total)
		return
	}
	switch n := s.Buckets; {
	case s.Known.Counts():
		fmt.Fprintf(b, "  buckets  %d: %d free, %d clean, %d dirty, %d metadata\n", n.Total, n.Free, n.Clean, n.Dirty, n.Metadata)
	case s.Known.Tree && s.Known.Journal:
		fmt.Fprintf(b, "  buckets  %d: by their pointers %d clean, %d dirty and %d metadata; how many are free is unknown, for gens are\n",
			n.Total, n.Clean, n.Dirty, n.Metadata)
	default:
		fmt.Fprintf(b, "  buckets  %d: at least %d in use%s; the others are unknown\n", n.Total, n.Clean+n.Dirty+n.Metadata, seenMarks(n))
	}
	at := atLeast(s)
	switch {
	case s.Journal.Entries == 0:
		fmt.Fprintln(b, "  btree    unknown\n  journal  unknown")
		return
	case s.Btree.Extents+s.Btree.StaleExtents == 0 && at != "":
		fmt.Fprintf(b, "  btree    depth %d: nodes and extents unknown\n", s.Btree.Depth)
	default:
		fmt.Fprintf(b, "  btree    %s%s, depth %d: %s%d extents with %s, %d stale\n", at, app.Plural(s.Btree.Nodes, "node"), s.Btree.Depth,
			at, s.Btree.Extents, app.Human(uint64(s.Btree.LiveSectors)), s.Btree.StaleExtents)
	}
	more := ""
	if !s.Known.Journal {
		more = "at least "
	}
	fmt.Fprintf(b, "  journal  entry %d, %s%d live\n", s.Journal.Seq, more, s.Journal.Entries)
}

// seenMarks says for what, leaving out what may be there unseen.
func seenMarks(n fsck.BucketCounts) string {
	var parts []string
	for _, m := range []struct {
		n    uint64
		mark string
	}{{n.Clean, "clean"}, {n.Dirty, "dirty"}, {n.Metadata, "metadata"}} {
		if m.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", m.n, m.mark))
		}
	}
	return ": " + strings.Join(parts, ", ")
}

// atLeast stands before a count of which more may be where nothing could be read.
func atLeast(s *fsck.Summary) string {
	if s.Known.Tree && s.Known.Journal {
		return ""
	}
	return "at least "
}

func writeVolume(b *strings.Builder, s *fsck.Summary, v *fsck.VolumeCounts) {
	name := "no slot"
	switch {
	case v.UUID == nil && !s.Known.Names:
		name = "name unknown"
	case v.UUID == nil:
	case *v.UUID == ondisk.InvalidUUID.String():
		name = "invalidated slot"
	default:
		name = *v.UUID
	}
	if v.Label != "" {
		name += fmt.Sprintf(" %q", v.Label)
	}
	if v.FlashOnly {
		name += ", flash-only"
	}
	size := func(n ondisk.Sector) string {
		at := atLeast(s)
		switch {
		case n == 0 && at != "":
			return "unknown how much is"
		case !s.Known.Gens && at == "" && n > 0:
			at = "at most " // what is stale looks live
		}
		return at + app.Human(uint64(n))
	}
	fmt.Fprintf(b, "  volume   %d, %s: %s cached, %s dirty", v.Inode, name, size(v.LiveSectors), size(v.DirtySectors))
	if n := v.LostSectors - v.SavedSectors; n > 0 {
		fmt.Fprintf(b, "; at most %s of dirty data may be lost", app.Human(uint64(n)))
	}
	if v.SavedSectors > 0 {
		fmt.Fprintf(b, "; %s behind stale pointers are on its backing device already", app.Human(uint64(v.SavedSectors)))
	}
	fmt.Fprintln(b)
}

func writeVerified(b *strings.Builder, v *fsck.Verified) {
	if v == nil {
		return
	}
	fmt.Fprintf(b, "  compared %s of clean data in %d extents", app.Human(uint64(v.Sectors)), v.Extents)
	switch {
	case v.Extents == 0:
	case v.DifferExtents == 0:
		fmt.Fprint(b, ", all equal")
	default:
		fmt.Fprintf(b, ": %s in %d extents differ. A crash leaves that where a write had reached the backing device,\n"+
			"           past the cache or through it, and the cache's note of it had not reached the medium", app.Human(uint64(v.DifferSectors)), v.DifferExtents)
	}
	if v.UnreadExtents > 0 {
		fmt.Fprintf(b, "; %s in %d extents could not be read", app.Human(uint64(v.UnreadSectors)), v.UnreadExtents)
	}
	fmt.Fprintln(b)
}
