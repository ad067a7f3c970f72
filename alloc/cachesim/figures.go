// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import "bctl/alloc"

// Figures is what a Sim has counted.
type Figures struct {
	Reads, Writes, Trims     uint64
	ReadMisses, WriteMisses  uint64 // requests of which some sector was not cached
	ReadSectors              uint64
	WriteSectors             uint64
	ReadMissSectors          uint64
	WriteMissSectors         uint64
	Bypassed                 uint64 // requests that went past the cache, trims included
	BypassedSectors          uint64
	BypassReads              uint64 // of reads
	BypassReadMisses         uint64 // and of these not all cached
	BypassWrites             uint64 // of writes
	NoRoom                   uint64 // insertions cut short: no bucket was ready
	Filled                   uint64 // sectors added by read misses
	Overwritten              uint64 // sectors that became garbage
	DataSectors              uint64 // sectors of data written to the cache
	WrittenBack              uint64 // sectors
	Moved                    uint64 // sectors, by moving gc
	ThrownAway               uint64 // live sectors in buckets that were invalidated
	GCs                      uint64
	Weights                  Weights // of pieces of requests
	JournalSectors           uint64
	BtreeSectors             uint64
	PrioSectors              uint64
	Alloc                    alloc.Stats
	LiveSectors, DirtySector uint64 // at the end
}

// Weights counts pieces of requests, each as its share of its request in weightOne's: a sample has some of them.
type Weights struct {
	Reads, ReadMisses, BypassReads, BypassReadMisses uint64
	Writes, WriteMisses                              uint64
	BypassWrites, BypassWriteMisses                  uint64
	Hot                                              Hot
}

// Hot is what a block would have come to that some requests of a sample are of, of all kinds but those that go past the
// cache. It is always cached, unless it is written while there is no room.
type Hot struct {
	Reads, ReadMisses, Writes, WriteMisses uint64
	lost                                   bool
}

// add counts a request. room: the cache has some for it.
func (h *Hot) add(read bool, weight uint64, room bool) {
	missed := uint64(0)
	if h.lost {
		missed = weight
	}
	if read {
		h.Reads += weight
		h.ReadMisses += missed
		h.lost = h.lost && !room
		return
	}
	h.Writes += weight
	h.WriteMisses += missed
	h.lost = !room
}

// Figures returns what was counted since the last ResetFigures.
func (s *Sim) Figures() Figures {
	f := s.f
	f.Alloc = s.c.Stats().Sub(f.Alloc)
	f.JournalSectors = s.meta.journalSectors - f.JournalSectors
	f.BtreeSectors = s.meta.btreeSectors - f.BtreeSectors
	f.PrioSectors = f.Alloc.PrioWrites * (uint64(s.c.PrioSlots())*s.meta.prioSectors + journalBlock)
	f.LiveSectors, f.DirtySector = s.liveSectors, s.dirtySectors
	return f
}

// ResetFigures begins to count anew: the warmup is over.
func (s *Sim) ResetFigures() {
	s.f = Figures{Alloc: s.c.Stats(), JournalSectors: s.meta.journalSectors, BtreeSectors: s.meta.btreeSectors}
}

// Mean is halfway between f and g in all that a row shows.
func (f Figures) Mean(g *Figures) Figures {
	for _, p := range [][2]*uint64{
		{&f.ReadMisses, &g.ReadMisses},
		{&f.WriteMisses, &g.WriteMisses},
		{&f.BypassReadMisses, &g.BypassReadMisses},
		{&f.ReadMissSectors, &g.ReadMissSectors},
		{&f.WriteMissSectors, &g.WriteMissSectors},
		{&f.NoRoom, &g.NoRoom},
		{&f.Filled, &g.Filled},
		{&f.Overwritten, &g.Overwritten},
		{&f.DataSectors, &g.DataSectors},
		{&f.WrittenBack, &g.WrittenBack},
		{&f.ThrownAway, &g.ThrownAway},
		{&f.GCs, &g.GCs},
		{&f.JournalSectors, &g.JournalSectors},
		{&f.BtreeSectors, &g.BtreeSectors},
		{&f.PrioSectors, &g.PrioSectors},
		{&f.LiveSectors, &g.LiveSectors},
		{&f.DirtySector, &g.DirtySector},
		{&f.Alloc.Invalidated, &g.Alloc.Invalidated},
		{&f.Alloc.Taken, &g.Alloc.Taken},
		{&f.Alloc.SectorsWritten, &g.Alloc.SectorsWritten},
		{&f.Alloc.PrioWrites, &g.Alloc.PrioWrites},
		{&f.Alloc.LiveSectors, &g.Alloc.LiveSectors},
	} {
		*p[0] = (*p[0] + *p[1]) / 2
	}
	return f
}

// CacheHits is the kernel's cache_hits: reads that found all there, and did not go past the cache.
func (f *Figures) CacheHits() uint64 { return f.Reads - f.BypassReads - f.CacheMisses() }

// CacheMisses is the kernel's cache_misses: other reads that did not go past it.
func (f *Figures) CacheMisses() uint64 { return f.ReadMisses - f.BypassReadMisses }

// BypassHits is the kernel's cache_bypass_hits.
func (f *Figures) BypassHits() uint64 { return f.BypassReads - f.BypassReadMisses }

// WrittenSectors is the kernel's cache0/written: what was allocated for data.
func (f *Figures) WrittenSectors() uint64 { return f.Alloc.SectorsWritten }

// MetadataWritten is the kernel's cache0/metadata_written: prios and journal.
func (f *Figures) MetadataWritten() uint64 { return f.JournalSectors + f.PrioSectors }

// Requests is how many there were.
func (f *Figures) Requests() uint64 { return f.Reads + f.Writes + f.Trims }

// ReadMissRatio is the share of reads that missed.
func (f *Figures) ReadMissRatio() Ratio { return ratio(f.ReadMisses, f.Reads) }

// WriteMissRatio is the share of writes to something that was not cached.
func (f *Figures) WriteMissRatio() Ratio { return ratio(f.WriteMisses, f.Writes) }

// MissRatio is the share of both.
func (f *Figures) MissRatio() Ratio {
	return ratio(f.ReadMisses+f.WriteMisses, f.Reads+f.Writes)
}

// ByteMissRatio is MissRatio by sectors.
func (f *Figures) ByteMissRatio() Ratio {
	return ratio(f.ReadMissSectors+f.WriteMissSectors, f.ReadSectors+f.WriteSectors)
}

// MetadataSectors is all that was written besides data.
func (f *Figures) MetadataSectors() uint64 { return f.JournalSectors + f.BtreeSectors + f.PrioSectors }

// MetadataAmplification is the metadata written for each sector of data.
func (f *Figures) MetadataAmplification() Ratio { return ratio(f.MetadataSectors(), f.DataSectors) }

// WriteAmplification is what was written to the cache for each sector that somebody wrote.
func (f *Figures) WriteAmplification() Ratio {
	return ratio(f.DataSectors+f.MetadataSectors(), f.WriteSectors)
}

// A Ratio is a quotient, which is not there where nothing was counted.
type Ratio struct {
	Value float64
	Known bool
}

func ratio(a, of uint64) Ratio {
	if of == 0 {
		return Ratio{}
	}
	return Ratio{float64(a) / float64(of), true}
}
