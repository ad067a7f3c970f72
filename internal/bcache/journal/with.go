// SPDX-License-Identifier: GPL-2.0-only

package journal

import "bctl/internal/bcache/ondisk"

// With is what the kernel would replay, oldest first, if e stood in the ring too, over whatever stands there now: its
// search is played through. e's place, size, seq and last_seq count.
func (l *Log) With(e Entry) []Entry { return l.play(e, true) }

// Torn is what the kernel would replay if nothing stood where e is to go: the writing of e was cut off.
func (l *Log) Torn(e Entry) []Entry { return l.play(e, false) }

func (l *Log) play(e Entry, whole bool) []Entry {
	at := make([]map[ondisk.Sector]Entry, l.g.NJournal)
	for i := range at {
		at[i] = map[ondisk.Sector]Entry{}
	}
	end := e.Offset + l.g.Blocks(e.Bytes)
	for _, x := range l.Entries {
		if x.Ring != e.Ring || x.Offset+l.g.Blocks(x.Bytes) <= e.Offset || x.Offset >= end {
			at[x.Ring][x.Offset] = x
		}
	}
	if whole {
		at[e.Ring][e.Offset] = e
	}
	chains := make([][]Entry, l.g.NJournal)
	for i := range chains { // a bucket ends at its first bad block
		for off := ondisk.Sector(0); off < l.g.BucketSectors; {
			x, ok := at[i][off]
			if !ok {
				break
			}
			chains[i] = append(chains[i], x)
			off += l.g.Blocks(x.Bytes)
		}
	}
	return kernelRead(chains)
}
