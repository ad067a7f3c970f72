// SPDX-License-Identifier: GPL-2.0-only

package cachesim

// reserveShare is the share of the buckets that a cache which is full may not have used: those that lie ready for what
// comes next.
const reserveShare = 16

// Filled reports whether nearly all buckets have been taken since the Sim began, and how many were. A cache that did
// not fill threw nothing away for want of room: a smaller one would have missed as much. Of a sample it is the whole cache.
func (s *Sim) Filled() (taken uint64, filled bool) {
	n := uint64(s.cfg.Alloc.NBuckets)
	taken = s.c.Stats().Taken
	if r := s.sample.share; r != 0 {
		n, taken = uint64(s.cfg.Alloc.SampleOf), r.whole(taken)
	}
	return taken, taken >= n-n/reserveShare
}
