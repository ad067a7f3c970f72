// SPDX-License-Identifier: GPL-2.0-only

package fsck

import (
	"fmt"
	"slices"
	"sync"

	"bctl/inspect"
	"bctl/internal/bcache/ondisk"
)

// writtenBack is the backing device that holds all dirty data of a volume already, and 0, or that which holds the most,
// and how many sectors it lacks; nil where there is none. Its slot names no device, so each that was given may be it. What
// cannot be read proves nothing. A sector that was written again since, as the device's new number has it dirty, is none
// that it lacks.
//
// The kernel invalidates a slot when a detach has written everything back, or when it attaches a device that was used
// without its cache, which is then given the new slot in the same moment. So where the new slot is younger, what was cached
// under it is of later, clean or not. What went past the cache leaves no trace, and counts as lacking.
func (c *checker) writtenBack(v *inspect.Volume) (most *backing, lacks, again ondisk.Sector) {
	for i := range c.backing {
		b := &c.backing[i]
		l := lacking{enough: v.DirtySectors / 2}
		err := c.c.Walk(func(_ int, e *inspect.Extent) {
			if e.Inode() == v.Inode && e.Live && e.Dirty() {
				l.compare(c, b, e)
			}
		})
		if now := c.volumeOf(b.super.UUID); err == nil && now != nil && now.Inode != v.Inode && l.n <= l.enough && len(l.which) > 0 {
			ended := v.Slot != nil && v.Slot.Invalidated > 0 && v.Slot.Invalidated < now.Slot.FirstReg
			slices.Sort(l.which)
			l.again = make([]bool, len(l.which))
			err = c.c.Walk(func(_ int, e *inspect.Extent) {
				if e.Inode() == now.Inode && e.Live && (e.Dirty() || ended) {
					l.written(e.Start(), e.Start()+e.Size())
				}
			})
		}
		if err == nil && (most == nil || l.n < lacks) {
			most, lacks, again = b, l.n, l.rewritten
		}
	}
	return most, lacks, again
}

// lackingKept is how many sectors are remembered: where more are lacking, which of them were written again is not asked.
const lackingKept = 1 << 20

// lacking counts the sectors of a volume that a device has not, up to what says that it is another's: the rest is not
// compared then.
type lacking struct {
	mu        sync.Mutex
	n, enough ondisk.Sector
	rewritten ondisk.Sector // since: not among n
	which     []ondisk.Sector
	many      bool   // too many to remember
	again     []bool // which of them was
}

func (l *lacking) compare(c *checker, b *backing, e *inspect.Extent) {
	l.mu.Lock()
	enough := l.n > l.enough
	l.mu.Unlock()
	if enough {
		return
	}
	var which []ondisk.Sector
	err := eachDiffering(c.dev.R, e.Ptr[0].Offset(), b.R, e.Start(), e.Size(), func(at ondisk.Sector) { which = append(which, at) })
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		l.n += e.Size()
	case l.many || len(l.which)+len(which) > lackingKept:
		l.n, l.which, l.many = l.n+ondisk.Sector(len(which)), nil, true
	default:
		l.n, l.which = l.n+ondisk.Sector(len(which)), append(l.which, which...)
	}
}

// written takes away what was written again.
func (l *lacking) written(from, to ondisk.Sector) {
	i, _ := slices.BinarySearch(l.which, from)
	l.mu.Lock()
	defer l.mu.Unlock()
	for ; i < len(l.which) && l.which[i] < to; i++ {
		if !l.again[i] {
			l.again[i] = true
			l.n--
			l.rewritten++
		}
	}
}

// onDevice says where dirty data are that nothing leads to, and that are no loss.
func onDevice(b *backing, again ondisk.Sector) string {
	if again > 0 {
		return fmt.Sprintf("all of which are on %s, but for %d that were written again since", b.Name, again)
	}
	return "all of which are on " + b.Name
}

// partly says of dirty data that a device has most of that they may have been written back, and be the older where they
// differ: a detach ends when all is written back, and which keys that made clean is not journalled. It counts what differs,
// written again or not: a repair of another volume, which moves dirty data, does not make it another finding.
func partly(v *inspect.Volume, b *backing, lacks ondisk.Sector) string {
	if b == nil || 2*lacks > v.DirtySectors {
		return ""
	}
	return fmt.Sprintf("; all but %d are on %s: they may have been written back before, and what differs may be older than what is there", lacks, b.Name)
}
