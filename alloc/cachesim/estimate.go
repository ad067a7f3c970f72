// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import "math/bits"

// Estimate is what the figures of a sample say of the whole trace, of which full was counted.
func (r Share) Estimate(part, full *Figures) Figures {
	f := *part
	f.Reads, f.Writes, f.Trims = full.Reads, full.Writes, full.Trims
	f.ReadSectors, f.WriteSectors = full.ReadSectors, full.WriteSectors
	f.Bypassed, f.BypassedSectors, f.BypassReads = full.Bypassed, full.BypassedSectors, full.BypassReads
	requests := func(weight, most uint64) uint64 { return min((r.whole(weight)+weightOne/2)/weightOne, most) }
	// What the sample has more of requests than its share, or less, is of hot blocks.
	others := func(weight, misses, all, hot, of uint64) uint64 {
		n := float64(requests(misses, all))
		if of > 0 {
			n += (float64(all) - float64(r.whole(weight))/weightOne) * float64(hot) / float64(of)
		}
		return uint64(min(max(n, 0), float64(all)))
	}
	f.BypassWrites = full.BypassWrites
	w := &part.Weights
	// What goes past the cache may be hot and miss all the same: of that the sample's share of misses is taken.
	past := func(misses, of, all uint64) uint64 {
		if of == 0 {
			return 0
		}
		hi, lo := bits.Mul64(misses, all)
		n, _ := bits.Div64(hi, lo, of)
		return n
	}
	f.BypassReadMisses = past(w.BypassReadMisses, w.BypassReads, full.BypassReads)
	hot := &w.Hot
	f.ReadMisses = f.BypassReadMisses +
		others(w.Reads-w.BypassReads, w.ReadMisses-w.BypassReadMisses, full.Reads-full.BypassReads, hot.ReadMisses, hot.Reads)
	f.WriteMisses = past(w.BypassWriteMisses, w.BypassWrites, full.BypassWrites) +
		others(w.Writes-w.BypassWrites, w.WriteMisses-w.BypassWriteMisses, full.Writes-full.BypassWrites, hot.WriteMisses, hot.Writes)
	f.ReadMissSectors = min(r.whole(part.ReadMissSectors), full.ReadSectors)
	f.WriteMissSectors = min(r.whole(part.WriteMissSectors), full.WriteSectors)
	for _, n := range []*uint64{
		&f.NoRoom, &f.Filled, &f.Overwritten, &f.DataSectors, &f.WrittenBack, &f.Moved, &f.ThrownAway,
		&f.JournalSectors, &f.BtreeSectors, &f.PrioSectors, &f.LiveSectors, &f.DirtySector, &f.Alloc.PrioWrites,
		&f.Alloc.Invalidated, &f.Alloc.LiveSectors, &f.Alloc.Taken, &f.Alloc.SectorsWritten,
	} {
		*n = r.whole(*n)
	}
	return f
}
