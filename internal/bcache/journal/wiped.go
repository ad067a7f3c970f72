// SPDX-License-Identifier: GPL-2.0-only

package journal

import "slices"

// Wiped is the ring's bucket behind that of the newest entry, where it holds nothing, though an entry was there in the lap
// before: the first entry behind it needs one that nothing else has. So newer entries may have been there. A cache that
// discards journal buckets empties them itself.
func (l *Log) Wiped() (ring int, was uint64, ok bool) {
	if l.Discard() || len(l.Live) == 0 {
		return 0, 0, false
	}
	n := l.newest()
	held := map[int]bool{}
	for _, e := range l.Entries {
		held[e.Ring] = true
	}
	for _, s := range l.stops {
		held[s.Ring] = true
	}
	next := (n.Ring + 1) % l.g.NJournal
	behind := next
	for behind != n.Ring && !held[behind] {
		behind = (behind + 1) % l.g.NJournal
	}
	if behind == n.Ring || behind == next {
		return 0, 0, false
	}
	live := func(e Entry) bool { return e.Ring == behind && e.Seq >= n.LastSeq }
	if behind != (next+1)%l.g.NJournal && slices.ContainsFunc(l.Entries, live) {
		return 0, 0, false // all before what is live is empty, not one bucket alone: it discarded until not long ago
	}
	i := slices.IndexFunc(l.Entries, func(e Entry) bool { return e.Ring == behind && e.Offset == 0 })
	if i < 0 {
		return 0, 0, false
	}
	first := l.Entries[i]
	if first.Seq > n.LastSeq || first.LastSeq >= first.Seq || slices.ContainsFunc(l.Entries, func(e Entry) bool { return e.Seq == first.Seq-1 }) {
		return 0, 0, false
	}
	return next, first.Seq - 1, true
}
