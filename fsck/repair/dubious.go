// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"slices"
	"sync"

	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/journal"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/workers"
)

// Dirty data in a bucket whose gen is lost may be old: written back once, and their bucket handed out since, which the
// lost gen alone told. A bucket is not handed out while it is dirty, so this is rare; but to count them dirty again would
// have the kernel write old data over new ones. They are kept, and told of.

// An Unconfirmed is how much dirty data of a volume count though nothing but their own pointers tells their gens.
type Unconfirmed struct {
	Device  string        `json:"volume"` // its uuid; "" where no slot names one
	Label   string        `json:"label"`
	Inode   uint32        `json:"inode"`
	Sectors ondisk.Sector `json:"dirty_sectors"`
}

func (u Unconfirmed) String() string {
	return fmt.Sprintf("volume %d, %s: %d dirty sectors", u.Inode, named(u.Device, u.Label), u.Sectors)
}

// A Run is buckets one behind the other.
type Run struct {
	First ondisk.Bucket `json:"first"`
	Last  ondisk.Bucket `json:"last"`
}

// A dubious gathers such data: a bit for each bucket, and a sum for each volume.
type dubious struct {
	buckets
	sums map[uint32]ondisk.Sector
}

func newDubious(n ondisk.Bucket) *dubious {
	return &dubious{newBuckets(n), map[uint32]ondisk.Sector{}}
}

func (d *dubious) any() bool {
	return slices.ContainsFunc(d.buckets, func(w uint64) bool { return w != 0 })
}

// add counts an extent in its bucket.
func (d *dubious) add(b ondisk.Bucket, k *ondisk.Bkey) {
	d.set(b)
	d.sums[k.Inode()] += k.Size()
}

// and is both together, or d alone where the other does not count. Either may be nil.
func (d *dubious) and(o *dubious, counts bool) *dubious {
	switch {
	case o == nil || !counts:
		return d
	case d == nil:
		return o
	}
	for i, word := range d.buckets {
		o.buckets[i] |= word
	}
	for inode, n := range d.sums {
		o.sums[inode] += n
	}
	return o
}

// runs are the buckets in order.
func (d *dubious) runs() (out []Run) {
	for i, word := range d.buckets {
		for at := 0; word != 0; {
			skip := bits.TrailingZeros64(word)
			n := bits.TrailingZeros64(^(word >> skip))
			first := ondisk.Bucket(i*64 + at + skip)
			if last := len(out) - 1; last >= 0 && out[last].Last+1 == first {
				out[last].Last += ondisk.Bucket(n)
			} else {
				out = append(out, Run{first, first + ondisk.Bucket(n) - 1})
			}
			at, word = at+skip+n, word>>skip>>n
		}
	}
	return out
}

// volumes are the sums by inode.
func (d *dubious) volumes() (out []Unconfirmed) {
	for _, inode := range slices.Sorted(maps.Keys(d.sums)) {
		out = append(out, Unconfirmed{Inode: inode, Sectors: d.sums[inode]})
	}
	return out
}

// findDubious gathers what a harvest keeps in doubt: where the gens are not those of the newest chain. What the backing
// device holds too may count or not, it is the same.
func (w *Work) findDubious(h *harvest, b *base) error {
	c := h.c
	d := newDubious(c.Geo.NBuckets)
	w.dubious = d
	if !b.older && gensKnown(c) {
		return nil
	}
	sure := map[ondisk.Bucket]bool{}
	if j, _ := b.log.Read(b.last); j != nil && w.o.Rewind == 0 {
		sure = confirmed(c, b.log, j)
	}
	q := &doubter{h: h, d: d, firm: newBuckets(c.Geo.NBuckets), below: below(c, w.backing)}
	for at := range c.Geo.NBuckets {
		if sure[at] || !b.older && c.Buckets.GenKnown(at) {
			q.firm.set(at)
		}
	}
	return q.all()
}

// A doubter goes through what a harvest keeps.
type doubter struct {
	h     *harvest
	d     *dubious
	firm  buckets // whose gens are known for sure
	below func(inode uint32) io.ReaderAt

	sums [inspect.Numbers]ondisk.Sector // of the first volumes
}

// all takes leaves that nothing leads to, and of which nothing but their own keys tells, as they stand; what lies between
// them is laid over one another.
func (q *doubter) all() error {
	h := q.h
	if q.below != nil || h.w.heavy || !h.c.Tree.InOrder() || h.stump != nil {
		return h.each(inspect.Everything, q.add)
	}
	var spans []inspect.Range
	for _, l := range h.leaves() {
		spans = append(spans, l.span())
	}
	leaves := h.alone(spans, h.overlays())
	at := ondisk.Pos{}
	for _, o := range leaves {
		if at.Compare(o.lo) < 0 {
			if err := h.each(inspect.Range{From: at, To: o.lo}, q.add); err != nil {
				return err
			}
		}
		at = o.hi
	}
	if err := h.each(inspect.Range{From: at, To: inspect.Everything.To}, q.add); err != nil {
		return err
	}
	return q.leaves(leaves)
}

// add takes any key that is kept.
func (q *doubter) add(k *ondisk.Bkey) error {
	at := q.h.c.Geo.BucketOf(k.Ptr[0].Offset())
	if k.Dirty() && !q.firm.has(at) && !sameBelow(q.h.c, k, q.below) {
		q.d.add(at, k)
	}
	return nil
}

// leaves takes what is kept of leaves.
func (q *doubter) leaves(os []*orphan) error {
	h := q.h
	sift := h.sift(q.rows, func(k *ondisk.Bkey) {
		if h.legal(k) && !h.stale(k) {
			_ = q.add(k)
		}
	})
	sift.number = -1
	err := workers.InOrder(len(os), fewLeaves, func() (func(int), func() error) {
		c, rd := new(content), btree.NewReader(h.w.dev.R, &h.c.Geo, quiet)
		return func(i int) { c.read(rd.Read(os[i].key(&h.c.Geo), 0)) }, func() error {
			sift.leaf(c, true)
			return h.w.ctx.Err()
		}
	})
	sift.empty()
	for inode, n := range q.sums {
		if n > 0 {
			q.d.sums[uint32(inode)] += n
		}
	}
	return err
}

func (q *doubter) rows(first ondisk.Bucket, rows []uint64) {
	h := q.h
	h.fetch(first)
	for _, w := range rows {
		r := inspect.Row(w)
		if !r.Dirty() {
			continue
		}
		b, gen := first+r.In(), r.Gen()
		if !q.firm.has(b) && h.near(b, gen) && ondisk.GenAfter(h.tx.Gen(b), gen) == 0 {
			q.d.set(b)
			q.sums[r.Number()] += r.Sectors()
		}
	}
}

// confirmed are the buckets that a key in a journal entry points to with their highest gen, where the entry is newer than
// the first that led to the chain as newest has it: what was written since has the gens of that chain or later ones.
func confirmed(c *inspect.Cache, log *journal.Log, newest *ondisk.Jset) map[ondisk.Bucket]bool {
	head := newest.PrioBucket[c.Geo.ThisDev]
	first := newest.Seq
	for _, e := range slices.Backward(log.BySeq()) {
		if e.Seq >= first {
			continue
		}
		j, _ := log.Read(e) // its header is enough
		if j == nil || e.Seq != first-1 || j.PrioBucket[c.Geo.ThisDev] != head {
			break
		}
		first = e.Seq
	}
	sure := map[ondisk.Bucket]bool{}
	for j := range c.Entries() { //nolint:errcheck // what could be read of an entry is enough
		if j == nil || j.Seq <= first {
			continue
		}
		for i := range j.Keys {
			for _, p := range j.Keys[i].Ptr[:j.Keys[i].Ptrs()] {
				if b := c.Geo.BucketOf(p.Offset()); p.Available() && b < c.Geo.NBuckets && p.Gen() == c.Buckets.Gen(b) {
					sure[b] = true
				}
			}
		}
	}
	return sure
}

// count adds all live dirty data in the buckets that are marked. Where that is every bucket with such data, the sums of
// the check are those.
func (d *dubious) count(c *inspect.Cache) error {
	if !d.any() {
		return nil
	}
	if d.all(c) {
		for _, v := range c.Volumes {
			if v.DirtySectors > 0 {
				d.sums[v.Inode] = v.DirtySectors
			}
		}
		return nil
	}
	var mu sync.Mutex
	return c.Walk(func(_ int, e *inspect.Extent) {
		if !e.Live || !e.Dirty() || !d.has(c.Geo.BucketOf(e.Ptr[0].Offset())) {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		d.sums[e.Inode()] += e.Size()
	})
}

// all reports whether all buckets with live dirty data are marked. Where a bucket is metadata's too, nobody knows.
func (d *dubious) all(c *inspect.Cache) bool {
	for b := range c.Geo.NBuckets {
		switch c.Buckets.Mark(b) {
		case inspect.Dirty:
			if !d.has(b) {
				return false
			}
		case inspect.Metadata:
			if c.Buckets.Sectors(b) > 0 {
				return false
			}
		}
	}
	return true
}

// named is a volume's uuid and label, as people read them.
func named(uuid, label string) string {
	name := cmp.Or(uuid, "no name")
	if label != "" {
		name += fmt.Sprintf(" %q", label)
	}
	return name
}
