// SPDX-License-Identifier: GPL-2.0-only

package journal

import (
	"container/list"
	"math/rand/v2"
	"slices"
	"testing"
)

// slowRead is bch_journal_read with journal_read_bucket, line by line as the kernel has them, over a linked list.
func slowRead(chains [][]Entry) []Entry {
	n := len(chains)
	l := list.New()
	bitmap := make([]bool, n)
	newest := func() uint64 { return l.Back().Value.(Entry).Seq }
	readBucket := func(b int) bool {
		bitmap[b] = true
		return slowReadBucket(l, chains[b])
	}
	nextBit := func(set bool, from int) int {
		for i := from; i < n; i++ {
			if bitmap[i] == set {
				return i
			}
		}
		return n
	}
	found := -1
	for i := uint32(0); i < uint32(n) && found < 0; i++ {
		b := int(i * 2654435769 % uint32(n))
		if bitmap[b] {
			break
		}
		if readBucket(b) {
			found = b
		}
	}
	for b := nextBit(false, 0); b < n && found < 0; b = nextBit(false, b+1) {
		if readBucket(b) {
			found = b
		}
	}
	if found < 0 {
		return nil
	}
	left, m := found, found
	right := nextBit(true, left+1)
	for left+1 < right {
		seq := newest()
		m = (left + right) / 2
		readBucket(m)
		if seq != newest() {
			left = m
		} else {
			right = m
		}
	}
	for left = m; ; {
		if left == 0 {
			left = n
		}
		if left--; left == m {
			break
		}
		if bitmap[left] {
			continue
		}
		if !readBucket(left) {
			break
		}
	}
	var out []Entry
	for e := l.Front(); e != nil; e = e.Next() {
		out = append(out, e.Value.(Entry))
	}
	return out
}

func slowReadBucket(l *list.List, chain []Entry) (ret bool) {
entries:
	for _, j := range chain {
		for l.Len() > 0 && l.Front().Value.(Entry).Seq < j.LastSeq {
			l.Remove(l.Front())
		}
		for i := l.Back(); i != nil; i = i.Prev() {
			e := i.Value.(Entry)
			switch {
			case j.Seq == e.Seq, j.Seq < e.LastSeq:
				continue entries
			case j.Seq > e.Seq:
				l.InsertAfter(j, i)
				ret = true
				continue entries
			}
		}
		l.PushFront(j)
		ret = true
	}
	return ret
}

// Rings of anything, sound or not: both give the same list.
func TestKernelReadModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	for range 30000 {
		chains := make([][]Entry, rnd.IntN(20))
		for b := range chains {
			for o := range rnd.IntN(4) {
				seq := uint64(rnd.IntN(30))
				last := seq - uint64(rnd.IntN(6))
				if rnd.IntN(20) == 0 {
					last = uint64(rnd.IntN(40)) // damaged: also above seq
				}
				chains[b] = append(chains[b], Entry{Seq: seq, LastSeq: last, Ring: b, Csum: uint64(o)})
			}
		}
		if got, want := kernelRead(chains), slowRead(chains); !slices.Equal(got, want) {
			t.Fatalf("%v:\n got %v\nwant %v", chains, got, want)
		}
	}
}
