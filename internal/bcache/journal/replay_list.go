// SPDX-License-Identifier: GPL-2.0-only

package journal

import "slices"

// A replayList is the list that journal_read_bucket builds: entries by seq, oldest first. The kernel walks it from its
// newest end for each entry, which on a ring whose seqs fall takes the square of their number. Here it is in pieces,
// of which those that are wholly newer are looked at as one.
type replayList struct {
	pieces []listPiece
}

// A listPiece is never empty.
type listPiece struct {
	entries []Entry
	lastSeq uint64 // the largest of the entries
}

const maxPiece = 512 // entries

// newest is the last entry's seq.
func (l *replayList) newest() uint64 {
	last := l.pieces[len(l.pieces)-1].entries
	return last[len(last)-1].Seq
}

// all are the entries in order.
func (l *replayList) all() (list []Entry) {
	for _, p := range l.pieces {
		list = append(list, p.entries...)
	}
	return list
}

// add drops what is older than e needs, and takes e in, unless its seq is there or something newer does not need it
// any more.
func (l *replayList) add(e Entry) bool {
	l.dropBefore(e.LastSeq)
	if len(l.pieces) == 0 {
		l.pieces = []listPiece{{[]Entry{e}, e.LastSeq}}
		return true
	}
	n := len(l.pieces) - 1
	for ; n > 0 && l.pieces[n].entries[0].Seq > e.Seq; n-- {
		if e.Seq < l.pieces[n].lastSeq {
			return false
		}
	}
	p, at := &l.pieces[n], 0
	for i := len(p.entries) - 1; i >= 0; i-- {
		if e.Seq == p.entries[i].Seq || e.Seq < p.entries[i].LastSeq {
			return false
		}
		if e.Seq > p.entries[i].Seq {
			at = i + 1
			break
		}
	}
	p.entries = slices.Insert(p.entries, at, e)
	p.lastSeq = max(p.lastSeq, e.LastSeq)
	if len(p.entries) > maxPiece {
		l.split(n)
	}
	return true
}

// dropBefore forgets the entries below a seq.
func (l *replayList) dropBefore(seq uint64) {
	for len(l.pieces) > 0 {
		p := &l.pieces[0]
		n := slices.IndexFunc(p.entries, func(e Entry) bool { return e.Seq >= seq })
		switch n {
		case 0:
			return
		case -1:
			l.pieces = l.pieces[1:]
		default:
			*p = newPiece(p.entries[n:])
			return
		}
	}
}

func (l *replayList) split(n int) {
	entries := l.pieces[n].entries
	half := len(entries) / 2
	l.pieces[n] = newPiece(entries[:half:half])
	l.pieces = slices.Insert(l.pieces, n+1, newPiece(slices.Clone(entries[half:])))
}

func newPiece(entries []Entry) listPiece {
	p := listPiece{entries: entries}
	for i := range entries {
		p.lastSeq = max(p.lastSeq, entries[i].LastSeq)
	}
	return p
}
