// SPDX-License-Identifier: GPL-2.0-only

package cachesim

// Units are 32 KiB of a volume that lie together in one bucket, and are clean: what large requests leave. They have a
// table of their own, unittable.go: what 64 KiB leave is 16 bytes of it. A sector is in one of the two. What
// is dirty or overwritten in part is in chunks: a unit that becomes so is broken up.
const (
	unitShift = 6
	unitSize  = 1 << unitShift // sectors
	pairShift = unitShift + 1
)

// pairAt is the pair of units that a sector is in, and where that ends, or a run of sectors in it.
func pairAt(at, end uint64) (pair, stop uint64) {
	pair = at >> pairShift
	return pair, min(end, (pair+1)<<pairShift)
}

// unitAt is which unit of its pair a sector is in.
func unitAt(sector uint64) uint64 { return firstUnit << (sector >> unitShift & 1) }

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
			_, stop := pairAt(at, end)
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

// putUnits is put of whole units of one pair.
func (s *Sim) putUnits(volume uint32, at, end, place uint64, era uint16) (covered uint64) {
	if s.units.full() {
		s.units.sweep()
	}
	pair, _ := pairAt(at, at)
	k, which := unitKey(volume, pair), uint64(0)
	var first, second piece
	if s.units.absent != k { // mostly it was looked for just before
		first, second = s.units.find(k)
	}
	for ; at < end; at += unitSize {
		unit, w := unitAt(at), first
		if which |= unit; unit == secondUnit {
			w = second
		}
		if w != 0 {
			s.forgetUnit(w)
			covered += unitSize
		} else if s.m.used > 0 {
			covered += s.dropChunks(volume, at, unitSize)
		}
	}
	if first != 0 || second != 0 {
		s.units.take(k, which)
	}
	s.units.put(k, newPiece(which, 0, place, era, false))
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
		pair, stop := pairAt(at, end)
		covered += s.dropPair(volume, pair, at, stop)
		at = stop
	}
	return covered
}

// dropPair is dropUnits in one pair.
func (s *Sim) dropPair(volume uint32, pair, at, stop uint64) (covered uint64) {
	k := unitKey(volume, pair)
	first, second := s.units.find(k)
	if first == 0 && second == 0 {
		return 0
	}
	for at < stop {
		base := at &^ (unitSize - 1)
		to := min(stop, base+unitSize)
		unit, w := unitAt(at), first
		if unit == secondUnit {
			w = second
		}
		if w != 0 {
			s.units.take(k, unit)
			if to-at == unitSize {
				s.forgetUnit(w)
				covered += unitSize
			} else {
				s.putChunks(volume, base, unitSize, w.unit(unit), w.era(), false)
			}
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
	switch {
	case s.units.used == 0:
	case n>>pairShift > uint64(len(s.units.slots)):
		for i := range s.units.slots { // a trim of terabytes
			of, pair := pairOf(s.units.slots[i].key)
			if from := pair << pairShift; of == volume && from < end && from+1<<pairShift > sector {
				covered += s.dropPair(volume, pair, max(from, sector), min(from+1<<pairShift, end))
			}
		}
	default:
		covered = s.dropUnits(volume, sector, end)
	}
	return covered + s.dropChunks(volume, sector, n)
}
