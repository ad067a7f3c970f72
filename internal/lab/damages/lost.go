// SPDX-License-Identifier: GPL-2.0-only

package damages

import (
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// lostProofs are about the ring: entries that are not found, and room for more.
var lostProofs = []Proof{
	// Behind a bad block of its bucket.
	{"U26", damaged, finding.JRLost, "writeback-dirty", func(s *Scene) {
		s.AddEntry(func(*ondisk.Jset) {})
		last := s.AddEntry(func(*ondisk.Jset) {})
		for _, e := range s.Entries() {
			if e.Seq == last.Seq-1 {
				s.WipeEntry(e)
			}
		}
	}, nil, ""},
	// Two buckets on.
	{"U26", damaged, finding.JRLost, "writeback-dirty", func(s *Scene) {
		e := s.Newest()
		ring, _ := s.NextRing(e.Ring)
		_, at := s.NextRing(ring)
		e.Seq++
		s.PutEntry(at, e.Jset)
	}, nil, ""},
	// In no leaf any more, though they are not live: the last bset of a leaf looks like unused space.
	{"U26", damaged, finding.BTMissing, "detached-reattached", func(s *Scene) {
		for _, n := range s.Leaves() {
			if sets := s.Sets(n); len(sets) > 1 {
				s.Put((n.Sector() + sets[len(sets)-1].At).Bytes(), make([]byte, ondisk.SectorBytes))
			}
		}
	}, []finding.Code{finding.SBPages, finding.UULostClean, finding.UUDestroyed}, ""},
	{"U27", damaged, finding.JRFull, "made-small", func(s *Scene) { s.spread(s.Geo.NJournal - 1) }, nil, ""},
	{"U27", warning, finding.JRNearlyFull, "made-small", func(s *Scene) { s.spread(s.Geo.NJournal - 2) }, nil, ""},
	{"U28", warning, finding.JRFuture, "writeback-dirty", func(s *Scene) {
		e := s.Newest()
		ring, _ := s.NextRing(e.Ring)
		_, at := s.NextRing(ring)
		e.Seq, e.LastSeq = e.Seq+5000, e.Seq+4990
		s.PutEntry(at, e.Jset)
	}, nil, ""},
}
