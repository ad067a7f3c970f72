// SPDX-License-Identifier: GPL-2.0-only

package cachesim

// Units are 32 KiB of a volume that lie together in one bucket, and are clean: what large requests leave. They have a
// table of their own, with a word for each unit where the pages of chunks have eight: what 64 KiB leave is one page. A sector is in one of the two. What
// is dirty or overwritten in part is in chunks: a unit that becomes so is broken up.
const (
	unitShift = 6
	unitSize  = 1 << unitShift // sectors
)

// unitsAt is the page of units that a sector is in, and where that ends, or a run of sectors in it.
func (s *Sim) unitsAt(at, end uint64) (number, stop uint64) {
	number = at / (unitSize * pageChunks)
	return number, min(end, (number+1)*(unitSize*pageChunks))
}

// unitOf is a sector's unit within its page.
func unitOf(sector uint64) uint64 { return sector >> unitShift % pageChunks }

// put records that n sectors of a volume are at a place of the cache. It returns how many of them were cached before.
func (s *Sim) put(volume uint32, sector, n, place uint64, dirty bool) (covered uint64) {
	if s.blocks != nil {
		return s.putBlocks(sector, n, place, dirty)
	}
	era := s.era[place>>s.shift]
	whole := !dirty && !s.cfg.MovingGC // moving gc has to find what a bucket holds, in chunks
	if n < unitSize && s.units.used == 0 || !whole {
		if s.units.used > 0 {
			covered = s.dropUnits(volume, sector, sector+n)
		}
		return covered + s.putChunks(volume, sector, n, place, era, dirty)
	}
	for at, end := sector, sector+n; at < end; {
		to := min(end, at|(unitSize-1)+1)
		if to-at == unitSize {
			_, stop := s.unitsAt(at, end)
			to = at + (stop-at)&^(unitSize-1)
			covered += s.putUnits(volume, at, to, place, era)
		} else {
			if s.units.used > 0 {
				covered += s.dropUnits(volume, at, to)
			}
			covered += s.putChunks(volume, at, to-at, place, era, dirty)
		}
		place += to - at
		at = to
	}
	return covered
}

// putUnits is put of whole units of one page.
func (s *Sim) putUnits(volume uint32, at, end, place uint64, era uint16) (covered uint64) {
	if s.units.full() {
		s.sweepUnits()
	}
	number, _ := s.unitsAt(at, at)
	p := s.units.add(key(volume, number))
	for ; at < end; at += unitSize {
		w := &p.chunk[unitOf(at)]
		if *w != 0 && s.alive(*w) {
			s.forgetUnit(*w)
			covered += unitSize
		} else if s.m.used > 0 {
			covered += s.dropChunks(volume, at, unitSize)
		}
		*w = newPiece(0, 0, place, era, false)
		place += unitSize
	}
	return covered
}

func (s *Sim) forgetUnit(w piece) {
	s.live[w.sector()>>s.shift] -= unitSize
	s.liveSectors -= unitSize
}

// dropUnits removes what is cached of a run of sectors from the table of units. It returns how many whole units' sectors
// that were; what is left of others is in chunks from here on, and so is what is to go of them.
func (s *Sim) dropUnits(volume uint32, at, end uint64) (covered uint64) {
	for at < end {
		number, stop := s.unitsAt(at, end)
		if p := s.units.find(key(volume, number)); p != nil {
			covered += s.dropUnitsIn(p, volume, at, stop)
		}
		at = stop
	}
	return covered
}

// dropUnitsIn is dropUnits in one page.
func (s *Sim) dropUnitsIn(p *page, volume uint32, at, stop uint64) (covered uint64) {
	for at < stop {
		base := at &^ (unitSize - 1)
		to := min(stop, base+unitSize)
		w := p.chunk[unitOf(at)]
		p.chunk[unitOf(at)] = 0
		switch {
		case w == 0 || !s.alive(w):
		case to-at == unitSize:
			s.forgetUnit(w)
			covered += unitSize
		default:
			s.putChunks(volume, base, unitSize, w.sector(), w.era(), false)
		}
		at = to
	}
	return covered
}

// drop removes what is cached of a run of sectors: what a write that goes past the cache leaves, or a trim. It
// returns how many that were.
func (s *Sim) drop(volume uint32, sector, n uint64) (covered uint64) {
	if s.blocks != nil {
		return s.dropBlocks(sector, n)
	}
	end := sector + n
	const size = unitSize * pageChunks
	switch {
	case s.units.used == 0:
	case n/size > uint64(len(s.units.pages)):
		for i := range s.units.pages { // a trim of terabytes
			p := &s.units.pages[i]
			if first := p.key.number * size; p.key.volume == volume+1 && first < end && first+size > sector {
				covered += s.dropUnitsIn(p, volume, max(first, sector), min(first+size, end))
			}
		}
	default:
		covered = s.dropUnits(volume, sector, end)
	}
	return covered + s.dropChunks(volume, sector, n)
}

func (s *Sim) sweepUnits() {
	s.units.sweep(func(p *page) bool {
		some := false
		for i, w := range p.chunk {
			if w != 0 && !s.alive(w) {
				p.chunk[i] = 0
			}
			some = some || p.chunk[i] != 0
		}
		return some
	})
}
