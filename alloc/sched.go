// SPDX-License-Identifier: GPL-2.0-only

package alloc

// Step lets the allocator thread run until it sleeps, if it is runnable; else
// it resumes the op that has slept longest of those that were woken. It
// reports whether there was anything to do.
func (c *Cache) Step() bool {
	if c.err != nil {
		return false
	}
	if c.runnable {
		c.runAllocator()
		return true
	}
	for i, s := range c.sleepers {
		if !s.woken {
			continue
		}
		s.woken = false
		if s.op.Run(c) != Asleep {
			c.sleepers = append(c.sleepers[:i], c.sleepers[i+1:]...)
		}
		return true
	}
	return false
}

// Run steps until there is nothing left to do.
func (c *Cache) Run() {
	for (c.runnable || len(c.sleepers) > 0) && c.Step() {
	}
}

// Begin runs o; if it falls asleep it is queued as the youngest sleeper.
func (c *Cache) Begin(o Op) (*Sleeper, Status) {
	st := o.Run(c)
	if st != Asleep {
		return nil, st
	}
	s := &Sleeper{op: o}
	c.sleepers = append(c.sleepers, s)
	return s, st
}

// Sleeping reports whether s is still queued.
func (c *Cache) Sleeping(s *Sleeper) bool {
	for _, q := range c.sleepers {
		if q == s {
			return true
		}
	}
	return false
}

// GiveUp takes s off the queue.
func (c *Cache) GiveUp(s *Sleeper) {
	for i, q := range c.sleepers {
		if q == s {
			c.sleepers = append(c.sleepers[:i], c.sleepers[i+1:]...)
			return
		}
	}
}
