// SPDX-License-Identifier: GPL-2.0-only

package journal

import (
	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

// Beyond looks for entries that the newest one needs, or that are newer, in the buckets right behind the ring, up to a
// ring of most buckets: whoever made the ring shorter than it was took the kernel's sight of them. It returns their
// numbers and the first one's place; n is 0 where there are none. Those of another life of the set are none of them:
// an entry counts only if it follows the ring's last directly, or is one that is missing in the ring.
func (l *Log) Beyond(most int) (from, to uint64, n int, at finding.Subject) {
	if len(l.Live) == 0 || l.g.NJournal == 0 {
		return 0, 0, 0, nil
	}
	quiet := &Log{r: l.r, g: l.g, sink: func(finding.Finding) {}}
	newest := l.newest()
	have := map[uint64]bool{}
	next := newest.Seq
	for _, e := range l.Entries {
		have[e.Seq] = true
		next = max(next, e.Seq)
	}
	next++
	w := new(window)
	for i := l.g.NJournal; i < most && l.bucket(i) < l.g.NBuckets; i++ {
		found := quiet.scanBucket(i, w).entries
		if len(found) == 0 {
			continue
		}
		follows := found[0].Offset == 0 && found[0].Seq == next && found[0].LastSeq <= next && found[0].LastSeq >= newest.LastSeq
		for _, e := range found {
			missing := e.Seq >= newest.LastSeq && e.Seq < newest.Seq && !have[e.Seq]
			if !missing && !(follows && e.Seq == next) {
				continue
			}
			if n == 0 {
				from, at = e.Seq, quiet.block(e)
			}
			n++
			from, to = min(from, e.Seq), max(to, e.Seq)
			next = max(next, e.Seq+1)
		}
	}
	return from, to, n, at
}

// Before looks for entries right in front of the ring, from bucket lowest on: those that the ring's first entry follows,
// or that follow its last. It returns what Beyond does.
func (l *Log) Before(lowest ondisk.Bucket) (from, to uint64, n int, at finding.Subject) {
	if len(l.Live) == 0 || len(l.Entries) == 0 || l.Entries[0].Ring > 0 || l.Entries[0].Offset > 0 {
		return 0, 0, 0, nil
	}
	quiet := &Log{r: l.r, g: l.g, sink: func(finding.Finding) {}}
	first, top := l.Entries[0].Seq, uint64(0)
	for _, e := range l.Entries {
		top = max(top, e.Seq)
	}
	w := new(window)
	take := func(i int, fits func(first, last uint64) bool) bool {
		found := quiet.scanBucket(i, w).entries
		if len(found) == 0 || found[0].Offset > 0 {
			return false
		}
		last := found[0].Seq // of those that were written one after the other
		for _, e := range found[1:] {
			if e.Seq != last+1 {
				break
			}
			last = e.Seq
		}
		if !fits(found[0].Seq, last) {
			return false
		}
		if n == 0 {
			from, to, at = found[0].Seq, last, quiet.block(found[0])
		}
		n, from, to = n+1, min(from, found[0].Seq), max(to, last)
		return true
	}
	most := int(l.g.FirstBucket - min(lowest, l.g.FirstBucket))
	for i := -most; i < 0 && take(i, func(a, _ uint64) bool { return a == top+1 }); i++ {
		top = to
	}
	for i := -1; i >= -most && take(i, func(_, b uint64) bool { return b+1 == first }); i-- {
		first = from
	}
	return from, to, n, at
}
