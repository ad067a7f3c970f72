// SPDX-License-Identifier: GPL-2.0-only

package journal

import (
	"iter"
	"slices"
	"sort"

	"bctl/internal/bcache/ondisk"
)

// Top is the newest entry that belongs to the run which the kernel finds: newer ones than its newest count that stand
// where it does not look, those of another life do not. ok is false where there is no entry at all.
func (l *Log) Top() (top Entry, ok bool) {
	all := l.BySeq()
	if len(all) == 0 {
		return Entry{}, false
	}
	if len(l.Live) == 0 {
		return all[len(all)-1], true
	}
	top = l.newest()
	for _, e := range all {
		if e.Seq > top.Seq && e.LastSeq <= top.Seq+1 {
			top = e
		}
	}
	return top, true
}

// A Damaged block has the set's magic and is no valid entry. Its numbers are what its header says.
type Damaged struct {
	Entry
	Err error
}

// Damaged are the blocks of the ring that once were entries, or were to be, by bucket and offset.
func (l *Log) Damaged() []Damaged { return l.stops }

// BySeq is every valid entry of the ring, oldest first: of those with one seq the one that the kernel would read.
func (l *Log) BySeq() []Entry {
	all := slices.Clone(l.Entries)
	sort.SliceStable(all, func(i, j int) bool {
		a, b := &all[i], &all[j]
		return a.Seq < b.Seq || a.Seq == b.Seq && !a.Behind && b.Behind
	})
	return slices.CompactFunc(all, func(a, b Entry) bool { return a.Seq == b.Seq })
}

// Run yields the entries that can be read in an unbroken run up to the newest, that first.
func (l *Log) Run() iter.Seq[*ondisk.Jset] {
	return func(yield func(*ondisk.Jset) bool) {
		oldest := uint64(0)
		for _, e := range slices.Backward(l.BySeq()) {
			if e.Seq > l.Newest.Seq {
				continue
			}
			if oldest != 0 && e.Seq+1 != oldest {
				return
			}
			j, err := l.Read(e)
			if j == nil || err != nil || !yield(j) {
				return
			}
			oldest = e.Seq
		}
	}
}

// From is the journal as if top were the newest entry, with header for what it says: every valid entry from its last_seq
// to it is live, wherever it stands. Where last_seq is impossible, the entries are that the one before needs, for what was
// done with then may have been replaced in the tree since; in the run without a gap up to it.
func (l *Log) From(top Entry, header *ondisk.Jset) *Log {
	out := *l
	out.Newest, out.Live = header, nil
	all := l.BySeq()
	oldest := header.LastSeq
	if oldest > top.Seq || top.Seq-oldest >= pinFifo {
		oldest = top.Seq
		need := uint64(0)
		for _, e := range slices.Backward(all) {
			if e.Seq >= need && e.Seq < top.Seq && e.Seq+1 == oldest {
				oldest = e.Seq
				if need == 0 && e.LastSeq <= e.Seq && e.Seq-e.LastSeq < pinFifo {
					need = e.LastSeq
				}
			}
		}
	}
	for _, e := range all {
		if e.Seq >= oldest && e.Seq <= top.Seq {
			out.Live = append(out.Live, e)
		}
	}
	return &out
}
