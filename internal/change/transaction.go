// SPDX-License-Identifier: GPL-2.0-only

// Package change changes a cache's metadata so that a cut at any moment leaves it as before or as after.
//
//	step 0   data that move to another bucket, if any                                flush
//	step 1   new prio sets, uuid bucket, nodes   in buckets that nothing live uses   flush
//	step 2   ONE journal entry that points to them, where the kernel finds it        flush
//	step 3   the superblock, only where it changed                                   flush
//
// Until step 2 is durable nothing that the old state needs is touched: its chain, its nodes and its entry stand
// where they stood, and the kernel finds them as the newest. From then on the new entry is the newest. It copies what
// is not changed, last_seq too, so that live entries stay live and are replayed as before.
//
// The new entry must be where the kernel looks: directly behind the newest in its bucket or, where it does not fit,
// at the start of the next bucket of the ring. A torn write of it leaves a bad checksum there, which the kernel takes
// for the end. Where the ring is damaged, whatever place is tried, the kernel's search is played through with it.
//
// Run is how any plan gets onto a device.
package change

import (
	"errors"
	"fmt"

	"bctl/inspect"
	"bctl/internal/bcache/journal"
	"bctl/internal/bcache/newset"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/plan"
	"bctl/superblock"
)

// What can keep a change from being made.
var (
	ErrNoJournal   = errors.New("no journal entry to build on")
	ErrJournalFull = errors.New("journal full: let the kernel register the device once and stop it, which flushes the journal")
	ErrNoSpace     = newset.ErrNoSpace
	ErrEncode      = ondisk.ErrEncode
)

// Tx is a change in the making. Nothing is written: Commit gives the plan.
type Tx struct {
	c     *inspect.Cache
	g     superblock.Geometry
	entry ondisk.Jset // the new one
	at    journal.Entry
	gens  []uint8 // of every bucket, as the new chain will have them
	prios []uint16
	taken bits
	given bits // clean data given up: free afterwards
	usage *usage
	data  []plan.Write // the user's, written first
	puts  []plan.Write
	spool *Spool        // nil: what is put stays in memory
	super *ondisk.Super // nil: it stays

	mending        // see mending.go
	next    cursor // of Allocate
}

// Begin starts from the newest journal entry, as the kernel finds it. Errors: ErrNoJournal, ErrJournalFull.
func Begin(c *inspect.Cache) (*Tx, error) {
	if c.Journal == nil || c.Journal.Newest == nil {
		return nil, ErrNoJournal
	}
	n := c.Journal.Newest
	t := &Tx{
		c: c, g: c.Geo, gens: make([]uint8, c.Geo.NBuckets), prios: make([]uint16, c.Geo.NBuckets),
	}
	for b := range c.Geo.NBuckets {
		t.gens[b], t.prios[b] = c.Buckets.Gen(b), c.Buckets.Prio(b)
	}
	t.entry = ondisk.Jset{
		Seq: n.Seq + 1, Version: n.Version, LastSeq: n.LastSeq, UUIDBucket: n.UUIDBucket, BtreeRoot: n.BtreeRoot,
		Level: n.Level, Pad: n.Pad, PrioBucket: n.PrioBucket,
	}
	return t, nil
}

// Cache is what is changed.
func (t *Tx) Cache() *inspect.Cache { return t.c }

// Gen is what the new prio chain will say of b.
func (t *Tx) Gen(b ondisk.Bucket) uint8 { return t.gens[b] }

// Prio is what the new prio chain will say of b.
func (t *Tx) Prio(b ondisk.Bucket) uint16 { return t.prios[b] }

// SetGen sets a gen. What may be lost by it is the caller's to judge.
func (t *Tx) SetGen(b ondisk.Bucket, gen uint8) { t.gens[b] = gen }

// SetPrio sets a prio.
func (t *Tx) SetPrio(b ondisk.Bucket, prio uint16) { t.prios[b] = prio }

// put plans a metadata bucket, whose data are the caller's again afterwards. Errors: the spool's.
func (t *Tx) put(b ondisk.Bucket, data []byte, what string) error {
	w, err := t.spool.Put(plan.Write{Off: t.g.Start(b).Bytes(), Data: data, What: fmt.Sprintf("%s, bucket %d", what, b)})
	t.puts = append(t.puts, w)
	return err
}

// Spool has what is put from now on kept in s, as far as it is too large for memory.
func (t *Tx) Spool(s *Spool) { t.spool = s }

// Commit gives the plan: all buckets, then the journal entry, then the superblock where it changes.
// Errors: ErrNoSpace, ErrJournalFull, ErrEncode.
func (t *Tx) Commit() (*plan.Plan, error) {
	if err := t.reserve(); err != nil {
		return nil, err
	}
	b, err := sealJset(&t.g, &t.entry)
	if err != nil {
		return nil, err
	}
	if t.at, err = t.goesTo(); err != nil {
		return nil, err
	}
	p := new(plan.Plan)
	if len(t.data) > 0 {
		p.Then(t.data...)
	}
	p.Then(t.puts...)
	off := t.c.Journal.Sector(t.at).Bytes()
	p.Then(plan.Write{Off: off, Data: b, What: fmt.Sprintf("journal entry %d", t.entry.Seq)})
	p.Then(t.erasures(off, off+int64(len(b)))...)
	if t.super != nil {
		p.Then(plan.Write{Off: ondisk.SuperOffset, Data: t.super.Append(nil), What: "superblock"})
	}
	p.Watched = t.watched(off + int64(len(b)))
	return p, nil
}

// watched is where the kernel writes first when it gets the device: the superblock, and the next places of the ring.
func (t *Tx) watched(behind int64) []plan.Region {
	block := t.g.BlockSectors.Bytes()
	next := t.c.Journal.Sector(journal.Entry{Ring: (t.at.Ring + 1) % t.g.NJournal}).Bytes()
	w := []plan.Region{{Off: ondisk.SuperOffset, Bytes: ondisk.SuperSize}, {Off: next, Bytes: block}}
	if end := t.c.Journal.Sector(journal.Entry{Ring: t.at.Ring}).Bytes() + t.g.BucketSectors.Bytes(); behind+block <= end {
		w = append(w, plan.Region{Off: behind, Bytes: block})
	}
	return w
}

// RetireEmpty lets last_seq move on over the oldest live entries as far as they have no keys: nothing is replayed from
// them, and the kernel too is done with them at once. Without it a run of transactions fills the journal.
func (t *Tx) RetireEmpty() {
	t.entry.LastSeq = t.entry.Seq
	for _, e := range t.c.Journal.Live {
		if e.Bytes > ondisk.JsetBytes {
			t.entry.LastSeq = e.Seq
			return
		}
	}
}

// Seq is the new entry's number.
func (t *Tx) Seq() uint64 { return t.entry.Seq }
