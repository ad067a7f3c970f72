// SPDX-License-Identifier: GPL-2.0-only

package cachesim

import "math"

// What writeback.c decides by.
const (
	keybufKeys      = 500  // KEYBUF_NR: keys found at a time
	mostInPass      = 5    // MAX_WRITEBACKS_IN_PASS: keys that lie together
	mostSizeInPass  = 5000 // MAX_WRITESIZE_IN_PASS: sectors
	mostOfKey       = 1<<16 - 1
	writebackPause  = 30e9 // ns: writeback_delay, after the whole volume has been searched
	jiffy           = 4e6  // ns: CONFIG_HZ is 250
	firstRate       = 1024 // sectors a second
	leastRate       = 8    // writeback_rate_minimum
	mostRate        = 1e9  // NSEC_PER_SEC
	idleRate        = math.MaxInt32
	mostBehind      = 2e9   // ns that bch_next_delay() may be behind
	mostAhead       = 2.5e9 // and ahead
	fragmentLow     = 50    // percent in use from which the fragmentation counts
	fragmentMid     = 57
	fragmentHigh    = 64
	fragmentTermLow = 1
	fragmentTermMid = 10
	fragmentTermTop = 1000
)

// A volume is a cached device.
type volume struct {
	number       uint32
	end          uint64 // the last sector that is known of
	streams      streams
	dirtyPages   dirtyPages
	dirtySectors int64
	wb           writeback
}

// A dirtyKey is a key in the writeback thread's buffer: sectors of the volume that lie together on the cache.
type dirtyKey struct{ sector, n, place uint64 }

// A writeback is a volume's writeback thread, and its rate controller.
type writeback struct {
	hasDirty bool // has_dirty
	started  bool // the rate is updated every five seconds
	asleep   bool // the thread, until there is something dirty

	rate     int64 // sectors a second
	integral int64
	next     int64 // ns: writeback_rate.next

	keys     []dirtyKey
	done     int    // of keys
	scanned  uint64 // last_scanned
	searched bool   // the whole volume, for these keys
}

// volume is the one of a number.
func (s *Sim) volume(number uint32) *volume {
	if v := s.vol; v != nil && v.number == number {
		return v
	}
	if n := int(number) + 1; n > len(s.volumes) {
		s.volumes = append(s.volumes, make([]*volume, n-len(s.volumes))...)
	}
	v := s.volumes[number]
	if v == nil {
		v = &volume{number: number}
		v.wb.asleep = true
		s.volumes[number] = v
	}
	return v
}

// writebackAdd is bch_writeback_add(), after a write that left dirty data.
func (s *Sim) writebackAdd() {
	v := s.vol
	w := &v.wb
	if !w.started {
		w.started, w.rate, w.next = true, firstRate, s.now
		// The rate is updated every five seconds since the device was attached, when the trace began.
		s.events.push(event{(s.now+ratePhase)/rateUpdate*rateUpdate + rateUpdate - ratePhase, eventRate, v.number})
	}
	if !w.hasDirty {
		w.hasDirty = true
		if w.asleep {
			w.asleep = false
			s.events.push(event{s.now, eventThread, v.number})
		}
	}
	s.nextEvent = min(s.nextEvent, s.events.first())
}

// thread is bch_writeback_thread() from where it slept to where it sleeps next; the return is until when.
func (s *Sim) thread(v *volume, now int64) (until int64) {
	w := &v.wb
	for {
		if w.done == len(w.keys) {
			if w.searched { // the pause is over
				w.searched, w.next = false, now
			}
			if !w.hasDirty {
				w.asleep = true
				return never
			}
			s.refill(v)
			if w.searched && len(w.keys) == 0 {
				w.hasDirty = false
			}
		}
		if until := s.readDirty(v, now); until > now {
			return until
		}
		if w.searched {
			return now + writebackPause
		}
	}
}

// readDirty is read_dirty(): it writes keys back until it has to wait for the rate, or has none left.
func (s *Sim) readDirty(v *volume, now int64) (until int64) {
	w := &v.wb
	for w.done < len(w.keys) {
		size, n := uint64(0), 0
		for w.done < len(w.keys) && n < mostInPass && size < mostSizeInPass {
			k := w.keys[w.done]
			if n > 0 && w.keys[w.done-1].sector+w.keys[w.done-1].n != k.sector {
				break
			}
			w.done++
			if s.writeBack(v, k) {
				size += k.n
				n++
			} else if n > 0 {
				break
			}
		}
		if s.cfg.WritebackPercent == 0 || size == 0 {
			continue
		}
		if d := w.delay(now, size); d > 0 {
			return now + d
		}
	}
	return now
}

// delay is bch_next_delay(), in whole jiffies.
func (w *writeback) delay(now int64, sectors uint64) int64 {
	w.next += int64(sectors * 1e9 / uint64(w.rate))
	w.next = max(min(w.next, now+mostAhead), now-mostBehind)
	if w.next <= now {
		return 0
	}
	return (w.next - now) / jiffy * jiffy
}

// writeBack cleans a key, if all of it is as it was when it was found: a write to it takes it from the buffer.
func (s *Sim) writeBack(v *volume, k dirtyKey) bool {
	same := true
	s.pieces(v, k.sector, k.n, func(p *piece, sector uint64) {
		want := k.place + sector - k.sector
		same = same && p.dirty() && s.alive(*p) && p.sector() == want
	}, func() { same = false })
	if !same {
		return false
	}
	s.vol = v
	s.pieces(v, k.sector, k.n, func(p *piece, _ uint64) {
		s.clean(p.sector()>>s.shift, p.length())
		*p &^= dirtyBit
	}, func() {})
	s.f.WrittenBack += k.n
	return true
}

// pieces calls f for each piece of a run of sectors, and hole where a chunk of it has none. Pieces are not cut: the run
// is one of a key, which begins and ends with pieces.
func (s *Sim) pieces(v *volume, sector, n uint64, f func(p *piece, sector uint64), hole func()) {
	for at, end := sector, sector+n; at < end; {
		number, stop := pageOf(at)
		p := s.m.find(key(v.number, number))
		if p == nil {
			hole()
			return
		}
		for stop = min(stop, end); at < stop; {
			base := at &^ (chunkSize - 1)
			to := min(stop, base+chunkSize)
			covered := uint64(0)
			s.m.lists.each(&p.chunk[chunkOf(at)], func(x *piece) {
				if start := base + x.start(); start >= at && start+x.length() <= to {
					covered += x.length()
					f(x, start)
				}
			})
			if covered < to-at {
				hole()
			}
			at = to
		}
	}
}
