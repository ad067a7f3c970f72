// SPDX-License-Identifier: GPL-2.0-only

package cachesim

// A gap is a run of sectors that the cache lacks.
type gap struct{ from, to uint64 }

// A missed is what lookup has not found.
type missed struct {
	sectors uint64
	first   gap // the first run of them: bcache fills one for a request
}

func (m *missed) add(from, to uint64) {
	switch {
	case m.sectors == 0:
		m.first = gap{from, to}
	case m.first.to == from:
		m.first.to = to
	}
	m.sectors += to - from
}

// lookup goes through what the cache has of a request, and does what cache_lookup_fn() does: the bucket of each
// extent that is read gets the prio of one just used. It returns how many sectors are missing, and the first run of
// them.
func (s *Sim) lookup(volume uint32, sector, n uint64) (missing uint64, first gap) {
	var m missed
	end := sector + n
	if s.blocks != nil {
		return s.lookupBlocks(sector, end)
	}
	if s.units.used == 0 {
		s.lookupChunks(volume, sector, end, &m)
		return m.sectors, m.first
	}
	for at := sector; at < end; {
		pair, stop := pairAt(at, end)
		first, second := s.units.find(unitKey(volume, pair))
		if first != 0 && first == second {
			s.c.Touch(int(first.sector() >> s.shift))
			at = stop
			continue
		}
		for at < stop {
			to, w := min(stop, at|(unitSize-1)+1), first
			if unitAt(at) == secondUnit {
				w = second
			}
			if w != 0 {
				s.c.Touch(int(w.sector() >> s.shift))
			} else {
				s.lookupChunks(volume, at, to, &m)
			}
			at = to
		}
	}
	return m.sectors, m.first
}

// lookupChunks is lookup in the pages of chunks.
func (s *Sim) lookupChunks(volume uint32, at, end uint64, m *missed) {
	if s.m.used == 0 {
		m.add(at, end)
		return
	}
	last := ^uint64(0)
	for at < end {
		number, stop := pageOf(at)
		stop = min(end, stop)
		p := s.m.find(key(volume, number))
		if p == nil {
			m.add(at, stop)
			at = stop
			continue
		}
		for at < stop {
			base := at &^ (chunkSize - 1)
			to := min(stop, base+chunkSize)
			w := p.chunk[chunkOf(at)]
			if bucket := w.sector() >> s.shift; w&shapeMask == wholeBits && s.era[bucket] == w.era() {
				if bucket != last {
					s.c.Touch(int(bucket))
					last = bucket
				}
			} else {
				s.lookupParts(w, base, at, to, m)
				last = ^uint64(0)
			}
			at = to
		}
	}
}

// lookupParts is lookup from at to to, in the chunk at base.
func (s *Sim) lookupParts(w piece, base, at, to uint64, m *missed) {
	if w == 0 {
		m.add(at, to)
		return
	}
	var parts parts
	s.m.lists.peek(w, &parts)
	for at < to {
		next, found := to, false
		for _, p := range parts.piece[:parts.n] {
			start := base + p.start()
			end := start + p.length()
			switch {
			case !s.alive(p) || end <= at:
			case start <= at:
				s.c.Touch(int(p.sector() >> s.shift))
				next, found = min(to, end), true
			case !found:
				next = min(next, start)
			}
			if found {
				break
			}
		}
		if !found {
			m.add(at, next)
		}
		at = next
	}
}

// alive reports whether nothing has invalidated the bucket since p was written.
func (s *Sim) alive(p piece) bool { return s.era[p.sector()>>s.shift] == p.era() }

// clean takes sectors from what their bucket has dirty, of the volume at hand.
func (s *Sim) clean(b, n uint64) {
	s.dirty[b] -= uint32(n)
	s.dirtySectors -= n
	s.vol.dirtySectors -= int64(n)
}

// forget takes sectors from what their bucket has live.
func (s *Sim) forget(p piece, n uint64) {
	b := p.sector() >> s.shift
	s.live[b] -= uint32(n)
	s.liveSectors -= n
	if p.dirty() {
		s.clean(b, n)
	}
}

// cover removes what is cached of a run of sectors of one chunk from w, and says how much that was.
func (s *Sim) cover(w piece, a, b uint64, with piece) (now piece, covered uint64) {
	var old, kept parts
	s.m.lists.load(w, &old)
	for _, p := range old.piece[:old.n] {
		start, end := p.start(), p.start()+p.length()
		if !s.alive(p) {
			continue
		}
		if end <= a || start >= b {
			kept.add(p)
			continue
		}
		from, to := max(start, a), min(end, b)
		s.forget(p.cut(from, to), to-from)
		covered += to - from
		if start < from {
			kept.add(p.cut(start, from))
		}
		if to < end {
			kept.add(p.cut(to, end))
		}
	}
	if with != 0 {
		kept.add(with)
	}
	return s.m.lists.store(&kept), covered
}

// putChunks records in the pages of chunks that n sectors of a volume are at a place of the cache, of an era. It returns
// how many of them were cached there before.
func (s *Sim) putChunks(volume uint32, sector, n, place uint64, era uint16, dirty bool) (covered uint64) {
	end := sector + n
	for at := sector; at < end; {
		if s.m.full() {
			s.sweepChunks()
		}
		number, stop := pageOf(at)
		p := s.m.add(key(volume, number))
		if dirty {
			s.vol.dirtyPages.set(number)
		}
		for stop = min(end, stop); at < stop; {
			a := at & (chunkSize - 1)
			b := min(chunkSize, a+stop-at)
			covered += s.putWord(&p.chunk[chunkOf(at)], a, b, newPiece(a, b-a, place, era, dirty))
			place += b - a
			at += b - a
		}
	}
	return covered
}

// dropChunks removes what the pages of chunks have of a run of sectors. It returns how many that were.
func (s *Sim) dropChunks(volume uint32, sector, n uint64) (covered uint64) {
	if s.m.used == 0 {
		return 0
	}
	end := sector + n
	if n/pageSize > uint64(len(s.m.pages)) {
		for i := range s.m.pages { // a trim of terabytes
			p := &s.m.pages[i]
			if first := p.key.number * pageSize; p.key.volume == volume+1 && first < end && first+pageSize > sector {
				covered += s.dropIn(p, max(first, sector), min(first+pageSize, end))
			}
		}
		return covered
	}
	for at := sector; at < end; {
		number, stop := pageOf(at)
		stop = min(end, stop)
		if p := s.m.find(key(volume, number)); p != nil {
			covered += s.dropIn(p, at, stop)
		}
		at = stop
	}
	return covered
}

// dropIn is drop in one page.
func (s *Sim) dropIn(p *page, at, stop uint64) (covered uint64) {
	for at < stop {
		a := at & (chunkSize - 1)
		b := min(chunkSize, a+stop-at)
		covered += s.dropWord(&p.chunk[chunkOf(at)], a, b)
		at += b - a
	}
	return covered
}

// putWord is put in one chunk.
func (s *Sim) putWord(w *piece, a, b uint64, fresh piece) (covered uint64) {
	switch {
	case *w == 0:
		*w = fresh
	case *w&shapeMask == wholeBits && b-a == chunkSize:
		if s.alive(*w) {
			s.forget(*w, chunkSize)
			covered = chunkSize
		}
		*w = fresh
	default:
		*w, covered = s.cover(*w, a, b, fresh)
	}
	return covered
}

// dropWord is drop in one chunk.
func (s *Sim) dropWord(w *piece, a, b uint64) (covered uint64) {
	switch {
	case *w == 0:
	case *w&listBit == 0 && !s.alive(*w):
		*w = 0
	default:
		*w, covered = s.cover(*w, a, b, 0)
	}
	return covered
}

// sweep throws stale pieces away, and pages that have nothing else.
func (s *Sim) sweep() {
	s.sweepChunks()
	s.units.sweep()
	s.sweepBlocks()
}

func (s *Sim) sweepChunks() {
	s.m.sweep(func(p *page) bool {
		some := false
		for i := range p.chunk {
			s.keepAlive(&p.chunk[i])
			some = some || p.chunk[i] != 0
		}
		return some
	})
}

// keepAlive throws what is stale in a chunk away.
func (s *Sim) keepAlive(w *piece) {
	switch {
	case *w == 0:
	case *w&listBit != 0:
		*w, _ = s.cover(*w, 0, 0, 0)
	case !s.alive(*w):
		*w = 0
	}
}
