// SPDX-License-Identifier: GPL-2.0-only

package repair

import (
	"slices"
	"sort"

	"bctl/internal/bcache/ondisk"
)

// A stand is a key and where it stands.
type stand struct {
	k        ondisk.Bkey
	from, to int
	blended  bool // part of it may be of what stands beside it
}

// emptyBytes is how much without a key ends a bset of which nothing tells the end: what follows is of another node.
const emptyBytes = 8192

// stands are the keys of a node's bytes from a place on, in order of their places. Where the end is not known, it is
// where nothing like a key comes any more.
func stands(raw []byte, at int, open bool, parses func(*ondisk.Bkey) bool) (out []stand) {
	behind := at
	for at+16 <= len(raw) {
		var k ondisk.Bkey
		size, err := k.Decode(raw[at:])
		if err != nil || !parses(&k) {
			if at += 8; open && at-behind > emptyBytes {
				break
			}
			continue
		}
		out = append(out, stand{k: k, from: at, to: at + size})
		at += size
		behind = at
	}
	return out
}

// inOrder leaves out keys that stand where the order of a bset does not want them, as few as can be: those with a damaged
// position, and a block of elsewhere.
func inOrder(keys []stand) (out []stand) {
	var ends []int // of the chains of so many keys, the one that ends first: its last key
	before := make([]int, len(keys))
	for i := range keys {
		k := &keys[i].k
		start := k.Pos()
		if k.Size() > 0 {
			start.Offset = k.Start()
		}
		n := sort.Search(len(ends), func(n int) bool { return keys[ends[n]].k.Pos().Compare(start) > 0 })
		if before[i] = -1; n > 0 {
			before[i] = ends[n-1]
		}
		if n == len(ends) {
			ends = append(ends, i)
		} else if k.Pos().Compare(keys[ends[n]].k.Pos()) < 0 {
			ends[n] = i
		}
	}
	if len(ends) == 0 {
		return nil
	}
	for i := ends[len(ends)-1]; i >= 0; i = before[i] {
		out = append(out, keys[i])
	}
	slices.Reverse(out)
	return out
}

// fewStrange keys side by side that stand where the order does not want them are a block of elsewhere, not damaged each.
const fewStrange = 2

// markBlended marks those of the keys that are in order which reach from a block of elsewhere, whose keys are not, into
// the next: one word of such a key is of the one block and one of the other, and it parses all the same.
func markBlended(all, inOrder []stand) []stand {
	strange, next := make([]int, len(all)+2), 0 // how many of those that are not in order end with one, side by side
	at := make([]int, len(inOrder))
	for i := range all {
		if next < len(inOrder) && inOrder[next].from == all[i].from {
			at[next] = i
			next++
			continue
		}
		if strange[i+1] = 1; i > 0 && all[i-1].to == all[i].from {
			strange[i+1] += strange[i]
		}
	}
	for n := range inOrder {
		k, i := &inOrder[n], at[n]
		if k.from/ondisk.SectorBytes == (k.to-1)/ondisk.SectorBytes {
			continue
		}
		before := i > 0 && all[i-1].to == k.from && strange[i] >= fewStrange
		behind := 0
		for j := i + 1; j < len(all) && all[j-1].to == all[j].from && strange[j+1] > 0; j++ {
			behind++
		}
		k.blended = before || behind >= fewStrange
	}
	return inOrder
}
