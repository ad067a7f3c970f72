// SPDX-License-Identifier: GPL-2.0-only

package change

import (
	"slices"

	"bctl/internal/bcache/journal"
)

// place finds where the kernel will look for the new entry. It goes directly behind the newest that the kernel finds,
// over whatever stands there: a torn entry, or leftovers of an older lap. Where it does not fit there it goes to the
// start of the next bucket of the ring. In a ring that is damaged, that may be the wrong place: entries that the kernel
// does not find today may come into its sight behind the new one, or lead its search elsewhere. So the search is played
// through with the entry in its place, and where it would not be the newest, or its predecessors back to last_seq would
// not all be found, the starts of all other buckets without live entries are tried, in the order of the ring.
// Errors: ErrJournalFull.
func (t *Tx) place() (journal.Entry, error) {
	l, g := t.c.Journal, &t.g
	newest := l.Live[len(l.Live)-1]
	e := journal.Entry{Seq: t.entry.Seq, LastSeq: t.entry.LastSeq, Bytes: t.entrySize()}
	at := e
	at.Ring, at.Offset = newest.Ring, newest.Offset+g.Blocks(newest.Bytes)
	if at.Offset+g.Blocks(e.Bytes) <= g.BucketSectors && t.found(at) {
		return at, nil
	}
	for i := 1; i < g.NJournal; i++ {
		at.Ring, at.Offset = (newest.Ring+i)%g.NJournal, 0
		if t.roomAt(at.Ring) && t.found(at) {
			return at, nil
		}
	}
	return e, ErrJournalFull
}

// entrySize is the new entry's, in bytes.
func (t *Tx) entrySize() int64 { return int64(len(t.entry.Append(nil))) }

// roomAt reports whether a journal bucket may be overwritten: no live entry of the old state stands in it, and a bucket
// is free strictly between it and the oldest entry that will be live then, because registration takes the next.
func (t *Tx) roomAt(ring int) bool {
	if slices.ContainsFunc(t.c.Journal.Live, func(e journal.Entry) bool { return e.Ring == ring }) {
		return false
	}
	for _, e := range t.c.Journal.Live {
		if e.Seq >= t.entry.LastSeq { // the oldest that stays live
			return (e.Ring-ring-1+t.g.NJournal)%t.g.NJournal >= 1
		}
	}
	return t.g.NJournal >= 2 // the new entry alone is live
}

// found reports whether the kernel finds the entry as the newest, and all that it needs; and, where its writing was cut
// off, all that it finds today.
func (t *Tx) found(at journal.Entry) bool {
	same := func(a, b journal.Entry) bool { return a.Seq == b.Seq && a.Csum == b.Csum }
	old := t.c.Journal.Live
	live := t.c.Journal.With(at)
	if len(live) == 0 || live[len(live)-1].Seq != at.Seq || !slices.EqualFunc(t.c.Journal.Torn(at), old, same) {
		return false
	}
	first := slices.IndexFunc(old, func(e journal.Entry) bool { return e.Seq >= at.LastSeq })
	if first < 0 {
		first = len(old)
	}
	return slices.EqualFunc(live[:len(live)-1], old[first:], same)
}
