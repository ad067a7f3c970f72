// SPDX-License-Identifier: GPL-2.0-only

package inspect

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"bctl/internal/bcache/ondisk"
)

// firstOwners is of how many volumes each has a bit in the word of a bucket: those that came first. Few caches have more.
const firstOwners = 9

// Of a bucket that has data of another one too, all owners stand in one more word instead. That is 0 for none, inode+1 for
// one inode, manyOwners plus the index of a set of a few, or ownList plus the index of a list that is the bucket's alone.
// The different small sets are few, so each is kept once. Large ones are kept a bucket each, so that no more inodes are kept
// than there are extents.
const (
	manyOwners = 1 << 31
	ownList    = manyOwners | 1<<30
	fewOwners  = 4
)

type ownerSets struct {
	mu    sync.Mutex
	sets  [][]uint32
	index map[string]uint32
	lists [][]uint32
	steps map[uint64]uint32 // what with has answered, by its arguments, but for lists
	last  [512]joined       // the same of join, without its lock: the marker alone calls it
}

// joined is what join answered before.
type joined struct{ owners, inode, next uint32 }

// own notes that b holds live data of inode.
func (t *Buckets) own(b ondisk.Bucket, inode uint32) {
	bit := t.ownBit(inode)
	if w := t.is(b); (w|bit)&ownMany == 0 {
		if w&bit == 0 {
			t.set(b, bit)
		}
		return
	}
	w := t.manyOf(b)
	*w = t.sets.join(*w, inode)
}

// ownBit is the bit of inode in the word of a bucket, or ownMany.
func (t *Buckets) ownBit(inode uint32) uint64 {
	i := slices.Index(t.first[:t.firsts], inode)
	if i < 0 {
		if t.firsts == firstOwners {
			return ownMany
		}
		i = t.firsts
		t.first[i] = inode
		t.firsts++
	}
	return 1 << (ownShift + i)
}

// manyOf is the word of all owners of b, which turns to that.
func (t *Buckets) manyOf(b ondisk.Bucket) *uint32 {
	if t.many == nil {
		t.many = make([]uint32, len(t.of))
	}
	if w := t.is(b); w&ownMany == 0 {
		word := uint32(0)
		for _, inode := range t.firstOf(w) {
			word = t.sets.join(word, inode)
		}
		t.many[b] = word
		atomic.AndUint64(&t.of[b], ^ownMask)
		t.set(b, ownMany)
	}
	return &t.many[b]
}

// firstOf are the inodes whose bits are in the word of a bucket.
func (t *Buckets) firstOf(w uint64) (inodes []uint32) {
	for i, inode := range t.first[:t.firsts] {
		if w>>(ownShift+i)&1 != 0 {
			inodes = append(inodes, inode)
		}
	}
	return inodes
}

// join is the word of w's inodes and one more, where w may be 0.
func (s *ownerSets) join(w, inode uint32) uint32 {
	if w == 0 || w == inode+1 {
		return inode + 1
	}
	j := &s.last[(w+w>>25+inode*31)%uint32(len(s.last))]
	if j.owners != w || j.inode != inode {
		next := s.with(w, inode)
		if next&ownList == ownList { // it is the bucket's alone
			return next
		}
		*j = joined{w, inode, next}
	}
	return j.next
}

// with is the word of w's inodes and one more.
func (s *ownerSets) with(w, inode uint32) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	step := uint64(w)<<32 | uint64(inode)
	if next, ok := s.steps[step]; ok {
		return next
	}
	next := s.find(w, inode)
	if next&ownList != ownList {
		if s.steps == nil {
			s.steps = map[uint64]uint32{}
		}
		s.steps[step] = next
	}
	return next
}

// find is with, where it was not asked before.
func (s *ownerSets) find(w, inode uint32) uint32 {
	inodes := s.inodes(w)
	at, there := slices.BinarySearch(inodes, inode)
	switch {
	case there:
		return w
	case w&ownList == ownList:
		s.lists[w&^ownList] = slices.Insert(inodes, at, inode)
		return w
	}
	inodes = slices.Insert(slices.Clone(inodes), at, inode)
	if len(inodes) > fewOwners {
		s.lists = append(s.lists, inodes)
		return ownList | uint32(len(s.lists)-1)
	}
	key := fmt.Sprint(inodes)
	if i, ok := s.index[key]; ok {
		return manyOwners | i
	}
	if s.index == nil {
		s.index = map[string]uint32{}
	}
	i := uint32(len(s.sets))
	s.sets, s.index[key] = append(s.sets, inodes), i
	return manyOwners | i
}

func (s *ownerSets) inodes(w uint32) []uint32 {
	switch {
	case w == 0:
		return nil
	case w&manyOwners == 0:
		return []uint32{w - 1}
	case w&ownList == ownList:
		return s.lists[w&^ownList]
	}
	return s.sets[w&^manyOwners]
}

// Inodes returns the inodes with live data in b, in order; none from a small table.
func (t *Buckets) Inodes(b ondisk.Bucket) []uint32 {
	w := t.is(b)
	if w&ownMany == 0 {
		inodes := t.firstOf(w)
		slices.Sort(inodes)
		return inodes
	}
	t.sets.mu.Lock()
	defer t.sets.mu.Unlock()
	return slices.Clone(t.sets.inodes(t.many[b])) // a list may still grow
}

// owners is the same for all buckets that have live data of the same inodes, and for others it is not, but that it may
// differ where they are many.
func (t *Buckets) owners(b ondisk.Bucket) uint64 {
	if w := t.is(b); w&ownMany == 0 {
		return w & ownMask
	}
	return ownMany | uint64(t.many[b])
}

// Owner says what b is used for: superblock, journal, prio, uuid, btree level N, or the inodes of its data.
func (t *Buckets) Owner(b ondisk.Bucket) string {
	switch f := t.is(b); {
	case f&flagSuper != 0:
		return "superblock"
	case f&flagJournal != 0:
		return "journal"
	case f&flagPrio != 0:
		return "prio"
	case f&flagUUID != 0:
		return "uuid"
	case f&flagNode != 0:
		return fmt.Sprintf("btree level %d", f&levelMask>>levelShift)
	}
	switch inodes := t.Inodes(b); len(inodes) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("inode %d", inodes[0])
	default:
		return "inodes " + strings.Trim(fmt.Sprint(inodes), "[]")
	}
}
