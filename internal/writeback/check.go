// SPDX-License-Identifier: GPL-2.0-only

package writeback

import (
	"fmt"
	"io"
	"sync"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/full"
	"bctl/internal/disk/plan"
	"bctl/internal/workers"
)

// What was written is read back in groups, while what comes behind it is copied: by then the device has begun to write it,
// or has done so. The sums are those of what was read from the cache, which is not read twice.
const (
	checkers   = 8         // a device is read fast only while several reads wait
	checkBytes = 256 << 10 // are read at once
	checkGap   = 16 << 10  // what lies between two checks and is so little is read with them
	lagBytes   = 32 << 20  // are not read back yet, so that the device has time
	lagGroups  = 1 << 10   // nor are so many groups
)

// A check is what a place of the backing device should hold.
type check struct {
	off int64
	n   int32
	sum uint64
}

func (c *check) end() int64 { return c.off + int64(c.n) }

// A group is checks that lie close together, in order: they are read at once where they are no more than checkBytes.
type group struct{ checks []check }

func (g *group) from() int64 { return g.checks[0].off }
func (g *group) to() int64   { return g.checks[len(g.checks)-1].end() }

// takes reports whether a check goes with the others.
func (g *group) takes(c *check) bool {
	return len(g.checks) == 0 || c.off >= g.to() && c.off-g.to() <= checkGap && c.end()-g.from() <= checkBytes
}

// A checker reads back. Whoever writes adds to it, and learns from it that something was not as it should be.
type checker struct {
	r       io.ReaderAt
	next    *group   // that is filled
	lag     []*group // that are read back later
	behind  int64    // bytes in them
	queue   chan *group
	bufs    [][]byte // one for each that reads
	free    sync.Pool
	crew    workers.Group
	running bool
	over    bool          // the queue is closed
	gone    chan struct{} // closed when a worker panicked
	once    sync.Once

	mu    sync.Mutex
	fault error
}

func newChecker(dev plan.Device, bufs [][]byte) *checker {
	c := &checker{r: dev, bufs: bufs, queue: make(chan *group, len(bufs)), gone: make(chan struct{})}
	if m, ok := dev.(mediumReader); ok {
		c.r = readerAt(m.ReadMedium)
	}
	c.free.New = func() any { return new(group) }
	c.next = new(group)
	return c
}

// add notes what was written. Errors are those of what was read back by now, and wrap plan.ErrReadBack.
func (c *checker) add(k check) error {
	if !c.next.takes(&k) {
		c.close()
		for c.behind > lagBytes || len(c.lag) > lagGroups {
			if err := c.oldest(); err != nil {
				return err
			}
		}
	}
	c.next.checks = append(c.next.checks, k)
	return c.failed()
}

// close ends the group that is filled.
func (c *checker) close() {
	if len(c.next.checks) == 0 {
		return
	}
	c.lag = append(c.lag, c.next)
	c.behind += c.next.to() - c.next.from()
	c.next = c.free.Get().(*group)
	c.next.checks = c.next.checks[:0]
}

// oldest hands the oldest group to whoever has time.
func (c *checker) oldest() error {
	if !c.running {
		c.running = true
		for _, buf := range c.bufs {
			c.crew.Go(func() { c.work(buf) })
		}
	}
	g := c.lag[0]
	c.lag = c.lag[1:]
	c.behind -= g.to() - g.from()
	select {
	case c.queue <- g:
	case <-c.gone:
		c.stop() // panics as the worker did
	}
	return c.failed()
}

// finish reads back what is left. Nothing more is added.
func (c *checker) finish() error {
	for c.close(); len(c.lag) > 0; {
		if err := c.oldest(); err != nil {
			return err
		}
	}
	c.stop()
	return c.failed()
}

// stop waits for those that read.
func (c *checker) stop() {
	if !c.over {
		c.over = true
		close(c.queue)
	}
	c.crew.Wait()
}

func (c *checker) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fault
}

// work reads back into buf until there is nothing more. After an error what comes is thrown away.
func (c *checker) work(buf []byte) {
	sound := false
	defer func() {
		if !sound {
			c.once.Do(func() { close(c.gone) })
		}
	}()
	for g := range c.queue {
		if c.failed() == nil {
			if err := c.read(g, buf); err != nil {
				c.mu.Lock()
				c.fault = err
				c.mu.Unlock()
			}
		}
		c.free.Put(g)
	}
	sound = true
}

// now reads back what was written just now.
func (c *checker) now(k check, buf []byte) error { return c.read(&group{checks: []check{k}}, buf) }

// read compares what the device holds with what was written.
func (c *checker) read(g *group, buf []byte) error {
	from, n := g.from(), g.to()-g.from()
	if n > checkBytes {
		return c.long(&g.checks[0], buf)
	}
	err := full.ReadAt(c.r, buf[:n], from)
	for i := range g.checks {
		k := &g.checks[i]
		if err != nil || ondisk.Crc64(buf[k.off-from:k.end()-from]) != k.sum {
			return k.differs(err)
		}
	}
	return nil
}

// long is read of a check that is more than the buffer.
func (c *checker) long(k *check, buf []byte) error {
	sum, crc := uint64(0), ^uint64(0)
	for at, n := k.off, int64(k.n); n > 0; {
		b := buf[:min(n, checkBytes)]
		if err := full.ReadAt(c.r, b, at); err != nil {
			return k.differs(err)
		}
		sum = ondisk.Crc64Seeded(crc, b)
		crc = ^sum
		at, n = at+int64(len(b)), n-int64(len(b))
	}
	if sum != k.sum {
		return k.differs(nil)
	}
	return nil
}

// differs is the error of a check, with the reason if there is one.
func (c *check) differs(why error) error {
	err := fmt.Errorf("%d bytes at byte %d: %w", c.n, c.off, plan.ErrReadBack)
	if why != nil {
		err = fmt.Errorf("%w: %w", err, why)
	}
	return err
}
