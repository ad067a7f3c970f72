// SPDX-License-Identifier: GPL-2.0-only

// Package inspect reads a whole cache device into the state that the kernel would have after registering it, before
// its allocator starts, and offers rows to look at. It never writes.
//
//	superblock -> journal -> newest entry -> prio chain   gens and prios of all buckets
//	                                      -> uuid bucket  the volumes
//	                                      -> btree root   every node, then every extent
//	              live entries            -> keys replayed over the tree, oldest first
//
// The tree is walked from the root down, level by level: a pointer ahead of its bucket's gen raises it
// (bch_initial_mark_key), and leaves are judged by the gens that there are, stale pointers told from live ones, and the
// buckets marked as the next garbage collection would. Where a leaf raised a gen, so that another may have been judged
// by a wrong one, they are walked again. Leaves are read by
// several workers; everything kept is a table of 24 bytes a bucket, the interior nodes' keys and the live journal.
package inspect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"

	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/journal"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/finding"
	"bctl/internal/ui/progress"
	"bctl/prio"
	"bctl/superblock"
)

// ErrTooLarge says that a superblock claims more buckets than can be on the device.
var ErrTooLarge = errors.New("more buckets than the device can have")

// Options say how to read a cache.
type Options struct {
	Size     int64                         // of the device, in bytes
	Workers  int                           // 0: as many as there are processors
	Sink     finding.Sink                  // what is wrong goes here
	Progress progress.Starter              // nil: silent
	Ends     map[ondisk.UUID]ondisk.Sector // where the volumes of known backing devices end; may be nil
	Small    bool                          // keep of each bucket no more than its gens and its mark: a third of the memory
	Log      *journal.Log                  // to read by; nil: what the kernel would find
	window   uint64                        // of a small judge, in words; 0: as it comes
	Leaves   func(b ondisk.Bucket) bool    // says which leaves are read, and counted; nil: all
}

// alwaysTaken is a count of buckets that is never too large: of a device that was cut short the superblock still tells
// the old count, and the tables are small.
const alwaysTaken = 8 << 20

// Cache is what could be read of a cache device. The parts that could not are nil or empty; the sink was told why.
type Cache struct {
	Super   *ondisk.Super
	Geo     superblock.Geometry
	Journal *journal.Log // nil on a cache that was never registered
	Chain   prio.Chain
	UUIDs   uuids.Table // nil where they could not be read
	Tree    Tree
	Buckets *Buckets
	Volumes []*Volume // by inode

	r    io.ReaderAt
	ctx  context.Context
	o    Options
	keys overlay

	journalLost, syncLost atomic.Bool // see known.go
	namesLost             bool        // the same: a slot that was in use cannot be read

	old *oldNodes // nil: not looked for
}

// Open reads the cache whose superblock is s. Errors: the context's, ErrTooLarge, and those of
// superblock.NewGeometry; all other trouble is findings.
func Open(ctx context.Context, r io.ReaderAt, s *ondisk.Super, o Options) (*Cache, error) {
	g, err := superblock.NewGeometry(s)
	if err != nil {
		return nil, err
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Progress == nil {
		o.Progress = progress.Silent
	}
	if has := max(o.Size, 0) / g.BucketSectors.Bytes(); g.NBuckets > max(alwaysTaken, ondisk.Bucket(has)) {
		return nil, fmt.Errorf("%w: %d, in %d bytes", ErrTooLarge, g.NBuckets, o.Size)
	}
	c := &Cache{Super: s, Geo: g, r: r, ctx: ctx, o: o}
	if o.Small {
		c.Buckets = newSmall(&g)
	} else {
		c.Buckets = newBuckets(&g)
	}
	c.o.Sink = c.watch(o.Sink)
	c.markFixed()
	if !c.registered() {
		c.Volumes = []*Volume{}
		return c, nil
	}
	return c, c.read()
}

// syncCode is what a clear SYNC bit over a journal means: the kernel sets it with the first superblock that it writes.
func syncCode(s *ondisk.Super) finding.Code {
	if s.Seq > 0 {
		return finding.SBSyncGone
	}
	return finding.SBSyncLost
}

// Reader is the device.
func (c *Cache) Reader() io.ReaderAt { return c.r }

const syncLost = "SYNC is clear, but the journal goes up to entry %d: the next registration drops the whole cache"

// registered reports whether there is metadata to read. A cache that make-bcache wrote has none; one whose SYNC bit
// was lost has a journal that proves it.
func (c *Cache) registered() bool {
	if c.Super.Sync() || c.o.Log != nil {
		return true
	}
	g := c.Geo
	if g.NJournal == 0 {
		g.NJournal = superblock.JournalCount(c.Super.Nbuckets)
	}
	log, err := journal.Scan(c.r, &g, c.o.Workers, func(finding.Finding) {})
	if err != nil {
		return false
	}
	c.o.Sink(finding.About(finding.Super{}, syncCode(c.Super), syncLost, log.Newest.Seq))
	if c.Geo.NJournal == 0 { // there is a tree, but nothing leads to it
		c.Tree.hole(Everything.From, Everything.To)
	}
	return c.Geo.NJournal > 0
}

func (c *Cache) read() error {
	log, err := c.o.Log, error(nil)
	if log == nil {
		log, err = journal.Scan(c.r, &c.Geo, c.o.Workers, c.o.Sink)
		c.ringCut(log)
	}
	c.Journal = log
	if err != nil {
		c.Buckets.unknownGens(0, c.Geo.NBuckets)
		c.Tree.hole(Everything.From, Everything.To)
		return c.ctx.Err()
	}
	c.readPrios()
	c.readUUIDs()
	c.readJournalKeys()
	m := newMarker(c, true)
	if err := c.adopt(m); err != nil {
		return err
	}
	c.raiseChain()
	return c.mark(m)
}

// ringCut tells a ring that was longer, or began earlier, from one that was always as it is.
func (c *Cache) ringCut(log *journal.Log) {
	const said = "%d journal buckets from bucket %d on, but %s them are entries %d to %d, and the newest in them is %d"
	g := &c.Geo
	if lowest := superblock.FirstBucket(g.BucketSectors); g.FirstBucket > lowest {
		if from, to, n, at := log.Before(lowest); n > 0 {
			c.o.Sink(finding.About(at, finding.SBJournalCut, said, g.NJournal, g.FirstBucket, "before", from, to, log.Newest.Seq))
			return
		}
	}
	if was := superblock.JournalCount(c.Super.Nbuckets); g.NJournal < was {
		if from, to, n, at := log.Beyond(was); n > 0 {
			c.o.Sink(finding.About(at, finding.SBJournalCut, said, g.NJournal, g.FirstBucket, "behind", from, to, log.Newest.Seq))
		}
	}
}

// markFixed marks the buckets of the superblock and of the journal.
func (c *Cache) markFixed() {
	for b := range min(c.Geo.FirstBucket, c.Geo.NBuckets) {
		c.Buckets.set(b, flagSuper)
	}
	for i := range c.Geo.NJournal {
		if b := c.Geo.FirstBucket + ondisk.Bucket(i); b < c.Geo.NBuckets {
			c.Buckets.set(b, flagJournal)
		}
	}
}

func (c *Cache) readPrios() {
	head := ondisk.Bucket(c.Journal.Newest.PrioBucket[c.Geo.ThisDev])
	next := ondisk.Bucket(0)
	c.Chain = prio.Follow(c.r, &c.Geo, head, func(l prio.Link, data []ondisk.PrioEntry) {
		c.Buckets.unknownGens(next, l.First)
		for i, e := range data {
			c.Buckets.load(l.First+ondisk.Bucket(i), e)
		}
		next = l.First + ondisk.Bucket(l.Count)
	}, c.o.Sink)
	c.Buckets.unknownGens(next, c.Geo.NBuckets)
	for i, l := range c.Chain.Links { // the unreadable ones too: whatever else stands there is in the wrong place
		if c.surelyPrio(i) {
			c.Buckets.set(l.Bucket, flagPrio)
		}
	}
}

// surelyPrio reports whether link i of the chain is a prio set's bucket, readable or not. What has not even the magic
// of one, and was reached through a damaged set, may be anything.
func (c *Cache) surelyPrio(i int) bool {
	l := c.Chain.Links[i]
	return l.Err == nil || l.Seq > 0 || i == 0 || c.Chain.Links[i-1].Err == nil
}

// raiseChain gives the chain's own buckets, where their gens are unknown, one past the highest pointer to them: what
// points there is of the time when they held data.
func (c *Cache) raiseChain() {
	for i, l := range c.Chain.Links {
		if c.surelyPrio(i) && c.Buckets.GenSeen(l.Bucket) {
			c.Buckets.adopt(l.Bucket, c.Buckets.Gen(l.Bucket)+1, false)
		}
	}
}

func (c *Cache) readUUIDs() {
	k := &c.Journal.Newest.UUIDBucket.Bkey
	if journal.UUIDFault(&c.Geo, k) != "" {
		return // reported with the journal entry
	}
	p := k.Ptr[0]
	b := c.Geo.BucketOf(p.Offset())
	if c.Buckets.has(b, flagPrio) {
		c.o.Sink(finding.New(finding.UUPointer, "uuid bucket %d is in the prio chain", b).With(uuidBucket(b)))
	}
	c.Buckets.set(b, flagUUID)
	if !c.Buckets.GenKnown(b) {
		c.Buckets.adopt(b, p.Gen(), false)
	}
	if stale := ondisk.GenAfter(c.Buckets.Gen(b), p.Gen()); stale > 0 && c.Buckets.GenKnown(b) {
		c.o.Sink(finding.About(uuidBucket(b), finding.GNMetadata, "gen %d, the journal's pointer has %d", c.Buckets.Gen(b), p.Gen()))
	}
	var err error
	if c.UUIDs, err = uuids.Read(c.r, &c.Geo, p.Offset(), c.Journal.Newest.Version); err != nil {
		c.o.Sink(finding.About(uuidBucket(b), finding.UUUnread, "%v", err))
	}
	if n := c.UUIDs.Garbage(); n > 0 {
		c.o.Sink(finding.About(uuidBucket(b), finding.UUGarbage, "%d of %d slots hold garbage: which volumes they were is unknown", n, len(c.UUIDs)))
	}
}

func uuidBucket(b ondisk.Bucket) finding.Subject {
	return finding.Bucket{Bucket: b, Name: "uuid bucket"}
}

// overlay is the keys of the live journal entries, resolved among themselves.
type overlay struct {
	keys   btree.Keys
	pieces []btree.Piece
	count  int
}
