// SPDX-License-Identifier: GPL-2.0-only

package journal

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// insert is the middle of journal_read_bucket, as the kernel has it: the model of replayList.add.
func insert(list []Entry, e Entry) ([]Entry, bool) {
	for len(list) > 0 && list[0].Seq < e.LastSeq {
		list = list[1:]
	}
	at := 0
	for i := len(list) - 1; i >= 0; i-- {
		if e.Seq == list[i].Seq || e.Seq < list[i].LastSeq {
			return list, false
		}
		if e.Seq > list[i].Seq {
			at = i + 1
			break
		}
	}
	return slices.Insert(list, at, e), true
}

func TestReplayList(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	// How seqs come, and how far behind them last_seq is: negative where it is ahead, as no kernel writes it.
	for name, next := range map[string]func(i int) (seq uint64, back int64){
		"rising":  func(i int) (uint64, int64) { return uint64(1000 + i), int64(r.IntN(900)) },
		"falling": func(i int) (uint64, int64) { return uint64(10000 - i), 9000 },
		"random":  func(int) (uint64, int64) { return 1000 + r.Uint64N(3000), int64(r.IntN(1000)) },
		"wild":    func(int) (uint64, int64) { return 1000 + r.Uint64N(3000), int64(r.IntN(1500)) - 500 },
		"laps":    func(i int) (uint64, int64) { return uint64(1000 + (i*37)%4000), int64(r.IntN(300)) },
	} {
		var want []Entry
		var got replayList
		for i := range 6000 {
			seq, back := next(i)
			e := Entry{Seq: seq, LastSeq: uint64(int64(seq) - back), Ring: i}
			var added bool
			want, added = insert(want, e)
			if got.add(e) != added || got.newest() != want[len(want)-1].Seq {
				t.Fatalf("%s, entry %d: added %v, newest %d", name, i, !added, got.newest())
			}
			if i%100 == 0 && !slices.Equal(got.all(), want) {
				t.Fatalf("%s: after %d entries the lists differ", name, i)
			}
		}
		if !slices.Equal(got.all(), want) {
			t.Errorf("%s: the lists differ", name)
		}
	}
}

// A hostile ring: as many entries as a gigabyte of journal holds, the newest first.
func BenchmarkFallingRing(b *testing.B) {
	for b.Loop() {
		var l replayList
		for i := range uint64(200000) {
			l.add(Entry{Seq: 1<<20 - i, LastSeq: 1})
		}
	}
}
