// SPDX-License-Identifier: GPL-2.0-only

package journal

import (
	"errors"
	"fmt"
	"slices"

	"bctl/internal/bcache/ondisk"
	"bctl/internal/finding"
)

func (l *Log) noEntries() {
	for _, s := range l.stops {
		if errors.Is(s.Err, ondisk.ErrByteOrder) {
			l.emit(finding.SBByteOrder, finding.Bucket{Bucket: l.bucket(s.Ring), Name: "journal bucket"}, "%v", s.Err)
			break
		}
	}
	l.sink(finding.New(finding.JRNone, "no valid entry in %d journal buckets from bucket %d on", l.g.NJournal, l.g.FirstBucket).
		With(finding.Bucket{Bucket: l.g.FirstBucket, Name: "journal bucket"}))
}

func (l *Log) newest() Entry { return l.Live[len(l.Live)-1] }

func (l *Log) emit(c finding.Code, s finding.Subject, format string, args ...any) {
	l.sink(finding.About(s, c, format, args...))
}

// ring is the ring as a whole, seen from e.
func (l *Log) ring(e Entry) finding.Subject {
	return finding.Ring{Bucket: l.bucket(e.Ring), Sector: l.sector(e)}
}

// block is the place of e.
func (l *Log) block(e Entry) finding.Subject {
	return finding.JournalBlock{Bucket: l.bucket(e.Ring), Offset: e.Offset, Sector: l.sector(e), Seq: e.Seq}
}

// judge reports what is wrong with the ring as a whole, the newest entry's header apart (header.go).
func (l *Log) judge(chains [][]Entry) {
	n := l.newest()
	l.judgeGaps(n)
	l.judgeLost(n)
	l.judgeStops(n)
	if ring, was, ok := l.Wiped(); ok {
		l.emit(finding.JRDamaged, finding.Bucket{Bucket: l.bucket(ring)}, "nothing is left of the entries in the bucket behind %d, the newest, %d was there: newer ones may have been", n.Seq, was)
	}
	l.judgeOrder(chains)
	l.judgeRing(n)
	l.judgeHeader(n)
}

// judgeGaps looks for seqs that the newest entry still needs and the kernel does not find.
func (l *Log) judgeGaps(n Entry) {
	if n.LastSeq > n.Seq {
		return // judgeHeader's
	}
	want := n.LastSeq
	for _, e := range l.Live {
		if e.Seq > want {
			code := finding.JRGap
			if want == n.LastSeq && l.Discard() {
				code = finding.JRDiscarded
				if slices.ContainsFunc(l.Entries, func(o Entry) bool { return o.Seq >= want && o.Seq < e.Seq }) {
					code = finding.JRLost // its bucket is there: it stands behind a bad block
				}
			}
			l.emit(code, l.ring(e), "%s missing, the newest, %d, needs all from %d on", run(want, e.Seq-1), n.Seq, n.LastSeq)
		}
		want = e.Seq + 1
	}
}

// Discard reports whether the cache discards journal buckets it has done with. Kernels up to 6.18 then allow for
// missing oldest entries.
func (l *Log) Discard() bool { return l.g.Discard }

// judgeLost looks for valid entries above the newest one that the kernel finds.
func (l *Log) judgeLost(n Entry) {
	live := map[uint64]Entry{}
	for _, e := range l.Live {
		live[e.Seq] = e
	}
	for _, e := range l.Entries {
		found, ok := live[e.Seq]
		switch {
		case e.Seq > n.Seq && e.LastSeq > n.Seq+1:
			l.emit(finding.JRFuture, l.block(e), "entry %d of another life, the newest is %d", e.Seq, n.Seq)
		case e.Seq > n.Seq:
			l.emit(finding.JRLost, l.block(e), "entry %d is valid, but the kernel stops at %d", e.Seq, n.Seq)
		case ok && !e.Behind && found.Csum != e.Csum:
			l.emit(finding.JRTwice, l.block(e), "entry %d stands also in bucket %d, with other contents", e.Seq, l.bucket(found.Ring))
		}
	}
}

// judgeStops tells a destroyed live entry and a torn newest one from leftovers.
func (l *Log) judgeStops(n Entry) {
	live := map[uint64]bool{}
	for _, e := range l.Live {
		live[e.Seq] = true
	}
	end := n.Offset + l.g.Blocks(n.Bytes)
	next := (n.Ring + 1) % l.g.NJournal
	torn := false
	for _, s := range l.stops {
		inPlace := s.Ring == n.Ring && s.Offset == end
		nextBucket := s.Ring == next && s.Offset == 0 && s.Seq == n.Seq+1
		switch {
		case errors.Is(s.Err, ondisk.ErrByteOrder):
		case inPlace || nextBucket:
			torn = true
			l.emit(finding.JRTorn, l.block(s.Entry), "the entry behind %d, the newest, is torn: %v", n.Seq, s.Err)
		case s.Seq >= n.LastSeq && s.Seq < n.Seq && !live[s.Seq]:
			l.emit(finding.JRDamaged, l.block(s.Entry), "live entry %d: %v", s.Seq, s.Err)
		}
	}
	if !torn {
		l.tornMagic(n.Ring, end)
		l.tornMagic(next, 0)
	}
}

// tornMagic finds an entry whose magic alone is damaged, where the next one would stand.
func (l *Log) tornMagic(ring int, off ondisk.Sector) {
	if off >= l.g.BucketSectors {
		return
	}
	var w window
	w.reset(l.r, l.start(ring).Bytes(), l.g.BucketSectors.Bytes())
	b, err := w.at(off.Bytes(), ondisk.MaxJsetBytes)
	if err != nil || !ondisk.JsetButMagic(b, l.g.SetMagic) {
		return
	}
	j := ondisk.JsetNumbers(b)
	if j.Seq == l.newest().Seq+1 {
		l.emit(finding.JRTorn, l.block(Entry{Ring: ring, Offset: off, Seq: j.Seq}), "entry %d has a bad magic", j.Seq)
	}
}

// judgeOrder checks that seqs rise within each bucket until the leftovers of older laps.
func (l *Log) judgeOrder(chains [][]Entry) {
	for _, chain := range chains {
		top, dropped := uint64(0), false
		for _, e := range chain {
			if e.Seq > top && dropped {
				l.emit(finding.JROrder, l.block(e), "entry %d behind leftovers, %d before them", e.Seq, top)
			}
			dropped = dropped || e.Seq < top
			top = max(top, e.Seq)
		}
	}
	for i := 1; i < len(l.Live); i++ {
		a, b := l.Live[i-1], l.Live[i]
		if step := (b.Ring - a.Ring + l.g.NJournal) % l.g.NJournal; step > 1 && b.Seq == a.Seq+1 {
			l.emit(finding.JROrder, l.ring(b), "entry %d stands %d buckets behind entry %d", b.Seq, step, a.Seq)
		}
	}
}

// judgeRing counts the buckets that hold live entries, and those the kernel can go on to.
func (l *Log) judgeRing(n Entry) {
	used := map[int]bool{}
	for _, e := range l.Live {
		used[e.Ring] = true
	}
	l.NLive = len(used)
	oldest := l.Live[0]
	free := l.g.NJournal - 1
	if oldest.Ring != n.Ring {
		free = (oldest.Ring - n.Ring - 1 + l.g.NJournal) % l.g.NJournal
	}
	switch {
	case free < 1:
		l.emit(finding.JRFull, l.ring(n), "no free bucket between the newest entry (bucket %d) and the oldest live one (bucket %d)", l.bucket(n.Ring), l.bucket(oldest.Ring))
	case 4*l.NLive > 3*l.g.NJournal:
		l.emit(finding.JRNearlyFull, l.ring(n), "%d of %d buckets hold live entries", l.NLive, l.g.NJournal)
	}
}

// run names one entry, or several.
func run(first, last uint64) string {
	if first == last {
		return fmt.Sprintf("entry %d is", first)
	}
	return fmt.Sprintf("entries %d-%d are", first, last)
}
