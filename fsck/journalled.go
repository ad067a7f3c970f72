// SPDX-License-Identifier: GPL-2.0-only

package fsck

import (
	"slices"

	"bctl/inspect"
	"bctl/internal/bcache/btree"
	"bctl/internal/bcache/journal"
	"bctl/internal/bcache/ondisk"
	"bctl/internal/bcache/uuids"
	"bctl/internal/finding"
)

// mostJournalled is of how many keys of entries that are not live any more the tree is asked, the newest: each may cost a
// leaf that is read again. lookupBytes is how much of the leaves is kept meanwhile.
const (
	mostJournalled = 16384
	lookupBytes    = 4 << 20
)

// journalled looks for dirty data that the journal tells of, and the tree does not. An entry stops being live once the
// tree holds its keys, so they are there, or what replaced them: whatever a user writes or discards is journalled too, and
// what the kernel does unasked, writing back and moving, leaves a key. Such a key may go only when its bucket is handed
// out; and a bucket that holds dirty data of the same gen was not, nor is one of a flash-only volume's data while they are
// there: they are never written back. Where nothing is found then, the last bset of a leaf is
// gone without a trace: the kernel reads a node up to the first block that is none of its bsets.
func (c *checker) journalled() error {
	if c.o.Leaves != nil { // the others are not asked for
		return nil
	}
	if c.found.Damaged() && slices.ContainsFunc(c.found.Findings(), disordered) {
		return nil // a lookup may miss what is there
	}
	return Missing(c.c, c.found.Add)
}

// Missing adds what the journal of a cache tells of so, and the tree does not have: BTMissing. Of keys that do not stand in
// order it is not to be asked. Errors: the context's, and inspect.ErrChanged.
func Missing(c *inspect.Cache, add finding.Sink) error {
	if known := c.Known(); !known.Journal || !known.Gens || !known.Names {
		return nil // all that is known to be lost is told
	}
	told, keys, written := toldBefore(c.Journal)
	told = slices.DeleteFunc(told, func(p btree.Piece) bool { // likewise
		return len(c.Holes(inspect.Of(p.Inode, p.Start, p.End))) > 0
	})
	find := c.Lookup(lookupBytes)
	for _, p := range told {
		var k ondisk.Bkey
		keys.Key(p, &k)
		if !mustBeThere(c, &k) {
			continue
		}
		there, older := false, false
		err := find.Extents(inspect.Of(p.Inode, p.Start, p.End), func(e *inspect.Extent) bool {
			there = true
			older = !e.FromJournal && e.Ptrs() == 1 && written.before(e, &k, p.At)
			return !older
		})
		switch {
		case err != nil:
			return err
		case older:
			add(finding.About(finding.Extent{Key: k}, finding.BTMissing, "the journal has it, and the tree what was there before"))
		case !there:
			add(finding.About(finding.Extent{Key: k}, finding.BTMissing, "the journal has it, and the tree nothing there"))
		}
	}
	return nil
}

// disordered is a leaf whose keys are not in order, or overlap.
func disordered(f finding.Finding) bool {
	return f.Code == finding.BTOrder || f.Code == finding.BTOverlap
}

// mustBeThere reports whether what a key of an older entry says cannot have gone with its bucket.
func mustBeThere(c *inspect.Cache, k *ondisk.Bkey) bool {
	if !k.Dirty() || k.Ptrs() != 1 || k.Ptr[0].Dev() != uint64(c.Geo.ThisDev) || c.UUIDs.State(k.Inode()) != uuids.Valid {
		return false
	}
	b, u := c.Geo.BucketOf(k.Ptr[0].Offset()), &c.UUIDs[k.Inode()]
	if !c.Geo.Contains(b) || c.Buckets.Gen(b) != k.Ptr[0].Gen() || u.FlashOnly() && uint64(k.Offset()) > u.Sectors {
		return false // what lies behind a volume's end may have been dropped
	}
	mark := c.Buckets.Mark(b)
	return mark == inspect.Dirty || mark != inspect.Metadata && u.FlashOnly()
}

// A writings is what the entries of a run say was written, by where it is.
type writings map[inspect.Source][]btree.Piece

// before reports whether an extent of the tree is what an entry before the one with k says: k must have replaced it there.
func (w writings) before(e *inspect.Extent, k *ondisk.Bkey, at uint32) bool {
	from := inspect.SourceOf(&e.Bkey)
	if from == inspect.SourceOf(k) {
		return false
	}
	start, end := max(e.Start(), k.Start()), min(e.Offset(), k.Offset())
	older := false
	for _, p := range w[from] {
		if p.Start <= start && p.End >= end {
			if p.At >= at {
				return false // it was written again
			}
			older = true
		}
	}
	return older
}

// toldBefore is what entries that are not live any more have the last word of, in an unbroken run up to the newest, and
// all that the run says was written.
func toldBefore(log *journal.Log) (told []btree.Piece, keys btree.Keys, written writings) {
	written = writings{}
	var run []*ondisk.Jset // newest first
	older := 0
	for j := range log.Run() {
		if run = append(run, j); j.Seq < log.Newest.LastSeq {
			older += len(j.Keys)
		}
		if older >= mostJournalled {
			break
		}
	}
	live := uint32(0) // where the live entries' keys begin
	for _, j := range slices.Backward(run) {
		if live == 0 && j.Seq >= log.Newest.LastSeq {
			live = uint32(len(keys))
		}
		for i := range j.Keys {
			if k := &j.Keys[i]; k.Size() > 0 && k.Size() <= k.Offset() {
				p := btree.Piece{Start: k.Start(), End: k.Offset(), Inode: k.Inode(), At: uint32(len(keys))}
				told = append(told, p)
				keys = k.Append(keys)
				if k.Ptrs() == 1 {
					written[inspect.SourceOf(k)] = append(written[inspect.SourceOf(k)], p)
				}
			}
		}
	}
	told = slices.DeleteFunc(btree.Resolve(told), func(p btree.Piece) bool { return p.At >= live })
	return told, keys, written
}
