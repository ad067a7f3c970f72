// SPDX-License-Identifier: GPL-2.0-only

// Package prio follows the chain of prio sets: the gen and the prio of every bucket, as they were last written.
//
//	newest jset -> prio_bucket[this device] -> set 0 -> set 1 -> ... -> set n-1 -> head of the chain before
//	set i        | csum magic seq version pad next_bucket | prio gen | prio gen | ... | rest
//	             entry k is of bucket i*prios_per_bucket+k; behind the last bucket stand leftovers
//
// bch_prio_write writes a whole new chain, last set first, into buckets of the prio reserve, then a journal entry
// that points to set 0, and only then frees the old chain; all sets of a chain have one seq. A gen must be on disk
// here before its bucket is used again. A torn rewrite leaves sets that nothing points to.
package prio

import (
	"errors"
	"fmt"
	"io"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/disk/full"
	"bctl/internal/finding"
	"bctl/superblock"
)

// Link is one set of a chain.
type Link struct {
	Bucket ondisk.Bucket
	Seq    uint64
	Next   ondisk.Bucket
	First  ondisk.Bucket // of the buckets it covers
	Count  int
	Err    error // why its gens are unknown: wraps an ondisk error or is the reader's
}

// Chain is the sets in order, at most prio_buckets of them: fewer where it breaks off.
type Chain struct {
	Links []Link
	// Intact says that every bucket's gen is known.
	Intact bool
}

// Read reads the set in bucket b. Errors wrap those of ondisk.DecodePrioSet, or are r's.
func Read(r io.ReaderAt, g *superblock.Geometry, b ondisk.Bucket) (*ondisk.PrioSet, error) {
	return new(reader).read(r, g, b)
}

// reader reads one set after the other into the same memory: what it returned is valid until the next.
type reader struct {
	buf []byte
	set ondisk.PrioSet
}

func (rd *reader) read(r io.ReaderAt, g *superblock.Geometry, b ondisk.Bucket) (*ondisk.PrioSet, error) {
	if rd.buf == nil {
		rd.buf = make([]byte, g.MetaSectors.Bytes())
	}
	if err := full.ReadAt(r, rd.buf, g.Start(b).Bytes()); err != nil {
		return nil, err
	}
	err := rd.set.Decode(rd.buf, g.SetMagic)
	switch {
	case err == nil:
		return &rd.set, nil
	case errors.Is(err, ondisk.ErrChecksum) && ondisk.PrioSetHasMagic(rd.buf, g.SetMagic):
		rd.set.Salvage(rd.buf)
		return &rd.set, err
	}
	return nil, err
}

// Follow reads the chain from head on and hands each good set to take, in order; its entries are valid until the next. A
// set with a bad checksum but the right magic is not handed out, though its next_bucket is followed. What is wrong goes to
// sink.
func Follow(r io.ReaderAt, g *superblock.Geometry, head ondisk.Bucket, take func(Link, []ondisk.PrioEntry), sink finding.Sink) Chain {
	f := follower{r: r, g: g, sink: sink, seen: map[ondisk.Bucket]bool{}}
	c := Chain{Intact: true}
	next := head
	for i := range g.PrioBuckets() {
		link, set := f.link(i, next)
		c.Intact = c.Intact && link.Err == nil
		if set == nil && link.Err != nil {
			if !errors.Is(link.Err, errOutside) {
				c.Links = append(c.Links, link)
			}
			return c
		}
		c.Links = append(c.Links, link)
		if link.Err == nil {
			take(link, set.Data[:link.Count])
		}
		next = link.Next
	}
	f.rewind(&c)
	return c
}

var errOutside = errors.New("outside the device or in the journal")

type follower struct {
	r    io.ReaderAt
	g    *superblock.Geometry
	sink finding.Sink
	seen map[ondisk.Bucket]bool
	seq  *uint64 // of the first good set
	rd   reader
}

// link reads set i. Without a set the chain ends there.
func (f *follower) link(i int, b ondisk.Bucket) (Link, *ondisk.PrioSet) {
	l := Link{Bucket: b}
	l.First, l.Count = f.g.PrioSpan(i)
	emit := func(c finding.Code, format string, args ...any) {
		f.sink(finding.About(finding.PrioLink{Set: i, Bucket: b}, c, format, args...))
	}
	switch {
	case !f.g.Contains(b) || f.g.IsJournal(b):
		emit(finding.PRRange, "%v", errOutside)
		l.Err = errOutside
		return l, nil
	case f.seen[b]:
		emit(finding.PRLoop, "the chain was there before")
		l.Err = fmt.Errorf("%w: loop", ondisk.ErrBounds)
		return l, nil
	}
	f.seen[b] = true
	set, err := f.rd.read(f.r, f.g, b)
	switch {
	case errors.Is(err, ondisk.ErrMagic), errors.Is(err, ondisk.ErrByteOrder):
		emit(finding.PRMagic, "%v; the gens of buckets %d-%d are unknown", err, l.First, l.last())
	case errors.Is(err, ondisk.ErrChecksum):
		emit(finding.PRChecksum, "%v; the gens of buckets %d-%d are unknown", err, l.First, l.last())
	case err != nil:
		emit(finding.PRUnread, "%v", err)
	}
	l.Err = err
	if set == nil {
		return l, nil
	}
	l.Seq, l.Next = set.Seq, ondisk.Bucket(set.NextBucket)
	if err == nil {
		f.judge(set, emit)
	}
	return l, set
}

func (l *Link) last() ondisk.Bucket { return l.First + ondisk.Bucket(l.Count) - 1 }

func (f *follower) judge(set *ondisk.PrioSet, emit func(finding.Code, string, ...any)) {
	if f.seq == nil {
		seq := set.Seq
		f.seq = &seq
	}
	if set.Seq != *f.seq {
		emit(finding.PRSeq, "seq %d, the first set has %d", set.Seq, *f.seq)
	}
	if set.Version != 0 || set.Pad != 0 {
		emit(finding.PROdd, "version %d, pad %d", set.Version, set.Pad)
	}
}

// rewind notes where a damaged chain has an intact one behind it.
func (f *follower) rewind(c *Chain) {
	old := c.Links[len(c.Links)-1].Next
	if c.Intact || !f.g.Contains(old) || f.seen[old] {
		return
	}
	if _, err := Read(f.r, f.g, old); err == nil {
		f.sink(finding.About(finding.PrioLink{Set: -1, Bucket: old}, finding.PRRewind, "intact"))
	}
}
