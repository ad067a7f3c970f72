// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"slices"
	"sort"
	"sync/atomic"

	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// Extent is a piece that survived all newer keys, cut to what they left.
type Extent struct {
	ondisk.Bkey
	Live        bool // a pointer to this device, and none stale
	Stale       uint8
	FromJournal bool // only there yet
	Partial     bool // newer keys of its leaf could not be read, and may say otherwise
}

// Volume is what the cache holds of one inode.
type Volume struct {
	Inode        uint32
	Slot         *ondisk.UUIDEntry // nil where there is none, or it is empty
	Extents      int64
	LiveSectors  ondisk.Sector
	DirtySectors ondisk.Sector
	Stale        int64 // pieces whose pointer is stale
	StaleDirty   int64
	StaleSectors ondisk.Sector // dirty ones behind stale pointers
	DeadSectors  ondisk.Sector // dirty ones behind pointers that lead nowhere
}

// adoptJournal adopts from every live journal key.
func (c *Cache) adoptJournal() {
	for at := 0; at < len(c.keys.keys); {
		k, n, err := ondisk.DecodeKey(c.keys.keys[at:])
		if err != nil {
			return // cannot be: they were appended whole
		}
		if k.Size() > 0 && k.Size() <= k.Offset() {
			c.adoptKey(&k, false)
		}
		at += n
	}
}

// journalMeets reports whether some live journal key points to b.
func (c *Cache) journalMeets(b ondisk.Bucket) bool {
	keys, _ := ondisk.DecodeKeys(c.keys.keys)
	return slices.ContainsFunc(keys, func(k ondisk.Bkey) bool {
		return slices.ContainsFunc(k.Ptr[:k.Ptrs()], func(p ondisk.Ptr) bool { return c.Geo.BucketOf(p.Offset()) == b })
	})
}

// readJournalKeys collects the live entries' keys, oldest first, and resolves them among themselves.
func (c *Cache) readJournalKeys() {
	for _, e := range c.Journal.Live {
		j, err := c.Journal.Read(e)
		if err != nil {
			c.o.Sink(finding.New(finding.JRKeys, "journal %v", err).With(c.Journal.Subject(e)))
		}
		if j == nil {
			continue
		}
		for i := range j.Keys {
			c.addJournalKey(j.Seq, &j.Keys[i])
		}
	}
	c.keys.pieces = btree.Resolve(c.keys.pieces)
}

func (c *Cache) addJournalKey(seq uint64, k *ondisk.Bkey) {
	c.judgeJournalKey(seq, k)
	c.keys.count++
	at := uint32(len(c.keys.keys))
	c.keys.keys = k.Append(c.keys.keys)
	if k.Size() > 0 && k.Size() <= k.Offset() {
		c.keys.pieces = append(c.keys.pieces, btree.Piece{Start: k.Start(), End: k.Offset(), Inode: k.Inode(), At: at})
	}
}

// judgeJournalKey checks a key as replay would meet it. What it points to is judged with the extents.
func (c *Cache) judgeJournalKey(seq uint64, k *ondisk.Bkey) {
	why := ""
	switch {
	case k.Size() == 0:
		why = "size 0"
	case k.Size() > k.Offset():
		why = "it starts before its volume"
	case int(k.Inode()) >= c.Geo.NrUUIDs():
		why = "no such inode"
	case k.Dirty() && k.Ptrs() == 0:
		why = "dirty without a pointer"
	case c.outside(k):
		why = "outside the device or its bucket"
	}
	for _, p := range k.Ptr[:k.Ptrs()] {
		switch {
		case p.Dev() == ondisk.PtrCheckDev:
			why = "a placeholder"
		case p.Dev() != uint64(c.Geo.ThisDev):
			why = "on an unknown device"
		}
	}
	if why != "" {
		c.o.Sink(finding.About(finding.JournalKey{Seq: seq, Key: *k}, finding.JRKey, "%s", why))
	}
	if !k.PadsZero() {
		c.o.Sink(finding.About(finding.JournalKey{Seq: seq, Key: *k}, finding.JRKeyOdd, "unused bits are set"))
	}
}

// Walk calls visit for every surviving piece of the tree and the journal, from all workers, which the first argument
// numbers. Errors: the context's.
func (c *Cache) Walk(visit func(worker int, e *Extent)) error { return c.WalkOf(nil, visit) }

// WalkOf is Walk of the pieces whose keys are wanted: whether the others are live is not looked up, which is most of the
// work. nil wants all. wanted is called from all workers too.
func (c *Cache) WalkOf(wanted func(k *ondisk.Bkey) bool, visit func(worker int, e *Extent)) error {
	var workers atomic.Int32
	err := c.parallel("extents", len(c.Tree.leaves), func() func(int) {
		w := int(workers.Add(1) - 1)
		rd := c.leafReader()
		var some leaf
		return func(i int) { c.visit(w, some.only(rd.read(i), wanted), false, visit) }
	})
	if err == nil {
		c.visit(0, new(leaf).only(&leaf{keys: c.keys.keys, left: c.keys.pieces}, wanted), true, visit)
	}
	return err
}

// only is what of another leaf is wanted; it is made in l.
func (l *leaf) only(of *leaf, wanted func(k *ondisk.Bkey) bool) *leaf {
	if wanted == nil {
		return of
	}
	l.keys, l.partial, l.left = of.keys, of.partial, l.left[:0]
	var k ondisk.Bkey
	for _, p := range of.left {
		if of.keys.Key(p, &k); wanted(&k) {
			l.left = append(l.left, p)
		}
	}
	return l
}

// newer returns the journal's pieces that may lie over a leaf's.
func (c *Cache) newer(ps []btree.Piece) []btree.Piece {
	js := c.keys.pieces
	if len(js) == 0 || len(ps) == 0 {
		return nil
	}
	first, last := ps[0], ps[len(ps)-1]
	lo := sort.Search(len(js), func(i int) bool {
		return js[i].Inode > first.Inode || js[i].Inode == first.Inode && js[i].End > first.Start
	})
	hi := sort.Search(len(js), func(i int) bool {
		return js[i].Inode > last.Inode || js[i].Inode == last.Inode && js[i].Start >= last.End
	})
	return js[lo:max(lo, hi)]
}

func (c *Cache) visit(w int, l *leaf, fromJournal bool, visit func(int, *Extent)) {
	e := Extent{Partial: l.partial}
	for i, p := range l.left {
		c.Fetch(l.keys, l.left, i)
		if c.extent(&e, l.keys, p, fromJournal) {
			visit(w, &e)
		}
	}
}

// extent makes e of a piece, but for Partial. It is false for an interior node's, which is reported as such.
func (c *Cache) extent(e *Extent, keys btree.Keys, p btree.Piece, fromJournal bool) bool {
	if p.Inode == ondisk.MaxInode && p.End == ondisk.MaxKeyOffset {
		return false
	}
	e.Live, e.Stale, e.FromJournal = false, 0, fromJournal
	keys.Key(p, &e.Bkey)
	c.judgeLive(e)
	return true
}

// judgeLive decides what the kernel would take the extent for, once every gen is known.
func (c *Cache) judgeLive(e *Extent) {
	if e.Size() > e.Offset() || c.outside(&e.Bkey) {
		return
	}
	here := false
	for _, p := range e.Ptr[:e.Ptrs()] {
		if p.Available() {
			here = true
			e.Stale = max(e.Stale, ondisk.GenAfter(c.Buckets.Gen(c.Geo.BucketOf(p.Offset())), p.Gen()))
		} else {
			return
		}
	}
	e.Live = here && e.Stale == 0
}

// mark ends what the first walk's marker began; where that cannot stand, it is taken back, and a second walk marks the
// buckets, counts the volumes and judges every extent.
func (c *Cache) mark(m *marker) error {
	if !m.wasRight() {
		c.Buckets.unmark()
		m = newMarker(c, false)
		err := c.marking(m, "extents", len(c.Tree.leaves), func() func(int) {
			rd := btree.NewReader(c.r, &c.Geo, func(finding.Finding) {}) // the first walk reported
			return func(i int) {
				n := rd.Read(c.Tree.leaves[i].key(), 0)
				runs := m.plain(n)
				m.take()
				defer m.leave()
				m.leaf(n, runs)
			}
		})
		if err != nil {
			return err
		}
	}
	m.pieces(c.keys.keys, c.keys.pieces, true, false)
	c.volumes([]tally{m.tally})
	return m.judge.finish(m)
}

func (c *Cache) lag(e *Extent) {
	if e.Stale == 0 {
		return
	}
	for _, p := range e.Ptr[:e.Ptrs()] {
		if b := c.Geo.BucketOf(p.Offset()); p.Available() {
			c.Buckets.lag(b, ondisk.GenAfter(c.Buckets.Gen(b), p.Gen()))
		}
	}
}

// markLive counts a live extent, of which each pointer claimed so many sectors that were free: see judge.claim.
func (c *Cache) markLive(e *Extent, taken []ondisk.Sector) {
	for i, p := range e.Ptr[:e.Ptrs()] {
		c.Buckets.add(c.Geo.BucketOf(p.Offset()), e.Size(), taken[i], e.Dirty(), e.Inode())
	}
}

// tally counts the volumes.
type tally struct {
	vols map[uint32]*Volume
	last *Volume
}

// volume is the count of an inode.
func (t *tally) volume(inode uint32) *Volume {
	if t.last != nil && t.last.Inode == inode {
		return t.last
	}
	if t.vols == nil {
		t.vols = map[uint32]*Volume{}
	}
	v, ok := t.vols[inode]
	if !ok {
		v = &Volume{Inode: inode}
		t.vols[inode] = v
	}
	t.last = v
	return v
}

func (t *tally) add(e *Extent) {
	v := t.volume(e.Inode())
	switch {
	case e.Live:
		v.Extents++
		v.LiveSectors += e.Size()
		if e.Dirty() {
			v.DirtySectors += e.Size()
		}
	case e.Stale > 0:
		v.Stale++
		if e.Dirty() {
			v.StaleDirty++
			v.StaleSectors += e.Size()
		}
	case e.Dirty():
		v.DeadSectors += e.Size()
	}
}
