// SPDX-License-Identifier: GPL-2.0-only

package cachesim

// What happens at a time of its own.
const (
	eventThread = iota // a writeback thread goes on
	eventRate          // a rate is updated
)

// An event is due at a time.
type event struct {
	at     int64 // ns
	what   uint8
	volume uint32
}

func (e event) before(f event) bool {
	switch {
	case e.at != f.at:
		return e.at < f.at
	case e.what != f.what:
		return e.what < f.what
	}
	return e.volume < f.volume
}

// events is a heap, the first due on top.
type events []event

// first is when the first is due.
func (h events) first() int64 {
	if len(h) == 0 {
		return never
	}
	return h[0].at
}

func (h *events) push(e event) {
	a := append(*h, e)
	i := len(a) - 1
	for ; i > 0 && e.before(a[(i-1)/2]); i = (i - 1) / 2 {
		a[i] = a[(i-1)/2]
	}
	a[i] = e
	*h = a
}

func (h *events) pop() event {
	a := *h
	top, last := a[0], a[len(a)-1]
	a = a[:len(a)-1]
	i := 0
	for 2*i+1 < len(a) {
		c := 2*i + 1
		if c+1 < len(a) && a[c+1].before(a[c]) {
			c++
		}
		if !a[c].before(last) {
			break
		}
		a[i] = a[c]
		i = c
	}
	if len(a) > 0 {
		a[i] = last
	}
	*h = a
	return top
}

// advance does what is due by now.
func (s *Sim) advance() {
	vol := s.vol
	for {
		at := min(s.events.first(), s.priosDone, s.gcDone)
		if at > s.now {
			s.nextEvent = at
			break
		}
		if at == s.priosDone || at == s.gcDone {
			s.finish(at)
			continue
		}
		e := s.events.pop()
		v := s.volumes[e.volume]
		switch e.what {
		case eventThread:
			if until := s.thread(v, e.at); until != never {
				s.events.push(event{until, eventThread, e.volume})
			}
		case eventRate:
			s.updateRate(v, e.at)
			s.events.push(event{e.at + rateUpdate, eventRate, e.volume})
		}
	}
	s.vol = vol
}
